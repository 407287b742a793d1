"""What is written with a seed stays what it was: the smoke policy's tokens and log-probabilities, as they were stored.

The stored ones come from the code before demonstrations and answers shared one loop. A change on purpose is stored anew
with `python tests/inference/test_decoding.py`.
"""

import json
from pathlib import Path
import pytest
import torch
from xicl_study.fingerprints import fingerprint
from xicl_study.inference.answers import Request, TransformersEngine, write_greedy_answers
from xicl_study.inference.demonstrations import choose_labels, write_demonstrations, written_log_probs
from xicl_study.inference.sampling import SamplingParameters, study_vocabulary
from xicl_study.models.policy import Policy
from xicl_study.tasks.load_task import load_task
from xicl_study.tasks.prompts import seed_demonstrations, template_of

STORED = Path(__file__).with_name("written_before.json")
LANGUAGES = ("sw", "hi", "ru")
PROMPTS = {"sw": "🐶 = mbwa\n🐱 =", "hi": "🐶 = कुत्ता\n🐄 =", "zh": "🐶 = 狗\n🐱 ="}
WORDS = {"sw": ["paka", "mbwa mwitu"], "hi": ["गाय", "कुत्ता"], "zh": ["猫", "狗"]}
DEMONSTRATIONS = {
    "one slot": dict(k=1, seed=0),
    "three slots": dict(k=3, seed=1),
    "small batches": dict(k=2, seed=2, rows_at_once=2),
    "cool, the best 20": dict(k=2, seed=0, temperature=0.7, top_k=20),
    "greedy": dict(k=2, seed=0, temperature=0.0),
    "a vocabulary per language": dict(k=2, seed=5, apart=True),
}
ANSWERS = {
    "plain": dict(),
    "cool, top-p": dict(temperature=0.6, top_p=0.9),
    "the best 40, three tokens at least": dict(top_k=40, top_p=0.95, min_tokens=3),
    "many lines": dict(temperature=1.3, min_tokens=0, stop_at_line_end=False),
    "greedy": dict(temperature=0),
    "a vocabulary per language": dict(apart=True),
}


@pytest.fixture(scope="module")
def policy():
    return Policy.load("smoke", device="cpu")


def demonstrations(policy, k, seed, apart=False, **options):
    """Tokens and log-probability of each of two sets for a query in three languages."""
    task = load_task("emoji-topic")
    inputs = {code: [item.input for item in task.examples(code, "train")] for code in LANGUAGES}
    vocabulary = study_vocabulary(policy, inputs if apart else [text for texts in inputs.values() for text in texts])
    queries = [task.examples(code, "validation", limit=1, seed=seed)[0].input for code in LANGUAGES]
    labels = choose_labels(list(task.label_words("en")), len(queries), 2, k, seed=seed)
    template, seeds = template_of(task.name), seed_demonstrations(task)
    options = dict(max_tokens=6, seed=seed, **options)
    sets = write_demonstrations(policy, template, seeds, queries, LANGUAGES, labels, vocabulary, **options)
    with torch.no_grad():
        values, owners = written_log_probs(policy, sets, vocabulary)
    sums = [values[owners == number].sum().item() for number in range(len(sets))]
    return [[item.tokens, round(value, 4)] for item, value in zip(sets, sums)]


def sampled_answers(policy, apart=False, **options):
    """Three answers to each of three prompts."""
    engine = TransformersEngine(policy, study_vocabulary(policy, WORDS) if apart else None, rows_at_once=6)
    keys = {code: tuple(fingerprint(code, number, length=24) for number in range(3)) for code in PROMPTS}
    requests = [Request(prompt, code, keys[code]) for code, prompt in PROMPTS.items()]
    written = engine.write(requests, SamplingParameters(n=3, max_tokens=10, **options))
    return [[[answer.text, answer.n_tokens, answer.finished] for answer in answers] for answers in written]


def written_now(policy):
    """All that is stored, written now."""
    return {
        "demonstrations": {name: demonstrations(policy, **options) for name, options in DEMONSTRATIONS.items()},
        "sampled answers": {name: sampled_answers(policy, **options) for name, options in ANSWERS.items()},
        "greedy answers": write_greedy_answers(policy, list(PROMPTS.values()), max_tokens=8, rows_at_once=2),
    }


@pytest.fixture(scope="module")
def stored():
    return json.loads(STORED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_demonstrations_are_what_they_were(policy, stored, name):
    for (tokens, value), (old_tokens, old_value) in zip(
        demonstrations(policy, **DEMONSTRATIONS[name]), stored["demonstrations"][name], strict=True
    ):
        assert tokens == old_tokens and value == pytest.approx(old_value, abs=1e-3)


@pytest.mark.parametrize("name", ANSWERS)
def test_sampled_answers_are_what_they_were(policy, stored, name):
    assert sampled_answers(policy, **ANSWERS[name]) == stored["sampled answers"][name]


def test_greedy_answers_are_what_they_were(policy, stored):
    texts = list(PROMPTS.values())
    assert write_greedy_answers(policy, texts, max_tokens=8, rows_at_once=2) == stored["greedy answers"]
    assert write_greedy_answers(policy, texts[::-1], max_tokens=8, rows_at_once=1) == stored["greedy answers"][::-1]


def test_a_prompt_of_one_token_can_be_answered(policy):
    assert len(policy.encode("")) == 1
    alone, beside = write_greedy_answers(policy, [""], max_tokens=5), write_greedy_answers(policy, ["", "🐱 ="], 5)
    assert alone[0] and alone == beside[:1] and write_greedy_answers(policy, []) == []


if __name__ == "__main__":
    written = written_now(Policy.load("smoke", device="cpu"))
    STORED.write_text(json.dumps(written, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
