"""A study as a whole: what fails, what is kept, what is done again. No model is needed, so each run takes seconds."""

import json, os, signal, subprocess, sys, time
from pathlib import Path
import pytest, yaml
from xicl_study.study.runner import run_study
from xicl_study.study.status import is_running, run_status
from xicl_study.study.notebooks import execute_notebook
from xicl_study.errors import RecipeError, StudyError, UnknownNameError
from xicl_study.files import read_parquet
from xicl_study.recipe.recipe import load_recipe


def run(recipe, **options):
    overrides = options.pop("overrides", None)
    return run_study(load_recipe(recipe, overrides=overrides), workers=2, quiet=True, **options)


def times(folder):
    """Return the modification times of what the evaluations made."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("runs/**/*.*") if path.is_file()
    }


def steps(outcome):
    return [title for title, _ in outcome.planned]


def xicl(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "xicl_study.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_whole_study_then_nothing_then_changes(toy):
    first = run(toy)
    assert not first.failures and first.report.is_file() and len(first.planned) == 9, first
    folder = first.folder
    for name in (
        "recipe.yaml",
        "environment.json",
        "results.parquet",
        "comparisons.parquet",
        "training/0/closed_loop/training.json",
        "runs/main_result/hi/0/notebook.ipynb",
        "runs/main_result/hi/0/metrics.json",
    ):
        assert (folder / name).is_file(), name
    assert {row["state"] for row in run_status(folder)} == {"done"}
    assert str(folder) not in (folder / "runs/main_result/hi/0/notebook.ipynb").read_text(encoding="utf-8"), (
        "no path of this machine"
    )
    before = times(folder)

    assert run(toy).planned == [] and times(folder) == before, "an unchanged study is left alone"

    fewer = run(toy, overrides={"languages": ["de", "sw", "hi"]})
    assert steps(fewer) == ["gather", "figures", "report"] and times(folder) == before, (
        "a language less touches no evaluation"
    )

    more = run(toy, overrides={"test_items": 13, "languages": ["de", "sw", "hi"]})
    assert "train, seed 0" not in steps(more) and sum("evaluate" in title for title in steps(more)) == 3

    text = Path("main.ipynb").read_text(encoding="utf-8").replace("rng.random() < .5", "rng.random() < .6")
    Path("main.ipynb").write_text(text, encoding="utf-8")
    edited = run(toy, overrides={"test_items": 13, "languages": ["de", "sw", "hi"]}, dry_run=True)
    assert sum("evaluate" in title for title in steps(edited)) == 3 and "train, seed 0" not in steps(edited), (
        "a changed notebook is run again"
    )

    retrained = run(toy, overrides={"k": 3}, dry_run=True)
    assert "train, seed 0" in steps(retrained) and "prepare" not in steps(retrained)
    assert len(run(toy, force=True, dry_run=True).planned) == 9


def test_a_change_that_prepares_again_reaches_every_step_in_the_same_run(toy):
    folder = run(toy).folder
    before, change = times(folder), {"task": "udhr-topic"}
    expected = [
        "prepare",
        "train, seed 0",
        *sorted(f"evaluate {name}, seed 0" for name in ("Arabic (ar)", "German (de)", "Hindi (hi)", "Swahili (sw)")),
        "gather",
        "figures",
        "report",
    ]
    ordered = lambda outcome: [steps(outcome)[:2], sorted(steps(outcome)[2:6]), steps(outcome)[6:]]
    wanted = [expected[:2], expected[2:6], expected[6:]]
    assert ordered(run(toy, overrides=change, dry_run=True)) == wanted and times(folder) == before
    assert ordered(run(toy, overrides=change)) == wanted
    assert all(times(folder)[path] > before[path] for path in before)
    assert run(toy, overrides=change).planned == [] and run(toy, overrides=change, dry_run=True).planned == []


def test_a_failed_language_does_not_stop_the_others(toy, monkeypatch):
    monkeypatch.setenv("FAIL", "hi")
    first = run(toy)
    assert [failure.language for failure in first.failures] == ["hi"] and first.report.is_file()
    failure = first.failures[0]
    assert failure.error == "The adapter of this language cannot be read." and Path(failure.log).is_file()
    assert "ModelError" in Path(failure.notebook).read_text(encoding="utf-8"), "the notebook with the error is kept"
    assert not (first.folder / "runs/main_result/hi/0/predictions.parquet").exists()
    assert json.loads((first.folder / "failures.json").read_text())[0]["language"] == "hi"
    covered = set(read_parquet(first.folder / "results.parquet").language)
    assert {"de", "sw", "ar"} <= covered and "hi" not in covered
    states = {row["step"]: row["state"] for row in run_status(first.folder)}
    assert states["evaluate Hindi (hi), seed 0"] == "failed" and states["evaluate Swahili (sw), seed 0"] == "done"

    before = times(first.folder)
    monkeypatch.delenv("FAIL")
    second = run(toy)
    assert steps(second) == ["evaluate Hindi (hi), seed 0", "gather", "figures", "report"] and not second.failures
    after = times(first.folder)
    assert all(after[name] == stamp for name, stamp in before.items() if "/hi/" not in name), (
        "the others are not touched"
    )
    assert json.loads((first.folder / "failures.json").read_text()) == []


def test_a_dead_kernel_and_a_failed_training_are_named(toy, monkeypatch):
    monkeypatch.setenv("DIE", "sw")
    died = run(toy, overrides={"languages": ["de", "sw"]})
    assert "ended from outside" in died.failures[0].error and died.report.is_file()
    monkeypatch.setenv("FAIL", "train")
    failed = xicl("run", "--recipe", str(toy), "--output", "other", "--languages", "de")
    assert (
        failed.returncode == 1
        and "train, seed 0: ValueError: the loss is not a number" in failed.stderr
        and "Traceback" not in failed.stderr
    )
    assert "Report:" not in failed.stdout


def test_killed_run_goes_on_and_refuses_company(toy):
    command = [
        sys.executable,
        "-m",
        "xicl_study.cli",
        "run",
        "--recipe",
        str(toy),
        "--output",
        "study",
        "--workers",
        "2",
    ]
    process = subprocess.Popen(
        command, env={**os.environ, "SLOW": "ar"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    study, deadline = Path("study"), time.time() + 300
    while time.time() < deadline and not all(
        (study / f"runs/main_result/{code}/0/notebook.ipynb").is_file() for code in ("de", "sw", "hi")
    ):
        assert process.poll() is None
        time.sleep(0.2)
    while time.time() < deadline and not (study / "logs/progress/evaluate-ar-0.json").is_file():
        time.sleep(0.2)
    assert is_running(study) and "running" in {row["state"] for row in run_status(study)}
    second = xicl("run", "--recipe", str(toy), "--output", "study")
    assert second.returncode == 1 and second.stderr.count("\n") == 1 and "Another run is working on" in second.stderr
    before = times(study)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stale = study / "logs/progress/evaluate-hi-0.json"
    # as of a step that was killed, and does not run now
    stale.write_text('{"done": 1, "total": 3, "note": "items"}', encoding="utf-8")
    outcome = run(toy, output="study")
    assert not outcome.failures and outcome.report.is_file() and not stale.exists()
    assert steps(outcome) == ["evaluate Arabic (ar), seed 0", "gather", "figures", "report"]
    finished = {name: stamp for name, stamp in before.items() if "/ar/" not in name}
    assert finished and {name: times(study)[name] for name in finished} == finished, "what was finished is not touched"


ELSEWHERE = """
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    queue: Optional[str] = field(default=None, metadata={"help": "file that names every job", "required": True})

common_settings = CommonSettings(non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False)

class Executor(RemoteExecutor):
    def __post_init__(self): self._next_seconds_between_status_checks = 0.2
    def run_job(self, job):
        with Path(self.workflow.executor_settings.queue).open("a") as queue: queue.write(job.name + "\\n")
        process = subprocess.Popen(self.format_job_exec(job), shell=True)
        self.report_job_submission(SubmittedJobInfo(job, aux={"process": process}))
    async def check_active_jobs(self, active_jobs):
        for job in active_jobs:
            self._next_seconds_between_status_checks = 0.2
            code = job.aux["process"].poll()
            if code is None: yield job
            elif code: self.report_job_error(job)
            else: self.report_job_success(job)
    def cancel_jobs(self, active_jobs):
        for job in active_jobs: job.aux["process"].kill()
"""


def test_jobs_of_a_cluster(toy, tmp_path, monkeypatch):
    """A plugin of Snakemake that runs each job in another process, as SLURM's does: it gets its options, every job, and
    a job that fails.
    """
    (tmp_path / "plugins" / "snakemake_executor_plugin_elsewhere").mkdir(parents=True)
    (tmp_path / "plugins" / "snakemake_executor_plugin_elsewhere" / "__init__.py").write_text(
        ELSEWHERE, encoding="utf-8"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path / "plugins"), os.environ.get("PYTHONPATH")]))

    def on_cluster(executor, **environment):
        options = ("--languages", "de,sw", "--output", "study", "--workers", "2", "--executor", executor)
        return xicl("run", "--recipe", str(toy), *options, PYTHONPATH=path, **environment)

    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    monkeypatch.setenv("PYTHONPATH", path)
    for executor, message in (
        (
            "nowhere",
            (
                "The executor 'nowhere' is not installed; installed are elsewhere, local. Install it: pip install"
                " snakemake-executor-plugin-nowhere"
            ),
        ),
        ("elsewhere", "The options of the executor 'elsewhere' are not right"),
        ("elsewhere --elsewhere-speed 3", "unrecognized arguments: --elsewhere-speed 3"),
        ("local --quick", "takes no options"),
        ("elsewhere 'x", "is no name with options behind it"),
        ("", "is no name with options behind it"),
    ):
        with pytest.raises(StudyError) as caught:
            run(toy, executor=executor)
        assert message in str(caught.value) and "\n" not in str(caught.value)
    failed = on_cluster(f"elsewhere --elsewhere-queue {tmp_path / 'queue'}", FAIL="sw")
    assert (
        failed.returncode == 1
        and "evaluate Swahili (sw), seed 0" in failed.stderr
        and (Path("study") / "runs/main_result/de/0/notebook.ipynb").is_file()
    ), failed
    whole = on_cluster(f"elsewhere --elsewhere-queue {tmp_path / 'queue'}")
    assert whole.returncode == 0 and (Path("study") / "report.html").is_file(), whole
    names = (tmp_path / "queue").read_text().split()
    assert (
        {"prepare", "train", "evaluate", "gather", "figures", "report"} == set(names)
        and names.count("train") == 1
        and names.count("evaluate") == 3
    )


def test_interrupt_ends_every_process(toy):
    command = [
        sys.executable,
        "-m",
        "xicl_study.cli",
        "run",
        "--recipe",
        str(toy),
        "--output",
        "study",
        "--languages",
        "ar",
    ]
    # A shell starts background jobs with SIGINT ignored, and children inherit that; the test wants a terminal's
    # behaviour.
    process = subprocess.Popen(
        command,
        env={**os.environ, "SLOW": "ar"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.time() + 300
    while time.time() < deadline and not Path("study/logs/progress/evaluate-ar-0.json").is_file():
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=90)
    assert process.returncode == 130 and "Traceback" not in text and "same command" in text
    assert not is_running("study") and not Path("study/runs/main_result/ar/0/predictions.parquet").exists()


@pytest.mark.parametrize(
    "change, part",
    [
        ({"languages": ["de", "klingon"]}, "Unknown language 'klingon'"),
        ({"task": "emoji-topics"}, "Did you mean emoji-topic"),
        ({"policy": "gemma3-27m"}, "Did you mean gemma3-270m"),
        ({"methods": ["bm52"]}, "Did you mean bm25"),
        ({"k": "four"}, "k must be a whole number"),
        ({"langauges": ["de"]}, "Did you mean languages"),
        ({"encoder": "gemma3-270m"}, "is no encoder"),
        ({"label_words": "german"}, "Known: english, native"),
        ({"training.stepz": 3}, "Did you mean steps"),
        ({"training.steps": "many"}, "training.steps must be int"),
        ({"notebooks.train": "absent.ipynb"}, "there is no notebook"),
    ],
)
def test_bad_recipes_are_refused_before_anything_starts(toy, change, part):
    with pytest.raises(StudyError, match=part) as caught:
        run(toy, overrides=change)
    assert "\n" not in str(caught.value) and not Path("outputs").exists()


def test_parameters_that_the_notebook_does_not_know(toy):
    from conftest import MAIN, write_notebook

    write_notebook(Path("main.ipynb"), [MAIN[0].replace("k: int", "n_shots: int"), *MAIN[1:]])
    with pytest.raises(RecipeError, match="main.ipynb: unknown parameter 'k'"):
        run(toy)
    write_notebook(Path("main.ipynb"), [MAIN[0].replace("seed: int = 0", 'seed: str = "0"'), *MAIN[1:]])
    with pytest.raises(RecipeError, match="seed must be str, not 0"):
        run(toy)
    assert not Path("outputs").exists()


def test_damaged_predictions_are_named(toy):
    folder = run(toy, overrides={"languages": ["de", "sw"], "methods": ["zero_shot"]}).folder
    assert not (folder / "training").exists(), "no method needs a training"
    path = folder / "runs/main_result/sw/0/predictions.parquet"
    path.write_bytes(path.read_bytes()[:200])
    said = xicl("report", str(folder))
    assert said.returncode == 1 and said.stderr.count("\n") == 1 and "damaged or only half written" in said.stderr
    path.unlink()
    again = run(toy, overrides={"languages": ["de", "sw"], "methods": ["zero_shot"]})
    assert steps(again)[0] == "evaluate Swahili (sw), seed 0" and not again.failures


def test_dry_run_touches_nothing(toy):
    said = xicl("run", "--recipe", str(toy), "--dry-run")
    assert (
        said.returncode == 0
        and "9 steps would run" in said.stdout
        and "evaluate Swahili (sw), seed 0: not done yet" in said.stdout
    ), said
    assert not Path("outputs").exists()


def test_a_notebook_moves_to_its_place_only_when_whole(toy):
    from conftest import write_notebook

    write_notebook(
        Path("bad.ipynb"),
        ["n: int = 1", "import sys\nfrom xicl_study.errors import DataError\nraise DataError('The file is empty.')"],
    )
    with pytest.raises(StudyError, match="^The file is empty.$"):
        execute_notebook("bad.ipynb", "place/bad.ipynb", {"n": 2}, "logs/bad.ipynb")
    assert Path("logs/bad.ipynb").is_file() and not Path("place/bad.ipynb").exists()


def test_recipes_are_typed_and_extend(toy):
    with pytest.raises(UnknownNameError, match="Did you mean smoke"):
        load_recipe("smok")
    Path("a.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(RecipeError, match="extends itself"):
        load_recipe("a.yaml")
    Path("no.yaml").write_text(yaml.safe_dump({"extends": "smoke"}) + "languages: [no, de]\n")
    with pytest.raises(RecipeError, match="Quote it"):
        load_recipe("no.yaml")


@pytest.mark.slow
def test_smoke_recipe_end_to_end(tmp_path):
    said = xicl("run", "--recipe", "smoke", "--output", str(tmp_path / "smoke"))
    assert said.returncode == 0, said.stderr
    for name in ("report.html", "results.parquet", "training/0/notebook.ipynb", "runs/main_result/sw/0/notebook.ipynb"):
        assert (tmp_path / "smoke" / name).is_file(), name
