"""Scoring, writing and training speed, as ratios within one run.

    python benchmarks/throughput.py --policy gemma3-270m

Three questions: how much faster than lm_eval are choices scored, how much faster than `model.generate` are
demonstrations written, and how far from the arithmetic is an optimiser step. Absolute times depend on the
machine and on what else it does; the ratios are taken between neighbours in one process.
"""

import argparse, contextlib, io, logging, time
import numpy as np
import torch
from xicl_study.inference.demonstrations import choose_labels, write_demonstrations
from xicl_study.inference.sampling import study_vocabulary
from xicl_study.models.adapters import add_adapter
from xicl_study.models.hardware import choose_device
from xicl_study.models.policy import locate_model, Policy
from xicl_study.closed_loop.objective import closed_loop_parts, make_training_setup, write_sets
from xicl_study.recipe.recipe import recipe_of
from xicl_study.training.life import add_gradients
from xicl_study.tasks.prompts import (
    answer_prompt,
    answers,
    Demonstration,
    seed_demonstrations,
    template_of,
    writing_prompt,
)
from xicl_study.inference.scoring import score_choices
from xicl_study.tasks.load_task import load_task

LANGUAGES = ("de", "ru", "hi", "sw", "zh", "ar")


def timed(function, runs=2):
    """Return (seconds of the fastest run, result): the first run of a shape also pays for memory and kernels."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def compare_scoring(policy, name, task, n_items):
    """Print how much faster than lm_eval the labels of some items are scored behind k shared demonstrations, and
    whether the numbers agree.
    """
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    template, words = template_of(task.name), answers(task.label_words("en"))
    items = [
        item
        for code in LANGUAGES
        for item in task.examples(code, "validation", limit=-(-n_items // len(LANGUAGES)), seed=0)
    ][:n_items]
    place = locate_model(name)[0]
    peer = HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32),
        tokenizer=AutoTokenizer.from_pretrained(place),
        batch_size=16,
    )
    shots = [
        Demonstration(shot.input, word.strip(), "en")
        for shot in task.examples("en", "train", limit=16, seed=0)
        for word in [words[task.labels.index(shot.output)]]
    ]
    for k in (0, 4, 16):
        prompts = [answer_prompt(template, shots[:k], item.input) for item in items]
        ours, scores = timed(lambda: score_choices(policy, prompts, [words] * len(items)))
        relative, _ = timed(lambda: score_choices(policy, prompts, [words] * len(items), relative=True))
        requests = [
            Instance("loglikelihood", {}, (prompt, word), number)
            for number, (prompt, word) in enumerate((p, w) for p in prompts for w in words)
        ]
        theirs, found = timed(lambda: peer.loglikelihood(requests, disable_tqdm=True), runs=1)
        values = np.array([value for value, _ in found]).reshape(scores.shape)
        print(
            f"choice scoring, {len(items)} items x {len(words)} labels behind {k} shared demonstrations: exact"
            f" {ours:.1f} s, relative {relative:.1f} s, lm_eval {theirs:.1f} s"
        )
        print(
            f"  ratio to lm_eval: exact {theirs / ours:.1f}, relative {theirs / relative:.1f}; largest difference"
            f" {np.abs(values - scores).max():.1e}, same best label in"
            f" {(values.argmax(1) == scores.argmax(1)).mean():.0%}",
            flush=True,
        )


def compare_writing(policy, task, n_queries, n_sets, k):
    """Print how much faster than `generate` with top-k 50 demonstrations are written, per token; return both in tokens
    a second.
    """
    template, seeds, words = template_of(task.name), seed_demonstrations(task), list(task.label_words("en"))
    vocabulary = study_vocabulary(policy, [item.input for code in LANGUAGES for item in task.examples(code, "train")])
    queries = [task.examples(code, "validation", limit=1, seed=1)[0] for code in LANGUAGES][:n_queries]
    labels = choose_labels(words, len(queries), n_sets, k)
    ours, sets = timed(
        lambda: write_demonstrations(
            policy, template, seeds, [q.input for q in queries], [q.language for q in queries], labels, vocabulary
        )
    )
    tokens = sum(len(item.tokens) for item in sets)
    new = round(tokens / len(sets))
    policy.tokenizer.padding_side = "left"
    batch = policy.tokenizer(
        [writing_prompt(template, seeds, query.input) for query in queries for _ in range(n_sets)],
        return_tensors="pt",
        padding=True,
    )
    with torch.no_grad():
        theirs, _ = timed(
            lambda: policy.model.generate(
                **batch,
                do_sample=True,
                top_k=50,
                max_new_tokens=new,
                min_new_tokens=new,
                pad_token_id=policy.tokenizer.pad_token_id,
            )
        )
    speeds = tokens / ours, len(sets) * new / theirs
    print(
        f"writing in {name_of(number_format(policy))}, {len(queries)} queries x G = {n_sets}, k = {k}: ours"
        f" {speeds[0]:.0f} tokens/s, generate {speeds[1]:.0f} tokens/s"
    )
    print(f"  ratio to generate: {speeds[0] / speeds[1]:.1f}", flush=True)
    return speeds


def number_format(policy):
    """Return the number format of a policy's own weights; an adapter's may differ."""
    return next(weights.dtype for name, weights in policy.model.named_parameters() if "lora_" not in name)


def name_of(dtype):
    """Return a number format's short name."""
    return str(dtype).removeprefix("torch.")


def matrix_throughput(dtype=torch.float32):
    """Return the measured matrix throughput in FLOP/s, at the shapes of a training step."""
    rows, weight = torch.randn(768, 640, dtype=dtype), torch.randn(2048, 640, dtype=dtype)
    for _ in range(5):
        torch.nn.functional.linear(rows, weight)
    seconds, _ = timed(lambda: [torch.nn.functional.linear(rows, weight) for _ in range(60)], runs=5)
    return 60 * 2 * 768 * 640 * 2048 / seconds


def compare_training(policy, name, languages, n_queries, n_sets, k):
    """Print an optimiser step's time beside its arithmetic at the measured matrix throughput."""
    values = {"task": "emoji-topic", "policy": name, "languages": languages, "k": k}
    training = {"queries_per_step": n_queries, "samples_per_query": n_sets, "policy_queries": 0}
    setup = make_training_setup(policy, recipe_of({**values, "training": training}), seed=0)
    add_adapter(policy, "default")
    body = sum(
        parameter.numel()
        for parameter_name, parameter in policy.causal.named_parameters()
        if ".layers." in parameter_name and "lora_" not in parameter_name
    )
    examples = setup.queries[:n_queries]
    writing, sets = timed(lambda: write_sets(policy, setup, examples, n_sets, seed=0))

    def step():
        add_gradients(policy, closed_loop_parts(policy, setup, examples, sets))
        policy.model.zero_grad()

    learning, _ = timed(step)
    written = sum(len(item.tokens) for item in sets)
    prompts = sum(
        len(policy.encode(answer_prompt(setup.template, item.demonstrations, examples[item.query].input)))
        for item in sets
    )
    queries = sum(len(item.context) for item in sets[::n_sets])
    # 2 FLOP per weight and token forward; with LoRA the way back needs as much again for the activations only.
    flop = 2 * body * (written + queries) + 2 * body * 2 * (prompts + written) + 2 * body * written
    spent = writing + learning
    print(
        f"optimiser step in {name_of(number_format(policy))}, {len(sets)} sets, k = {k}: writing {writing:.1f} s,"
        f" learning {learning:.1f} s"
    )
    for dtype in dict.fromkeys((torch.float32, number_format(policy))):
        throughput = matrix_throughput(dtype)
        print(
            f"  ratio to its arithmetic in {name_of(dtype)} ({flop / throughput:.1f} s at {throughput / 1e9:.0f}"
            f" GFLOP/s): {spent / (flop / throughput):.1f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", default="gemma3-270m", help="embedded name, folder or Hub id")
    parser.add_argument("--items", type=int, default=60, help="items for choice scoring")
    parser.add_argument(
        "--parts", nargs="+", default=["scoring", "writing", "training"], choices=["scoring", "writing", "training"]
    )
    parser.add_argument(
        "--dtype",
        default="fast",
        help=(
            "number format that writing and training are measured in beside float32; fast: the recipes' own choice on"
            " this processor"
        ),
    )
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0 leaves its own choice")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    logging.disable(logging.WARNING)
    task = load_task("emoji-topic")
    policy = Policy.load(given.policy, device="cpu", dtype="float32")
    written = []
    with contextlib.redirect_stderr(io.StringIO()):
        if "scoring" in given.parts:
            compare_scoring(policy, given.policy, task, given.items)
        for dtype in dict.fromkeys(("float32", name_of(choose_device("cpu", given.dtype)[1]))):
            if dtype != "float32":
                policy = Policy.load(given.policy, device="cpu", dtype=dtype)
            if "writing" in given.parts:
                written.append(compare_writing(policy, task, n_queries=6, n_sets=8, k=4))
            if "training" in given.parts:
                compare_training(policy, given.policy, list(LANGUAGES), n_queries=12, n_sets=2, k=4)
    if len(written) > 1:
        print(
            "writing, each in the number format that suits it best: ratio to generate"
            f" {max(ours for ours, _ in written) / max(theirs for _, theirs in written):.1f}"
        )


if __name__ == "__main__":
    main()
