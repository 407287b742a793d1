"""The smoke recipes give what they gave before: to the bit on the same processor, closely on another."""

import contextlib, io
import pandas as pd
import pytest
import same_results
from xicl_study.recipe.recipe import load_recipe


def test_the_closed_loop_gives_what_it_gave(tmp_path):
    from xicl_study.closed_loop.answering import run_methods
    from xicl_study.closed_loop.trainers import train_study
    from xicl_study.evaluation.results import comparisons_table, results_table

    recipe = load_recipe("smoke")
    with contextlib.redirect_stdout(io.StringIO()):
        train_study(recipe, tmp_path, seed=0)
        answered = [run_methods(recipe, language, 0, tmp_path) for language in recipe.languages]
    for number, table in enumerate(answered):
        # as stored: a file turns lists of records into arrays of them
        table.to_parquet(tmp_path / f"{number}.parquet")
    predictions, resamples = pd.concat(answered, ignore_index=True), recipe.evaluation["resamples"]
    results = results_table(predictions, recipe.name, "main_result", n_resamples=resamples)
    results.to_parquet(tmp_path / "results.parquet")
    comparisons_table(predictions, n_resamples=resamples).to_parquet(tmp_path / "comparisons.parquet")
    files = {
        "predictions": [tmp_path / f"{number}.parquet" for number in range(len(answered))],
        "results": [tmp_path / "results.parquet"],
        "comparisons": [tmp_path / "comparisons.parquet"],
    }
    tables = {name: same_results.study_table(name, paths) for name, paths in files.items()}
    assert same_results.differences("smoke", tables) == []


@pytest.mark.slow
def test_the_preference_pipeline_gives_what_it_gave(tmp_path):
    """Candidates, rewards, trainings and answers by hand; the end-to-end test compares results."""
    from xicl_study.croco.systems import read_answers
    from xicl_study.recipe.context import Context

    with contextlib.redirect_stdout(io.StringIO()):
        read_answers(Context(load_recipe("croco-smoke"), tmp_path))
    tables = same_results.study_tables("croco-smoke", tmp_path)
    assert set(tables) == {"candidates", "pools", "answers", "losses"}
    assert same_results.differences("croco-smoke", tables) == []


def test_a_change_is_seen():
    tables = {
        name: pd.read_parquet(same_results.STORED / "croco-smoke" / f"{name}.parquet") for name in ("pools", "results")
    }
    assert same_results.differences("croco-smoke", tables) == []
    tables["pools"].loc[0, "answer"] += "!"
    tables["results"].loc[0, "value"] += 1
    lines = same_results.differences("croco-smoke", {**tables, "losses": tables["pools"]})
    assert [line.split(": ")[0] for line in lines] == [
        f"croco-smoke, {name}" for name in ("pools", "results", "losses")
    ]
