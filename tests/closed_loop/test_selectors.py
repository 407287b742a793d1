"""Selectors: as many demonstrations as are asked for, none of them the query, and no letter lost on the way."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xicl_study.closed_loop.selectors import demonstration_pool, DenseSelector, make_selector, tokens_of, words_of
from xicl_study.models.encoders import hashed_ngrams
from xicl_study.tasks.load_task import load_task
from xicl_study.tasks.task import Example


@pytest.fixture(scope="module")
def topics():
    return load_task("emoji-topic")


@pytest.mark.parametrize("name", ["random", "bm25", "dense", "diverse_dense"])
@pytest.mark.parametrize("pool", ["target", "english"])
def test_selectors_meet_k_and_never_select_the_query(name, pool, topics):
    examples = demonstration_pool(topics, "sw", pool, limit=120)
    selector = make_selector(name, examples, hashed_ngrams)
    queries = demonstration_pool(topics, "sw", limit=30) + topics.examples("sw", "validation", limit=30)
    for query, found in zip(queries, selector.select_many(queries, 4)):
        assert (
            len({e.id for e in found}) == 4
            and query.id not in {e.id for e in found}
            and query.input not in {e.input for e in found}
        )
        assert {e.language for e in found} == {"sw" if pool == "target" else "en"}


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_tokens_lose_no_letter(text):
    folded = unicodedata.normalize("NFC", text).casefold()
    letters = {c for c in folded if unicodedata.category(c)[0] in "LN"}
    assert letters <= set("".join(words_of(text)))
    assert set(words_of(text)) <= set(tokens_of(text))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(0, 1))
def test_diverse_selection_is_a_set_with_the_nearest_first_chosen(seed, k, relevance):
    vectors = np.random.default_rng(seed).normal(size=(12, 5))
    pool = [Example(str(n), "en", str(n), "x") for n in range(11)]

    def encode(texts):
        return vectors[[int(text) for text in texts]]

    (found,) = DenseSelector(pool, encode, relevance).select_many([Example("q", "en", "11", "x")], k)
    cosine = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ (vectors[11] / np.linalg.norm(vectors[11]))
    chosen = [cosine[int(e.input)] for e in found]
    assert len(set(found)) == k and chosen == sorted(chosen)
    if relevance > 0.01:
        assert found[-1].input == str(int(np.argmax(cosine[:11])))
