"""Our log-probabilities beside lm_eval's, on the same prompts in several scripts."""

import numpy as np
import pytest
import torch
from xicl_study.models.embedded import is_installed, smoke_model
from xicl_study.models.policy import locate_model, Policy
from xicl_study.tasks.prompts import answer_prompt, answers, Demonstration, template_of
from xicl_study.inference.scoring import score_choices, score_texts
from xicl_study.tasks.load_task import load_task

SCRIPTS = ("de", "ru", "hi", "zh", "ar", "sw")


def prompts_of(task, n):
    """Return prompts with two demonstrations in each of six languages, and the labels as continuations."""
    template, words = template_of(task.name), dict(zip(task.labels, task.label_words("en")))
    prompts = []
    for code in SCRIPTS:
        first, second, *queries = task.examples(code, "validation", limit=n + 2, seed=0)
        shots = [Demonstration(shot.input, words[shot.output], code) for shot in (first, second)]
        prompts += [answer_prompt(template, shots, query.input) for query in queries]
    return prompts, answers(task.label_words("en"))


def peer_scores(model, tokenizer, pairs):
    """Return lm_eval's log-likelihood of each (context, continuation)."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    peer = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8)
    return np.array(
        [
            value
            for value, _ in peer.loglikelihood(
                [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)], disable_tqdm=True
            )
        ]
    )


def compare(policy, model, tokenizer, n):
    task = load_task("emoji-topic")
    prompts, words = prompts_of(task, n)
    ours = score_choices(policy, prompts, [words] * len(prompts))
    theirs = peer_scores(model, tokenizer, [(prompt, word) for prompt in prompts for word in words]).reshape(ours.shape)
    assert np.abs(ours - theirs).max() < 1e-3
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).all()
    relative = score_choices(policy, prompts, [words] * len(prompts), relative=True)
    assert (relative.argmax(axis=1) == theirs.argmax(axis=1)).all()
    texts = [" " + task.examples(code, "validation", limit=1, seed=3)[0].input for code in SCRIPTS]
    whole = score_texts(policy, ["name:"] * len(texts), texts)
    assert np.abs(whole - peer_scores(model, tokenizer, [("name:", text) for text in texts])).max() < 1e-3


def test_smoke_model_agrees_with_lm_eval():
    pytest.importorskip("lm_eval")
    model, tokenizer = smoke_model()
    compare(Policy.load("smoke", device="cpu"), model.eval(), tokenizer, n=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gemma3-270m", "smollm2-135m"])
def test_embedded_models_agree_with_lm_eval(name):
    pytest.importorskip("lm_eval")
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = locate_model(name)[0]
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    compare(Policy.load(name, device="cpu", dtype="float32"), model, AutoTokenizer.from_pretrained(place), n=6)
