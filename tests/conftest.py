"""Shared fixtures: a study in seconds, whose notebooks write predictions without any model."""

import json, os, shutil, subprocess, sys
from pathlib import Path
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# where folders of one machine lie; no file of the project names them
MACHINE_ROOTS = ("/home/", "/root/", "/work/", "/Users/")
os.environ.setdefault("OMP_NUM_THREADS", "1")

TRAIN = [
    """task: str = "emoji-topic"  # task
policy: str = "smoke"  # model
k: int = 2  # demonstrations
train_languages: list = []  # languages
methods: list = []  # methods
steps: int = 1  # steps
seed: int = 0  # seed
recipe: str = "smoke"  # recipe
output: str = "."  # folder""",
    """import os
from pathlib import Path
from xicl_study.study.progress import report_progress
from xicl_study.files import write_json
report_progress(1, 2, "training")
if os.environ.get("FAIL") == "train": raise ValueError("the loss is not a number")
facts = {"seed": seed, "train_languages": train_languages}
write_json(Path(output)/"training"/str(seed)/"closed_loop"/"training.json", facts)""",
]

MAIN = [
    """language: str = "sw"  # language
task: str = "emoji-topic"  # task
policy: str = "smoke"  # model
k: int = 2  # demonstrations
methods: list = []  # methods
steps: int = 1  # steps
seed: int = 0  # seed
recipe: str = "smoke"  # recipe
output: str = "."  # folder""",
    """import os, signal, time
from pathlib import Path
import numpy as np, pandas as pd
from xicl_study.errors import ModelError
from xicl_study.files import write_json, write_parquet
from xicl_study.study.progress import report_progress
report_progress(1, 3, "items")
if language == os.environ.get("SLOW"): time.sleep(900)
if language == os.environ.get("FAIL"): raise ModelError("The adapter of this language cannot be read.")
if language == os.environ.get("DIE"): os.kill(os.getpid(), signal.SIGKILL)""",
    """rng = np.random.default_rng([seed, *language.encode()])
rows = [{"task": task, "language": language, "method": method, "k": k, "seed": seed, "item": f"item-{item}",
         "input": f"猫 {item}", "gold": "a",
         "prediction": "a" if (right := float(rng.random() < .5)) else "b", "correct": right,
         "prediction_calibrated": "a", "correct_calibrated": 1.0,
         "chrf": float("nan"), "log_probs": [-.5, -1.], "log_probs_calibrated": [-.7, -.7],
         "demonstrations": [] if method == "zero_shot" else [{"input": "=1+1", "output": "b", "language": language}],
         "diversity": .5, "leakage": 0., "seconds": .01} for method in methods for item in range(12)]
run = Path(output)/"runs"/"main_result"/language/str(seed)
write_parquet(run/"predictions.parquet", pd.DataFrame(rows))
write_json(run/"metrics.json", {"language": language})""",
]


def write_notebook(path, cells):
    """Write a notebook whose first cell is tagged `parameters`."""
    import nbformat.v4 as v4

    made = v4.new_notebook(
        cells=[v4.new_code_cell(text) for text in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}},
    )
    made.cells[0].metadata["tags"] = ["parameters"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made), encoding="utf-8")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A recipe file of four languages whose notebooks need no model, in an empty working folder."""
    import yaml

    for name in ("FAIL", "SLOW", "DIE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "train.ipynb", TRAIN)
    write_notebook(tmp_path / "main.ipynb", MAIN)
    recipe = {
        "extends": "smoke",
        "name": "toy",
        "languages": ["de", "sw", "hi", "ar"],
        "train_languages": ["de"],
        "vocabulary": "full",
        "methods": ["zero_shot", "bm25", "closed_loop"],
        "test_items": 12,
        "notebooks": {"train": str(tmp_path / "train.ipynb"), "main_result": str(tmp_path / "main.ipynb")},
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return tmp_path / "toy.yaml"


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window. A test that asks for it is skipped, with the reason, where there is none."""
    from browser import chromium_path

    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install -c constraints.txt -e '.[docs]'"
    )
    path = chromium_path()
    if path is None:
        pytest.skip("no browser: install Chromium (apt-get install chromium), or name one in CHROMIUM")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield made
        made.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, with the tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    left_out = shutil.ignore_patterns(
        ".git", ".venv", ".ci-venv", "outputs", "build", "dist", "*.egg-info", "__pycache__", "_docs"
    )
    shutil.copytree(REPOSITORY, source, ignore=left_out)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        str(folder),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Install the wheel into a folder of its own, and return the variables that make Python find it first."""
    target = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(target), "PATH": f"{target / 'bin'}{os.pathsep}{os.environ['PATH']}"}
