"""A study from nothing: what is made, what is left alone, what a change does again; without a model, in seconds."""

from pathlib import Path
from xicl_study.study.status import run_status
from toy_studies import run, steps, times


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
