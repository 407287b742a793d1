"""What fails is named, and the rest goes on. No model is needed, so each run takes seconds."""

import json
from pathlib import Path
from xicl_study.study.status import run_status
from xicl_study.files import read_parquet
from toy_studies import run, steps, times, xicl


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
