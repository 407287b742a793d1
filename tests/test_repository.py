"""The repository and what is built from it: notebooks, exported code, README, wheel."""

import json, os, re, shutil, subprocess, sys, time, zipfile
import pytest
from conftest import MACHINE_ROOTS, REPOSITORY
from xicl_study.report.templates import template_files

NOTEBOOKS = sorted(path for path in (REPOSITORY / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
EXPERIMENTS = sorted((REPOSITORY / "nbs" / "experiments").rglob("*.ipynb"))


def test_notebooks_modules_and_readme_say_the_same():
    sys.path.insert(0, str(REPOSITORY / "tests"))
    import drift

    assert drift.marker_drift() == [] and drift.link_drift() == []
    assert drift.export_drift() == [] and drift.clean_drift() == [] and drift.readme_drift() == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_have_typed_and_commented_parameters(path):
    import papermill

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1
    found = papermill.inspect_notebook(str(path))
    main = path.stem in ("01_train", "02_main_result")
    assert {"seed", "recipe", "output", *(("task", "policy", "k", "methods", "steps") if main else ())} <= set(found)
    for name, facts in found.items():
        assert facts["inferred_type_name"] != "None" and facts["help"], f"{name} lacks a type or a comment"
    assert not any(
        line.startswith(("def ", "class ")) for cell in cells if cell["cell_type"] == "code" for line in cell["source"]
    )


def test_no_absolute_paths():
    for path in [
        *NOTEBOOKS,
        *(REPOSITORY / "xicl_study").rglob("*.py"),
        *(REPOSITORY / "xicl_study" / "recipes").glob("*.yaml"),
    ]:
        text = path.read_text(encoding="utf-8")
        for root in MACHINE_ROOTS:
            assert root not in text, f"{path.name} names {root}"


def test_wheel_holds_everything(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    package, notebooks = REPOSITORY / "xicl_study", REPOSITORY / "nbs" / "experiments"
    wanted = {f"xicl_study/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}
    wanted |= (
        {"xicl_study/py.typed"}
        | {f"xicl_study/recipes/{path.name}" for path in (REPOSITORY / "xicl_study" / "recipes").glob("*.yaml")}
        | {"xicl_study/workflow/Snakefile"}
        | {f"xicl_study/report/templates/{path.name}" for path in template_files()}
    )
    wanted |= {f"xicl_study/notebooks/{path.relative_to(notebooks).as_posix()}" for path in EXPERIMENTS}
    wanted |= {
        f"xicl_study/data/{path.relative_to(REPOSITORY / 'data').as_posix()}"
        for path in (REPOSITORY / "data").rglob("*")
        if path.is_file()
    }
    assert wanted - inside == set()
    extra = {name for name in inside - wanted if ".dist-info/" not in name}
    assert extra == set(), "the wheel carries what it should not"
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_wheel_works_in_an_empty_folder(wheel, tmp_path):
    target, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def run(*arguments):
        return subprocess.run(arguments, capture_output=True, text=True, cwd=empty, env=environment, encoding="utf-8")

    where = run(sys.executable, "-c", "import xicl_study; print(xicl_study.__file__)").stdout.strip()
    assert where.startswith(str(target)), "the installed package is the one that runs"
    assert run(str(target / "bin" / "xicl"), "--help").returncode == 0
    listed = run(str(target / "bin" / "xicl"), "languages")
    assert listed.returncode == 0 and "Kiswahili" in listed.stdout
    verified = run(str(target / "bin" / "xicl"), "data", "--verify")
    assert verified.returncode == 0, verified.stderr
    planned = run(str(target / "bin" / "xicl"), "run", "--recipe", "smoke", "--dry-run")
    assert planned.returncode == 0 and "evaluate Swahili (sw), seed 0" in planned.stdout, planned.stderr
    assert not list(empty.iterdir())


def test_sdist_lists_the_sources():
    manifest = (REPOSITORY / "MANIFEST.in").read_text(encoding="utf-8")
    for name in ("settings.ini", "nbs", "data", "tests", "LICENSE", "constraints.txt"):
        assert name in manifest


# The cells of every experiment run under nbdev_test; that papermill can run one is a matter of its first cell.
QUICK = ("02_main_result", "09_linguistic_knowledge", "02_candidates", "05_pairs")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem) for path in EXPERIMENTS],
)
def test_experiments_run_by_plain_papermill(path, tmp_path):
    """As a student would: no study around it, the defaults of its parameters cell."""
    command = [
        sys.executable,
        "-m",
        "papermill",
        "-k",
        "python3",
        "--cwd",
        str(tmp_path),
        str(path),
        str(tmp_path / "out.ipynb"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    sys.path.insert(0, str(REPOSITORY / "tests" / "closed_loop"))
    from test_experiments import NAMES, check_run

    for folder in (tmp_path / "outputs" / "by-hand" / "runs").glob("*/all/0"):
        if folder.parents[1].name in NAMES:
            check_run(folder, path.stem[3:])


def test_all_studies_run_in_turn_and_the_failed_one_is_named(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    made = tmp_path / "venv"
    (made / "bin").mkdir(parents=True)
    for name in (".torch", ".study"):
        (made / name).touch()
    program = made / "bin" / "xicl"
    program.write_text('#!/bin/sh\necho "$@" >> "$CALLS"\ntest "$3" != wide\n')
    program.chmod(0o755)
    later = time.time() + 3600
    for name in (".torch", ".study"):
        os.utime(made / name, (later, later))
    environment = {**os.environ, "CALLS": str(tmp_path / "calls")}

    def run(*options):
        return subprocess.run(
            ["make", "study-all", f"VENV={made}", *options],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    ended = run("OPTIONS=--quick")
    called = [line.split() for line in (tmp_path / "calls").read_text().splitlines()]
    assert ended.returncode != 0 and "Not finished: wide." in ended.stdout
    assert all(call[:2] == ["run", "--recipe"] and call[3:] == ["--quick"] for call in called)
    known = {path.stem for path in (REPOSITORY / "xicl_study" / "recipes").glob("*.yaml")}
    names = [call[2] for call in called]
    assert names.index("scaling") > names.index("wide"), "a failed study stopped the next ones"
    assert len(names) == len(set(names)) and known - set(names) == {
        "smoke",
        "laptop-experiments",
        "croco-smoke",
        "croco-eurollm-9b",
        "croco-tiny-aya",
        "answerer",  # not published yet
    }
    assert run("STUDIES=laptop scaling").returncode == 0


def test_every_pin_installs_on_the_oldest_python():
    from importlib.metadata import PackageNotFoundError, metadata
    from packaging.specifiers import SpecifierSet

    oldest = (
        re.search(r'requires-python = ">=([\d.]+)', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))[1]
        + ".0"
    )
    looked_at = 0
    for name, version in re.findall(
        r"^([\w.-]+)==([\w.]+)", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), flags=re.MULTILINE
    ):
        try:
            found = metadata(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here
        if found["Version"] != version:
            continue
        looked_at += 1
        assert oldest in SpecifierSet(found.get("Requires-Python") or ""), (
            f"{name}=={version} needs Python {found['Requires-Python']}; pin an older one"
        )
    assert looked_at > 20
