"""The pair rules against a plain restatement, on many random pools with ties and missing rewards."""

import math, random
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from xicl_study.croco.pairs import build_pairs, minimum_share_of, pair_warnings, TIE
from xicl_study.recipe.croco_settings import POOLS, PROMPT_LANGUAGES, RULES
from xicl_study.errors import DataError

# The rule as method.md says it, one pool at a time and without numpy: the chosen has the highest reward of the pool;
# the rejected is the candidate whose reward is closest to mu - 2 sigma (population sigma, whole pool, chosen included)
# and strictly below the chosen; otherwise the prompt is skipped. Ties go to the smallest key.


def restated_target(rewards, rule):
    mu = math.fsum(rewards) / len(rewards)
    if rule == "mean":
        return mu
    if rule == "mu_minus_2sigma":
        return mu - 2 * math.sqrt(math.fsum((reward - mu) ** 2 for reward in rewards) / len(rewards))
    ascending = sorted(rewards)
    if rule == "minimum":
        return ascending[0]
    if rule == "first_quartile":
        place = (len(rewards) - 1) / 4
        low, high = ascending[math.floor(place)], ascending[math.ceil(place)]
        return low + (place - math.floor(place)) * (high - low)
    gaps = [(upper - lower, -number) for number, (lower, upper) in enumerate(zip(ascending, ascending[1:]))]
    return ascending[-max(gaps)[1]]


def restated_pair(pool, rule):
    """Return (chosen key, rejected key), or the reason why there is none; `pool` holds (key, reward)."""
    rated = [(key, reward) for key, reward in pool if reward is not None and math.isfinite(reward)]
    if not rated:
        return "no_reward"
    if len(rated) == 1:
        return "one_candidate"
    rewards = [reward for _, reward in rated]
    highest = max(rewards)
    if min(rewards) == highest:
        return "all_equal"
    mu = math.fsum(rewards) / len(rewards)
    sigma = math.sqrt(math.fsum((reward - mu) ** 2 for reward in rewards) / len(rewards))
    target = restated_target(rewards, rule)
    nearest = min(abs(reward - target) for reward in rewards)
    rejected = min(key for key, reward in rated if abs(reward - target) <= nearest + TIE * sigma)
    chosen = min(key for key, reward in rated if reward == highest)
    return (chosen, rejected) if dict(rated)[rejected] < highest else "none_below"


def restated(table, rule, pool):
    """Return {(prompt id, language or empty): pair or reason} with one loop per pool."""
    pools = {}
    for key, prompt, language, reward in table.itertuples(index=False):
        pools.setdefault((prompt, language if pool == "in_language" else ""), []).append((key, reward))
    return {name: restated_pair(members, rule) for name, members in pools.items()}


def as_dictionary(made, pool):
    found = {
        (row.prompt_id, row.chosen_language if pool == "in_language" else ""): (row.chosen, row.rejected)
        for row in made.pairs.itertuples()
    }
    return found | {(row.prompt_id, row.language): row.reason for row in made.skipped.itertuples()}


def random_table(n_pools, seed):
    """Return pools of 1 to 70 candidates: continuous, coarse, saturated, constant and missing rewards."""
    draw, rows = np.random.default_rng(seed), []
    for number in range(n_pools):
        size = int(draw.integers(1, 71))
        kind = number % 6
        rewards = (
            draw.standard_normal(size),
            draw.integers(-3, 4, size) / 2,
            draw.standard_exponential(size),
            (draw.random(size) < 0.95).astype(float),
            np.full(size, 1.5),
            -draw.standard_exponential(size) * 1e3,
        )[kind]
        if number % 5 == 0:
            rewards[draw.random(size) < 0.2] = np.nan
        if number % 97 == 0:
            rewards[:] = np.nan
        languages = draw.choice(["de", "sw", "hi"], size) if number % 2 else np.full(size, "yo")
        rows += [
            (f"{draw.integers(1 << 40):010x}-{number}-{place}", f"p{number}", language, reward)
            for place, (language, reward) in enumerate(zip(languages, rewards))
        ]
    return pd.DataFrame(rows, columns=["key", "prompt_id", "language", "reward"]).sample(
        frac=1, random_state=seed, ignore_index=True
    )


@pytest.fixture(scope="module")
def ten_thousand():
    return random_table(10_000, seed=0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pool", POOLS)
def test_thousands_of_pools_are_those_of_the_plain_rule(ten_thousand, rule, pool):
    # a thousand pools for the rules beside it
    table = ten_thousand if rule == "mu_minus_2sigma" else ten_thousand[ten_thousand.prompt_id.str.len() <= 4]
    made = build_pairs(table, rule, pool)
    expected = restated(table, rule, pool)
    found = as_dictionary(made, pool)
    assert len(expected) >= (10_000 if rule == "mu_minus_2sigma" else 1000) and found.keys() == expected.keys()
    assert {name: (found[name], expected[name]) for name in expected if found[name] != expected[name]} == {}
    reasons = set(made.skipped.reason)
    assert {"one_candidate", "all_equal", "no_reward"} <= reasons and ("none_below" in reasons) == (
        rule not in ("minimum", "max_gap")
    )


rewards = st.one_of(
    st.integers(-4, 4).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), None]),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from(["de", "sw", "zh"]), rewards), max_size=40),
    st.sampled_from(RULES),
    st.sampled_from(POOLS),
    st.integers(0, 9),
)
def test_any_table_gives_the_plain_rule_in_any_order(rows, rule, pool, seed):
    keys = [f"k{number:02}" for number in range(len(rows))]
    random.Random(seed).shuffle(keys)
    table = pd.DataFrame(
        [(key, *row) for key, row in zip(keys, rows)], columns=["key", "prompt_id", "language", "reward"]
    ).astype({"reward": float})
    made = build_pairs(table, rule, pool)
    assert as_dictionary(made, pool) == restated(table, rule, pool)
    pd.testing.assert_frame_equal(build_pairs(table[::-1].reset_index(drop=True), rule, pool).pairs, made.pairs)


@pytest.mark.parametrize("prompt_language", PROMPT_LANGUAGES)
def test_provenance_says_where_a_pair_came_from(ten_thousand, prompt_language):
    pairs = build_pairs(ten_thousand, pool="all_languages", prompt_language=prompt_language, seed=3).pairs
    rewards, languages = ten_thousand.set_index("key").reward, ten_thousand.set_index("key").language
    assert (pairs.chosen.map(rewards) == pairs.chosen_reward).all() and (
        pairs.rejected.map(rewards) == pairs.rejected_reward
    ).all()
    assert (pairs.chosen.map(languages) == pairs.chosen_language).all() and (
        pairs.rejected.map(languages) == pairs.rejected_language
    ).all()
    pools = ten_thousand.dropna(subset="reward").groupby("prompt_id").reward
    measured = (
        pd.DataFrame({"mu": pools.mean(), "sigma": pools.std(ddof=0), "size": pools.size(), "lowest": pools.min()})
        .loc[pairs.prompt_id]
        .reset_index(drop=True)
    )
    assert (
        np.allclose(pairs.mu, measured.mu)
        and np.allclose(pairs.sigma, measured.sigma)
        and (pairs.pool_size == measured["size"]).all()
    )
    assert (pairs.is_minimum == (pairs.rejected_reward == measured.lowest)).all()
    assert (
        pairs.pool_size + pairs.missing_rewards
        == ten_thousand.groupby("prompt_id").size().loc[pairs.prompt_id].to_numpy()
    ).all()
    assert pairs.target_below_minimum[pairs.pool_size <= 4].all() and not pairs.target_below_minimum.all()
    seen = ten_thousand.dropna(subset="reward").groupby("prompt_id").language.agg(set)
    assert all(language in seen[prompt] for prompt, language in zip(pairs.prompt_id, pairs.prompt_language))
    if prompt_language != "random":
        assert (pairs.prompt_language == pairs[f"{prompt_language}_language"]).all()


def test_random_languages_are_seeded_and_spread(ten_thousand):
    one, again, other = (
        build_pairs(ten_thousand, pool="all_languages", prompt_language="random", seed=seed).pairs.prompt_language
        for seed in (0, 0, 1)
    )
    assert one.tolist() == again.tolist() != other.tolist()
    shares = one[one != "yo"].value_counts(normalize=True)
    assert set(shares.index) == {"de", "sw", "hi"} and shares.min() > 0.28


def test_pools_of_up_to_four_reject_the_minimum(ten_thousand):
    pairs = build_pairs(ten_thousand.dropna(subset="reward").groupby("prompt_id").head(4)).pairs
    assert pairs.is_minimum.all() and "at most 4 rewards" in pair_warnings(pairs)[0]
    curve = minimum_share_of(ten_thousand, (2, 4, 16, 64), "all_languages").set_index("K").minimum_share
    assert curve[2] == curve[4] == 1 and curve[4] > curve[16] > curve[64]


def test_a_language_without_candidates_is_counted():
    table = pd.DataFrame(
        [("a", "p1", "sw", 1.0), ("b", "p1", "sw", 0.0)], columns=["key", "prompt_id", "language", "reward"]
    )
    made = build_pairs(table, expected=[("p1", "sw"), ("p1", "ga"), ("p2", "ga")])
    assert (
        made.counts["pairs"] == 1
        and made.counts["no_candidates"] == 2
        and made.skipped[["prompt_id", "language"]].values.tolist() == [["p1", "ga"], ["p2", "ga"]]
    )
    assert (
        build_pairs(table, pool="all_languages", expected=[("p1", "sw"), ("p1", "ga"), ("p2", "ga")]).counts[
            "no_candidates"
        ]
        == 1
    )


def test_a_key_must_be_unique():
    table = pd.DataFrame(
        [("a", "p1", "sw", 1.0), ("a", "p1", "sw", 0.0)], columns=["key", "prompt_id", "language", "reward"]
    )
    with pytest.raises(DataError, match="more than once"):
        build_pairs(table)
