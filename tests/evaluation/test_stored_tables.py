"""The published tables say again what the functions of today make of them: intervals, corrections and means."""

import numpy as np
import pytest
from conftest import REPOSITORY
from xicl_study.evaluation.means import share_with_interval
from xicl_study.evaluation.results import check_result_columns
from xicl_study.evaluation.statistics import holm
from xicl_study.files import read_parquet

PUBLISHED = REPOSITORY / "outputs" / "published"
STUDIES = sorted(path.parent for path in PUBLISHED.glob("*/results.parquet"))
COMPARED = sorted(path.parent for path in PUBLISHED.glob("*/comparisons.parquet"))
# right-or-wrong values of one language, with Wilson's interval
SHARES = ("accuracy", "accuracy_calibrated", "answer_language_share", "chosen_language_share")


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_shares_have_wilsons_interval_to_the_bit(folder):
    results = read_parquet(folder / "results.parquet")
    check_result_columns(results, folder.name, without=())
    shares = results[results.metric.isin(SHARES) & (results.language != "all") & results.low.notna()]
    # a method with several seeds has means of seeds per item, and intervals from the bootstrap
    shares = shares[~shares.seed.astype(str).str.contains(",")]
    for row in shares.drop_duplicates(["value", "low", "high", "n"]).itertuples():
        right = round(row.value * row.n)
        if abs(right - row.value * row.n) > 1e-6:
            continue
        found = share_with_interval(right, int(row.n))
        assert (found["low"], found["high"]) == (row.low, row.high), row


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_all_is_the_mean_over_languages(folder):
    results = read_parquet(folder / "results.parquet")
    results = results[results.metric.isin(["accuracy", "accuracy_calibrated", "chrf", "exact_match"])]
    for _, part in results.groupby(["experiment", "method", "k", "seed", "metric"]):
        total, each = part[part.language == "all"], part[part.language != "all"]
        if len(total) and len(each):
            assert np.isclose(total.value.item(), each.value.mean(), rtol=1e-12)
            assert total.n.item() == each.n.sum()


@pytest.mark.parametrize("folder", COMPARED, ids=lambda folder: folder.name)
def test_comparisons_are_corrected_by_holm_to_the_bit(folder):
    comparisons = read_parquet(folder / "comparisons.parquet")
    for _, family in comparisons.groupby(["method", "baseline", "metric"]):
        each, total = family[family.language != "all"], family[family.language == "all"]
        assert (holm(each.p) == each.p_holm).all() and (total.p == total.p_holm).all()
        assert np.isclose(total.difference.item(), each.difference.mean(), rtol=1e-9)
