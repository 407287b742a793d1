"""Ranks and groups: properties that must hold for any systems, and what a group promises."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from demo_tables import CORE_METHODS, demo_predictions
from xicl_study.errors import DataError
from xicl_study.evaluation.differences import comparisons_table
from xicl_study.evaluation.rank_groups import rank_groups, rank_rows


def scores_of(tables, languages=("de", "sw")):
    """One row per system, language and item; `tables` holds [languages, items] values of each system."""
    rows = []
    for name, table in tables.items():
        for language, values in zip(languages, np.atleast_2d(table)):
            rows += [
                {"method": name, "language": language, "item": f"item-{number}", "correct": value}
                for number, value in enumerate(values)
                if not np.isnan(value)
            ]
    return pd.DataFrame(rows)


def drawn(shares, n_items=60, seed=0, languages=2):
    generator = np.random.default_rng(seed)
    return {name: (generator.random((languages, n_items)) < share).astype(float) for name, share in shares.items()}


SHARES = {"a": 0.8, "b": 0.55, "c": 0.5, "d": 0.2}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 40), st.integers(1, 3))
def test_ranks_and_groups_of_any_systems(seed, n_systems, n_items, n_languages):
    generator = np.random.default_rng(seed)
    shares = {f"s{number}": share for number, share in enumerate(generator.random(n_systems))}
    languages = ("de", "sw", "hi")[:n_languages]
    scores = scores_of(drawn(shares, n_items, seed, n_languages), languages)
    ranks = rank_groups(scores, n_resamples=300)
    places = np.arange(1, n_systems + 1)
    assert set(ranks.method) == set(shares) and ranks.value.is_monotonic_decreasing
    assert ((ranks.rank_low <= places) & (places <= ranks.rank_high)).all()
    assert ranks["group"].iloc[0] == 1 and set(ranks["group"]) == set(range(1, ranks["group"].max() + 1))
    # whoever may have the first rank cannot be told from the first, and is in its group
    assert (ranks["group"][ranks.rank_low == 1] == 1).all()
    shuffled = rank_groups(scores.sample(frac=1, random_state=seed), n_resamples=300)
    pd.testing.assert_frame_equal(shuffled, ranks)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(SHARES)))
def test_equal_systems_share_a_group(seed, twin_of):
    tables = drawn(SHARES, 50, seed)
    ranks = rank_groups(scores_of({**tables, "twin": tables[twin_of]}), n_resamples=300).set_index("method")
    same = ["group", "rank_low", "rank_high", "value", "low", "high"]
    assert (ranks.loc["twin", same] == ranks.loc[twin_of, same]).all()


def test_a_clear_winner_stands_alone():
    tables = drawn({"a": 0.5, "b": 0.5, "c": 0.5})
    ranks = rank_groups(scores_of({**tables, "winner": np.ones((2, 60))})).set_index("method")
    assert ranks.loc["winner", ["rank_low", "rank_high", "group"]].tolist() == [1, 1, 1]
    assert (ranks.drop("winner")["group"] > 1).all() and (ranks.drop("winner").rank_low == 2).all()


def test_the_same_numbers_as_the_comparisons_of_the_study():
    predictions = demo_predictions(("de", "sw", "hi"), CORE_METHODS, n_items=60)
    two = predictions[predictions.method.isin(["closed_loop", "dense"])]
    total = comparisons_table(two, column="correct", n_resamples=2000).set_index("language").loc["all"]
    ranks = rank_groups(two, n_resamples=2000)
    assert (ranks.rank_high.iloc[0] == 1) == (total.p < 0.05)
    assert np.isclose(ranks.value.iloc[0] - ranks.value.iloc[1], abs(total.difference))


def test_languages_that_some_system_lacks_count_for_none():
    tables = drawn(SHARES, languages=3)
    tables["b"] = np.vstack([tables["b"][:2], np.full(60, np.nan)])
    ranks = rank_groups(scores_of(tables, ("de", "sw", "hi")))
    assert (ranks.languages == 2).all() and (ranks.n == 120).all()
    both = rank_groups(scores_of({name: table[:2] for name, table in tables.items()}))
    pd.testing.assert_frame_equal(ranks, both)


def test_a_loss_turns_the_order():
    tables = drawn(SHARES)
    worst_first = rank_groups(scores_of(tables), more_is_better=False)
    losses = rank_groups(scores_of({name: 1 - table for name, table in tables.items()}))
    assert list(worst_first.method) == list(losses.method) and list(worst_first["group"]) == list(losses["group"])


def test_one_system_one_item_and_no_shared_item():
    alone = rank_groups(scores_of({"a": np.ones((2, 5))}))
    assert alone[["rank_low", "rank_high", "group", "languages"]].to_numpy().tolist() == [[1, 1, 1, 2]]
    one_item = rank_groups(scores_of({"a": [[1.0], [1.0]], "b": [[0.0], [0.0]]}))
    assert list(one_item["group"]) == [1, 1], "one item in two languages is no evidence"
    apart = pd.concat([scores_of({"a": np.ones((1, 5))}, ("de",)), scores_of({"b": np.ones((1, 5))}, ("sw",))])
    with pytest.raises(DataError, match="No item has a value of 'correct' for all of a, b") as caught:
        rank_groups(apart)
    assert "\n" not in str(caught.value)


def test_rows_of_results():
    scores = scores_of(drawn(SHARES))
    rows, ranks = rank_rows(scores, "correct", "accuracy"), rank_groups(scores)
    assert [(row["method"], row["value"], row["low"], row["high"]) for row in rows] == [
        *zip(ranks.method, ranks["group"], ranks.rank_low, ranks.rank_high)
    ]
    assert {(row["language"], row["metric"]) for row in rows} == {("all", "accuracy_rank")}
    lone = scores[scores.method == "a"]
    assert rank_rows(lone, "correct", "accuracy") == []
    assert rank_rows(pd.concat([scores.assign(k=2), lone.assign(k=4)]), "correct", "accuracy") == []
