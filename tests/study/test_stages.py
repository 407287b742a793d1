"""Stages that fan out and come together again, without a model: what fails is left out, and made up for."""

import json, os
from pathlib import Path
import pytest, yaml
from conftest import write_notebook
from xicl_study.report.experiment_page import study_markdown
from xicl_study.study.runner import run_study
from xicl_study.study.status import run_status
from xicl_study.study.steps import run_step
from xicl_study.errors import DataError
from xicl_study.files import read_json, read_parquet
from xicl_study.recipe.recipe import load_recipe

SHARED = """seed: int = 0  # seed
recipe: str = "croco-smoke"  # recipe
output: str = "."  # folder"""

START = """import os
from pathlib import Path
import pandas as pd
from xicl_study.errors import ModelError
from xicl_study.files import write_json, write_parquet
runs = Path(output)/"runs"
"""

NOTEBOOKS = {
    "croco_reward_model": [SHARED, START + 'write_json(runs/"croco_reward_model"/"all"/str(seed)/"facts.json", {})'],
    "croco_candidates": [
        'language: str = "sw"  # language\n' + SHARED,
        START
        + """
if language in os.environ.get("FAIL", "").split(): raise ModelError(f"No candidates in {language}.")
write_parquet(runs/"croco_candidates"/language/str(seed)/"pool.parquet", pd.DataFrame({"language": [language]}))""",
    ],
    "croco_tune": [
        'system: str = "max_r"  # system\n' + SHARED,
        START
        + """
if system in os.environ.get("FAIL", "").split(): raise ModelError(f"The loss of {system} is not a number.")
found = sorted(path.parts[-3] for path in runs.glob("croco_candidates/*/*/pool.parquet"))
place = runs/"croco_tune"/system/str(seed)
assert not (place/"stale").exists(), "what was made from other languages is removed first"
(place/"stale").write_text("")
write_parquet(place/"summary.parquet", pd.DataFrame({"language": found}))""",
    ],
    "croco_answers": [
        'language: str = "sw"  # language\n' + SHARED,
        START
        + """
found = sorted(path.parts[-3] for path in runs.glob("croco_tune/*/*/summary.parquet"))
place = runs/"croco_answers"/language/str(seed)
for name in ("answers", "losses"): write_parquet(place/f"{name}.parquet", pd.DataFrame({"system": found}))""",
    ],
    "croco_tuning": [
        SHARED,
        START
        + """
from xicl_study.report.style import new_figure
from xicl_study.report.gallery import save_findings, save_gallery
run, rows = runs/"croco_tuning"/"all"/str(seed), []
trained = sorted(path.parts[-3] for path in runs.glob("croco_candidates/*/*/pool.parquet"))
for path in sorted(runs.glob("croco_answers/*/*/answers.parquet")):
    rows += [{"experiment": "croco_tuning", "language": path.parts[-3], "method": name, "k": 8, "seed": seed,
              "metric": "languages", "value": float(len(trained)), "low": 0.0, "high": 3.0, "n": 3}
             for name in pd.read_parquet(path).system]
write_parquet(run/"results.parquet", pd.DataFrame(rows))
save_gallery([("bars", "Bars", "Nothing but bars.", new_figure(2, 2)[0])], run/"figures")
save_findings([f"{len(trained)} languages were trained on."], run)""",
    ],
}


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """A recipe file of the preference pipeline with notebooks that need no model."""
    monkeypatch.delenv("FAIL", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, cells in NOTEBOOKS.items():
        write_notebook(tmp_path / f"{name}.ipynb", cells)
    recipe = {
        "extends": "croco-smoke",
        "name": "pipeline",
        "experiment": "croco_tuning",
        "croco": {"tuning": ["max_r", "dpo_multilingual"]},
        "notebooks": {name: str(tmp_path / f"{name}.ipynb") for name in NOTEBOOKS},
    }
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return tmp_path / "pipeline.yaml"


def run(recipe, **options):
    return run_study(load_recipe(recipe), workers=2, quiet=True, **options)


def steps(outcome):
    return [title for title, _ in outcome.planned]


def test_failures_are_left_out_and_made_up_for(pipeline, monkeypatch):
    assert len(run(pipeline, dry_run=True).planned) == 13 and not Path("outputs").exists()
    monkeypatch.setenv("FAIL", "sw max_r")
    first = run(pipeline)
    folder = first.folder
    assert {failure.step: failure.error for failure in first.failures} == {
        "croco_candidates Swahili (sw), seed 0": "No candidates in sw.",
        "croco_tune max_r, seed 0": "The loss of max_r is not a number.",
    }
    results = read_parquet(folder / "results.parquet")
    assert (
        set(results.language) == {"de", "sw", "hi"}
        and set(results.method) == {"dpo_multilingual"}
        and set(results.value) == {1.0}
        and set(results.study) == {"pipeline"}
    )
    page = first.report.read_text(encoding="utf-8")
    assert all(
        text in page
        for text in (
            "No candidates in sw.",
            "is not a number",
            "1 languages were trained on.",
            "Nothing but bars.",
            "runs/croco_answers/hi/0/notebook.ipynb",
        )
    )
    assert [each["file"] for each in read_json(folder / "figures/captions.json")["figures"]] == [
        "croco_tuning-all-0-bars.png"
    ]
    assert (
        len(json.loads((folder / "failures.json").read_text())) == 2 and not (folder / "comparisons.parquet").exists()
    )
    states = {row["step"]: row["state"] for row in run_status(folder)}
    assert states["croco_tune max_r, seed 0"] == "failed" and states["croco_answers Hindi (hi), seed 0"] in (
        "done",
        "outdated",
    )

    kept = (folder / "runs/croco_candidates/de/0/pool.parquet").stat().st_mtime_ns
    monkeypatch.delenv("FAIL")
    second = run(pipeline)
    assert (
        not second.failures
        and "croco_candidates Swahili (sw), seed 0" in steps(second)
        and "croco_tune dpo_multilingual, seed 0" in steps(second)
    )
    assert (
        "croco_candidates German (de), seed 0" not in steps(second)
        and (folder / "runs/croco_candidates/de/0/pool.parquet").stat().st_mtime_ns == kept
    )
    results = read_parquet(folder / "results.parquet")
    assert set(results.method) == {"max_r", "dpo_multilingual"} and set(results.value) == {2.0}
    assert {row["state"] for row in run_status(folder)} == {"done"} and run(pipeline).planned == []
    assert "| dpo_multilingual | 2 (0 to 3) |" in study_markdown(folder)


def test_results_that_are_no_table_are_named(pipeline):
    from xicl_study.files import write_json, write_parquet
    from xicl_study.recipe.recipe import save_recipe
    import pandas as pd

    save_recipe(load_recipe(pipeline), "study/recipe.yaml")
    with pytest.raises(DataError, match="no predictions or results yet"):
        run_step("gather", folder="study")
    write_parquet("study/runs/croco_tuning/all/0/results.parquet", pd.DataFrame({"experiment": ["x"], "value": [1.0]}))
    with pytest.raises(DataError, match=r"lacks the column\(s\) high, k, language"):
        run_step("gather", folder="study")
    write_json("study/runs/croco_tuning/all/0/results.parquet", {})
    with pytest.raises(DataError, match="damaged or only half written"):
        run_step("gather", folder="study")
    assert os.path.exists("study/recipe.yaml")
