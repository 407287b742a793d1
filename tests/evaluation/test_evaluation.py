"""Intervals, comparisons and tables: properties that must hold for any predictions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from demo_tables import CORE_METHODS, LANGUAGES_6, demo_predictions
from xicl_study.inference.calibration import calibrate, contextual_prior, log_normalise
from xicl_study.evaluation.consistency import consistency
from xicl_study.evaluation.metrics import chrf, exact_match
from xicl_study.evaluation.differences import best_retriever, comparisons_table
from xicl_study.evaluation.means import results_table
from xicl_study.evaluation.statistics import (
    bootstrap_interval,
    holm,
    paired_bootstrap,
    resampled_means,
    wilson_interval,
)
from xicl_study.errors import DataError
from xicl_study.files import read_parquet, write_parquet


@pytest.fixture(scope="module")
def predictions():
    return demo_predictions(("de", "sw", "hi", "zh"), CORE_METHODS, n_items=50)


def one(table, **selected):
    for name, value in selected.items():
        table = table[table[name] == value]
    assert len(table) == 1, selected
    return table.iloc[0]


@given(
    st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
)
def test_wilson_holds_the_share_and_is_symmetric(counts, confidence):
    successes, n = counts
    low, high = wilson_interval(successes, n, confidence)
    assert 0 <= low <= successes / n <= high <= 1 and low < high
    mirrored = wilson_interval(n - successes, n, confidence)
    assert np.allclose((1 - mirrored[1], 1 - mirrored[0]), (low, high))


def test_wilson_is_scipys():
    from scipy.stats import binomtest

    for successes, n in ((0, 5), (3, 7), (120, 120), (61, 200)):
        reference = binomtest(successes, n).proportion_ci(method="wilson")
        assert np.allclose(wilson_interval(successes, n), (reference.low, reference.high))


@pytest.mark.parametrize("counts", [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(DataError, match="cannot be"):
        wilson_interval(*counts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_bootstrap_stays_within_the_values(values):
    low, high = bootstrap_interval(values, n_resamples=100)
    assert min(values) - 1e-6 <= low <= high <= max(values) + 1e-6


def test_resampled_means_of_a_table_weigh_languages_equally():
    table = np.array([[1.0] * 10, [0.0] * 2 + [np.nan] * 8])
    means = resampled_means(table, 500)
    assert set(np.round(means, 6)) <= {0.5, 1.0}, "a language that was not drawn at all is left out, never counted as 0"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=30))
def test_holm_bounds(p_values):
    corrected, raw = holm(p_values), np.array(p_values)
    real = ~np.isnan(raw)
    assert (
        (np.isnan(corrected) == ~real).all()
        and (corrected[real] >= raw[real] - 1e-12).all()
        and (corrected[real] <= 1).all()
    )
    assert (corrected[real] <= np.minimum(1, raw[real] * real.sum()) + 1e-12).all(), "never stricter than Bonferroni"
    order = np.argsort(raw[real])
    assert (np.diff(corrected[real][order]) >= 0).all()


def test_paired_bootstrap_is_antisymmetric_and_pairs_by_index():
    generator = np.random.default_rng(0)
    first, second = (
        pd.Series(generator.integers(0, 2, 60).astype(float), index=[f"item-{n}" for n in range(60)]) for _ in range(2)
    )
    forth, back = paired_bootstrap(first, second), paired_bootstrap(second, first.sample(frac=1, random_state=1))
    assert forth.difference == -back.difference and forth.n == back.n == 60
    assert (forth.p < 0.05) == (forth.low > 0 or forth.high < 0) or abs(forth.p - 0.05) < 0.01


def test_p_values_are_uniform_when_there_is_nothing_to_find():
    generator = np.random.default_rng(1)
    p_values = []
    for _ in range(300):
        shared = generator.random(150)
        scores = [(generator.random(150) * 0.5 + shared * 0.5 > 0.5).astype(float) for _ in range(2)]
        p_values.append(paired_bootstrap(*scores, n_resamples=600).p)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09 and 0.4 < np.mean(np.array(p_values) < 0.5) < 0.6


def test_one_item_is_no_evidence():
    comparison = paired_bootstrap([1.0], [0.0])
    assert np.isnan(comparison.p) and comparison.n == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 10**6))
def test_calibration_gives_distributions_and_takes_out_a_constant_taste(n, n_labels, seed):
    generator = np.random.default_rng(seed)
    scores, other, taste = (
        generator.normal(size=(n, n_labels)),
        generator.normal(size=(7, n_labels)),
        generator.normal(size=n_labels) * 3,
    )
    calibrated = calibrate(scores, other)
    assert np.allclose(np.exp(calibrated).sum(1), 1) and np.isclose(np.exp(contextual_prior(other)).sum(), 1)
    flat = np.zeros((1, n_labels))
    assert np.allclose(calibrate(scores + taste, flat + taste), calibrate(scores, flat), atol=1e-8), (
        "a taste that inputs and prior share goes away"
    )


def test_scores_are_never_their_own_prior():
    scores = log_normalise(np.random.default_rng(0).normal(size=(20, 4)))
    for prior in (scores, scores.copy(), scores[:10]):
        with pytest.raises(DataError, match="very inputs"):
            calibrate(scores, prior)


def test_texts_are_compared_in_composed_form():
    assert exact_match("cafe\u0301", "café") == 1 and exact_match("paka", "paka mweusi") == 0
    assert chrf("Việt Nam".encode().decode(), "Việt Nam") == 100 and 0 < chrf("paka", "paka mweusi") < 100


def test_results_have_the_contracts_columns_and_survive_parquet(predictions, tmp_path):
    write_parquet(tmp_path / "predictions.parquet", predictions)
    again = results_table(read_parquet(tmp_path / "predictions.parquet"), "demo", "main_result", n_resamples=200)
    results = results_table(predictions, "demo", "main_result", n_resamples=200)
    assert list(results.columns) == [
        "study",
        "experiment",
        "language",
        "method",
        "k",
        "seed",
        "metric",
        "value",
        "low",
        "high",
        "n",
    ]
    pd.testing.assert_frame_equal(results, again)
    assert set(results.metric) == {
        "accuracy",
        "accuracy_calibrated",
        "diversity",
        "leakage",
        "seconds",
        "chance",
        "majority",
    }
    shown = results[~results.metric.isin(["chance", "majority"])]
    assert ((shown.low <= shown.value + 1e-9) & (shown.value <= shown.high + 1e-9)).all()
    assert not results.duplicated(["language", "method", "k", "metric"]).any()
    write_parquet(tmp_path / "results.parquet", results)


def test_several_seeds_do_not_multiply_the_items(predictions):
    results = results_table(predictions, "demo", "main_result", n_resamples=200)
    row = one(results, language="sw", method="random", metric="accuracy")
    assert (row.n, row.seed) == (50, "0,1,2")
    part = predictions[(predictions.language == "sw") & (predictions.method == "random")]
    assert np.isclose(row.value, part.groupby("item").correct.mean().mean())


def test_order_of_rows_changes_nothing(predictions):
    shuffled = predictions.sample(frac=1, random_state=3)
    order = ["language", "baseline", "metric"]
    first, second = (
        comparisons_table(table, n_resamples=800).sort_values(order, ignore_index=True)
        for table in (predictions, shuffled)
    )
    pd.testing.assert_frame_equal(first, second)


def test_holes_are_left_out(predictions):
    holed = predictions[~((predictions.language == "hi") & (predictions.method == "dense"))]
    holed = holed[~((holed.language == "zh") & (holed.method == "closed_loop"))]
    holed = holed.assign(correct=holed.correct.mask((holed.method == "bm25") & (holed.language == "de")))
    results, comparisons = (
        results_table(holed, "demo", "main_result", n_resamples=200),
        comparisons_table(holed, n_resamples=500),
    )
    there = set(zip(results.method[results.metric == "accuracy"], results.language[results.metric == "accuracy"]))
    assert not there & {("dense", "hi"), ("closed_loop", "zh"), ("bm25", "de")} and ("dense", "all") in there
    pairs = set(
        zip(
            comparisons.baseline[comparisons.metric == "accuracy"],
            comparisons.language[comparisons.metric == "accuracy"],
        )
    )
    assert ("dense", "sw") in pairs and not pairs & {("dense", "hi"), ("dense", "zh"), ("bm25", "de")}
    assert best_retriever(holed).languages == ("sw", "zh"), "methods are compared on the languages that they share"
    assert consistency(holed).agreement.between(0, 1).all()


def test_holm_runs_over_the_languages_of_one_baseline(predictions):
    comparisons = comparisons_table(predictions, n_resamples=800)
    for _, family in comparisons[comparisons.language != "all"].groupby(["baseline", "metric"]):
        assert np.allclose(family.p_holm, holm(family.p))
    total = comparisons[comparisons.language == "all"]
    assert (total.p_holm == total.p).all() and set(comparisons.metric) == {"accuracy", "accuracy_calibrated"}


def test_many_languages_leave_room_for_significance():
    rows = [
        {
            "language": f"l{number}",
            "method": method,
            "k": 4,
            "seed": 0,
            "item": str(item),
            "correct": float(method == "closed_loop" or item == 0),
        }
        for number in range(120)
        for method in ("closed_loop", "dense")
        for item in range(8)
    ]
    comparisons = comparisons_table(pd.DataFrame(rows), n_resamples=100)
    assert (comparisons.p_holm < 0.02).all()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda table: table[:0], "are empty"),
        (lambda table: table.drop(columns="item"), "lack the column"),
        (lambda table: pd.concat([table, table]), "appear twice"),
        (lambda table: table.assign(task=["a"] + ["b"] * (len(table) - 1)), "mix the tasks"),
    ],
)
@pytest.mark.parametrize(
    "function", [lambda table: results_table(table, "a", "b"), comparisons_table, consistency, best_retriever]
)
def test_wrong_tables_give_one_clear_line(predictions, change, message, function):
    with pytest.raises(DataError, match=message) as caught:
        function(change(predictions))
    assert "\n" not in str(caught.value)


def test_six_languages_are_fast():
    import time

    table = demo_predictions(LANGUAGES_6, CORE_METHODS, n_items=120)
    start = time.process_time()
    results_table(table, "demo", "main_result"), comparisons_table(table)
    assert time.process_time() - start < 60
