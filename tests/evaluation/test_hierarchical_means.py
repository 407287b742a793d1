"""Languages with few items that lean on their families: what they promise, and what they must not do."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from xicl_study.errors import DataError
from xicl_study.evaluation.hierarchical_means import hierarchical_means


def table_of(right, n, families):
    right, n = np.asarray(right, float), np.broadcast_to(n, len(right))
    codes = [f"l{number}" for number in range(len(right))]
    return pd.DataFrame({"language": codes, "family": families, "value": right / n, "n": n})


def drawn(generator, mean, family_spread, language_spread, n_items, n_families=15):
    """Languages of some families with their true shares, from the model itself."""
    family = np.repeat(np.arange(n_families), generator.integers(1, 14, n_families))
    kappas = [1 / spread**2 - 1 for spread in (family_spread, language_spread)]
    centre = generator.beta(mean * kappas[0], (1 - mean) * kappas[0], n_families).clip(1e-9, 1 - 1e-9)[family]
    truth = generator.beta(centre * kappas[1], (1 - centre) * kappas[1])
    return table_of(generator.binomial(n_items, truth), n_items, family), truth


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_counts_give_shares_within_their_intervals(data):
    n_languages = data.draw(st.integers(1, 12))
    n = [data.draw(st.integers(1, 30)) for _ in range(n_languages)]
    right = [data.draw(st.integers(0, most)) for most in n]
    families = [data.draw(st.sampled_from("abc")) for _ in range(n_languages)]
    table = table_of(right, n, families)
    found = hierarchical_means(table)
    for part in (found.languages, found.families):
        assert ((0 <= part.low) & (part.low < part.value) & (part.value < part.high) & (part.high <= 1)).all()
    assert found.overall["low"] < found.overall["value"] < found.overall["high"]
    assert list(found.languages.language) == list(table.language) and np.allclose(found.languages.raw, table.value)
    assert dict(zip(found.families.family, found.families.n)) == table.family.value_counts().to_dict()
    shuffled = hierarchical_means(table.sample(frac=1, random_state=0)).languages.set_index("language")
    assert np.allclose(shuffled.value[found.languages.language], found.languages.value)


def test_intervals_hold_the_truth_and_errors_are_smaller():
    generator, covered, errors = np.random.default_rng(0), [], []
    for _ in range(25):
        # a world drawn from what the model takes for possible: then 95 of 100 intervals must hold
        table, truth = drawn(generator, *generator.uniform(0.05, 0.9, 3), n_items=4)
        found = hierarchical_means(table).languages
        covered.append(((found.low <= truth) & (truth <= found.high)).mean())
        errors.append((((found.value - truth) ** 2).mean(), ((found.raw - truth) ** 2).mean()))
    assert np.mean(covered) > 0.93
    ours, raw = np.mean(errors, axis=0)
    assert ours < 0.75 * raw


def test_chance_alone_is_one_colour_and_true_differences_stay():
    generator = np.random.default_rng(1)
    alike = hierarchical_means(table_of(generator.binomial(4, 0.25, 120), 4, np.arange(120) // 8)).languages
    assert alike.raw.max() - alike.raw.min() >= 0.5 and alike.value.max() - alike.value.min() < 0.15
    far = np.repeat([0.1, 0.9], 60)
    apart = hierarchical_means(table_of(generator.binomial(4, far), 4, np.arange(120) // 8)).languages
    assert apart.value[far == 0.9].mean() - apart.value[far == 0.1].mean() > 0.7


def test_a_language_leans_on_its_own_family():
    # both have 2 of 4 right; one has relatives that know everything, the other relatives that know nothing
    right, families = [2, *[4] * 8, 2, *[0] * 8], ["good"] * 9 + ["bad"] * 9
    found = hierarchical_means(table_of(right, 4, families)).languages
    assert found.value[0] > 0.5 > found.value[9]
    right[0] = right[9] = 200
    n = [400, *[4] * 8, 400, *[4] * 8]
    more = hierarchical_means(table_of(right, n, families)).languages
    assert abs(more.value[0] - 0.5) < 0.03 and abs(more.value[9] - 0.5) < 0.03, "with many items it stands for itself"
    assert (more.high - more.low)[0] < 0.4 * (found.high - found.low)[0]


def test_many_items_and_many_languages_do_not_break_the_sums():
    generator = np.random.default_rng(2)
    families = np.repeat(np.arange(4), [200, 200, 50, 50])
    right = generator.binomial(5000, np.repeat([0.02, 0.98, 0.5, 0.3], [200, 200, 50, 50]))
    found = hierarchical_means(table_of(right, 5000, families))
    assert np.isfinite(found.languages[["value", "low", "high"]]).all().all()
    assert np.allclose(found.languages.value, found.languages.raw, atol=0.02)
    assert found.family_spread > 0.4 > 0.1 > found.language_spread


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda table: table.assign(value=1.2), "share between 0 and 1"),
        (lambda table: table.assign(value=np.nan), "share between 0 and 1"),
        (lambda table: table.assign(n=0), "at least one item"),
        (lambda table: pd.concat([table, table]), "one row for each language"),
        (lambda table: table[:0], "at least one"),
    ],
)
def test_wrong_tables_give_one_clear_line(change, message):
    with pytest.raises(DataError, match=message) as caught:
        hierarchical_means(change(table_of([1, 2], 4, ["a", "b"])))
    assert "\n" not in str(caught.value)
