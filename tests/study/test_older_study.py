"""A study's folder that version 0.1.0 has made: it is read, and what is done again is said with the reason."""

import os, subprocess, sys
from pathlib import Path
import pytest
from conftest import MAIN
from xicl_study.files import read_parquet, write_json, write_text
from xicl_study.recipe.recipe import load_recipe, save_recipe
from xicl_study.study.runner import run_study
from xicl_study.study.status import REORGANISED, run_status

OLD_NAME = "c8955fd1f856"  # twelve digits, as 0.1.0 named what a run was made from


@pytest.fixture
def older(toy):
    """The folder of a finished study of two languages, as 0.1.0 left it: its files, and names of the older form."""
    folder = Path("outputs/toy")
    recipe = load_recipe(toy, overrides={"languages": ["de", "sw"], "methods": ["zero_shot", "bm25"]})
    save_recipe(recipe, folder / "recipe.yaml")
    prepared = {"policy": "smoke", "encoder": "hashed-ngrams", "items": {}, "notes": [], "made_from": OLD_NAME}
    write_json(folder / "prepared.json", prepared)
    for language in recipe.languages:
        place = folder / "runs" / "main_result" / language / "0"
        write_text(place / ".made_from", OLD_NAME)
        write_text(place / "notebook.ipynb", "{}")
        given = {"language": language, "methods": recipe.methods, "output": str(folder)}
        exec("\n".join([MAIN[0], "globals().update(given)", *MAIN[1:]]), {"given": given})
    return folder


def xicl(*arguments):
    command = [sys.executable, "-m", "xicl_study.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), encoding="utf-8")


def test_status_and_report_read_it(older):
    states = {row["step"]: (row["state"], row["detail"]) for row in run_status(older)}
    assert states["prepare"] == states["evaluate Swahili (sw), seed 0"] == ("outdated", REORGANISED)
    listed = xicl("status", str(older))
    assert listed.returncode == 0 and f"outdated  prepare: {REORGANISED}" in listed.stdout
    before = (older / "runs/main_result/sw/0/predictions.parquet").stat().st_mtime_ns
    reported = xicl("report", str(older))
    assert reported.returncode == 0 and (older / "report.html").is_file(), reported.stderr
    assert set(read_parquet(older / "results.parquet").language) >= {"de", "sw"}
    assert (older / "runs/main_result/sw/0/predictions.parquet").stat().st_mtime_ns == before


def test_a_run_says_what_is_done_again_and_why(older):
    planned = xicl("run", "--recipe", str(older / "recipe.yaml"), "--output", str(older), "--dry-run")
    assert planned.returncode == 0
    for title in ("prepare", "evaluate German (de), seed 0", "evaluate Swahili (sw), seed 0"):
        assert f"  {title}: {REORGANISED}\n" in planned.stdout, planned.stdout
    done = xicl("run", "--recipe", str(older / "recipe.yaml"), "--output", str(older))
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if REORGANISED in line]
    assert line.startswith("3 finished steps of this study will be done again, because") and "not known" in line
    assert {row["state"] for row in run_status(older)} == {"done"}
    again = run_study(load_recipe(older / "recipe.yaml"), older, quiet=True)
    assert again.planned == [], "only once"
