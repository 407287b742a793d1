"""Candidates, scores and pairs when something is wrong with them: bad input, kills, damage."""

import json, os, signal, subprocess, sys, textwrap, types
from collections import namedtuple
from dataclasses import replace
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from xicl_study.inference import answers as answers_module, decoding
from xicl_study.inference.candidates import CandidateStore, check_instructions, generate_candidates, plan_candidates
from xicl_study.inference.answers import Answer, Request, TransformersEngine
from xicl_study.inference.sampling import SamplingParameters
from xicl_study.inference.vllm_engine import VLLMEngine
from xicl_study.models.adapters import add_adapter, switch_adapter
from xicl_study.models.embedded import smoke_model
from xicl_study.models.policy import Policy
from xicl_study.models.policy_fingerprint import policy_fingerprint
from xicl_study.croco.pairs import build_pairs, pair_warnings
from xicl_study.croco.reward_models import (
    base_classifier,
    ClassifierReward,
    score_candidates,
    ScoreStore,
    VerifiableReward,
)
from xicl_study.croco.reward_training import train_reward_model
from xicl_study.errors import DataError, ModelError, RecipeError
from xicl_study.fingerprints import fingerprint

Instruction = namedtuple("Instruction", "id language kind split prompt reference")
INSTRUCTIONS = [
    Instruction(name, language, "name", "train", f"{emoji} ({language}) =", (word,))
    for name, emoji, words in (
        ("cat", "🐱", {"sw": "paka", "zh": "猫", "hi": "बिल्ली"}),
        ("cow", "🐄", {"sw": "ng'ombe", "zh": "牛", "hi": "गाय"}),
        ("fish", "🐟", {"sw": "samaki", "zh": "鱼", "hi": "मछली"}),
    )
    for language, word in words.items()
]
SAMPLING = SamplingParameters(n=6, max_tokens=6)


class WordEngine:
    """Answers from a list, as a function of the key; can be told to die at its n-th call."""

    policy, variant = "words", ""

    def __init__(self, words=("paka", "猫", "गाय", "", "ng'ombe"), fail_at=None):
        self.words, self.fail_at, self.calls = words, fail_at, 0

    def write(self, requests, sampling):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        return [
            [Answer(self.words[int(key, 16) % len(self.words)], 3, True) for key in request.keys]
            for request in requests
        ]


class LengthReward:
    """The number of letters; NaN for some answers; can be told to die at its n-th call."""

    name, fingerprint = "letters", "letters"

    def __init__(self, missing=(), fail_at=None):
        self.missing, self.fail_at, self.calls = set(missing), fail_at, 0

    def score(self, prompts, answers, languages, references=None):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        return np.array([np.nan if answer in self.missing else float(len(answer)) for answer in answers])


@pytest.fixture(scope="module")
def policy():
    return Policy.load("smoke", device="cpu")


@pytest.fixture
def store(tmp_path):
    return CandidateStore(tmp_path / "candidates")


def test_sampling_parameters_are_checked():
    for wrong in ({"n": 0}, {"temperature": -1}, {"top_p": 0}, {"top_k": 0}, {"max_tokens": 0}, {"min_tokens": 99}):
        with pytest.raises(RecipeError, match="out of range"):
            SamplingParameters(**wrong)
    assert replace(SAMPLING, n=64).fingerprint() == SAMPLING.fingerprint()
    assert (
        len(
            {
                replace(SAMPLING, **change).fingerprint()
                for change in (
                    {},
                    {"temperature": 0.5},
                    {"top_p": 0.9},
                    {"top_k": 5},
                    {"max_tokens": 7},
                    {"min_tokens": 0},
                    {"chat_template": False},
                )
            }
        )
        == 7
    )


def test_equal_texts_are_two_prompts_and_equal_ids_are_an_error(store):
    twins = [INSTRUCTIONS[0], INSTRUCTIONS[0]._replace(id="cat-again")]
    assert generate_candidates(WordEngine(), twins, SAMPLING, store).groupby("prompt_id").size().to_dict() == {
        "cat": 6,
        "cat-again": 6,
    }
    with pytest.raises(DataError, match="occurs twice in 'sw'"):
        check_instructions([*INSTRUCTIONS, INSTRUCTIONS[0]])
    with pytest.raises(DataError, match="Prompt number 1 has no id"):
        check_instructions([INSTRUCTIONS[0]._replace(id="")])


def test_a_kill_in_the_middle_loses_one_shard(store):
    with pytest.raises(KeyboardInterrupt):
        generate_candidates(WordEngine(fail_at=3), INSTRUCTIONS, SAMPLING, store, prompts_per_shard=2)
    assert len(store.read()) == 2 * 2 * 6
    engine = WordEngine()
    table = generate_candidates(engine, INSTRUCTIONS, SAMPLING, CandidateStore(store.folder), prompts_per_shard=2)
    assert engine.calls == 3 and len(table) == 54, "5 shards in all, 2 were there"
    pd.testing.assert_frame_equal(
        table,
        generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, CandidateStore(store.folder.parent / "at-once")),
    )


def test_a_process_that_is_killed_while_it_writes_leaves_whole_shards(store):
    """SIGKILL between the writing of a shard's bytes and its renaming."""
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_candidates import INSTRUCTIONS, SAMPLING, WordEngine
        from xicl_study.inference.candidates import CandidateStore, generate_candidates
        renamed, seen = os.replace, []
        def replace(source, target):
            if str(target).endswith(".parquet"):
                seen.append(target)
                if len(seen) == 3: os.kill(os.getpid(), signal.SIGKILL)
            renamed(source, target)
        os.replace = replace
        there = CandidateStore({str(store.folder)!r})
        generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, there, prompts_per_shard=2)"""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-500:]
    assert len(store.shards()) == 2 and len(store.read()) == 24 and store.damaged == []
    assert len(generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, store)) == 54


DAMAGES = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "one bit": lambda content: content[:60] + bytes([content[60] ^ 4]) + content[61:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_shard_is_named_moved_aside_and_redone(store, capsys, damage):
    whole = generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, store, prompts_per_shard=3)
    victim = store.shards()[1]
    victim.write_bytes(damage(victim.read_bytes()))
    again = generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, CandidateStore(store.folder), prompts_per_shard=3)
    pd.testing.assert_frame_equal(again, whole)
    assert f"The shard {victim} is damaged" in capsys.readouterr().out
    assert [path.name for path in (store.folder / "damaged").iterdir()] == [victim.name]


def test_a_row_is_written_once(store):
    table = generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, store)
    with pytest.raises(DataError, match="already"):
        store.append(table[:1])
    with pytest.raises(DataError, match="lack the column"):
        store.append(table.drop(columns="answer"))
    other = CandidateStore(store.folder.parent / "other")
    other.append(table[:1].assign(answer="another process"))
    os.replace(other.shards()[0], store.folder / other.shards()[0].name)
    with pytest.raises(DataError, match="1 row.s. twice"):
        CandidateStore(store.folder).read()


def test_a_language_without_candidates_is_named(store):
    generate_candidates(WordEngine(), [item for item in INSTRUCTIONS if item.language != "hi"], SAMPLING, store)
    with pytest.raises(DataError, match="no candidates in hi"):
        store.select(plan_candidates(INSTRUCTIONS, "words", SAMPLING))


def test_an_interrupted_scoring_goes_on(store):
    table = generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, store)
    with pytest.raises(KeyboardInterrupt):
        score_candidates(store, LengthReward(fail_at=3), INSTRUCTIONS, table, answers_per_shard=12)
    assert len(ScoreStore(store.folder / "scores").read()) == 24
    rest = LengthReward()
    scored = score_candidates(store, rest, INSTRUCTIONS, table, answers_per_shard=12)
    assert rest.calls == 3 and (scored.reward == scored.answer.str.len()).all()
    victim = ScoreStore(store.folder / "scores").shards()[0]
    victim.write_bytes(victim.read_bytes()[:50])
    pd.testing.assert_frame_equal(score_candidates(store, LengthReward(), INSTRUCTIONS, table), scored)


def test_missing_rewards_stay_missing_and_are_remembered(store, capsys):
    table = generate_candidates(WordEngine(), INSTRUCTIONS, SAMPLING, store)
    scored = score_candidates(store, LengthReward(missing=["", "猫"]), INSTRUCTIONS, table)
    missing = scored.answer.isin(["", "猫"])
    assert (
        missing.any()
        and (scored.reward.isna() == missing).all()
        and f"{missing.sum()} of 54 answers have no reward" in capsys.readouterr().out
    )
    once_more = LengthReward()
    assert (
        score_candidates(store, once_more, INSTRUCTIONS, table).reward.isna().sum() == missing.sum()
        and once_more.calls == 0
    )
    pairs = build_pairs(scored).pairs
    assert (
        len(pairs)
        and not set(pairs.chosen).union(pairs.rejected) & set(scored.key[missing])
        and pairs.missing_rewards.sum() <= missing.sum()
    )


def test_empty_answers_equal_rewards_and_single_candidates_are_counted(store):
    empty = score_candidates(
        store,
        VerifiableReward(),
        INSTRUCTIONS,
        generate_candidates(WordEngine(words=("",)), INSTRUCTIONS, SAMPLING, store),
    )
    assert (empty.reward == 0).all() and build_pairs(empty).counts == {
        "pairs": 0,
        "no_candidates": 0,
        "no_reward": 0,
        "one_candidate": 0,
        "all_equal": 9,
        "none_below": 0,
    }
    alone = build_pairs(empty[empty.number == 0])
    assert alone.counts["one_candidate"] == 9 and alone.pairs.empty and pair_warnings(alone.pairs) == []
    assert build_pairs(empty.assign(reward=np.nan)).counts["no_reward"] == 9


def test_a_reward_model_without_a_chat_template_is_refused(tmp_path):
    model, tokenizer = base_classifier("smoke", device="cpu")
    model.save_pretrained(tmp_path / "reward")
    tokenizer.save_pretrained(tmp_path / "reward")
    with pytest.raises(ModelError, match='no chat template.*template="plain"'):
        ClassifierReward.load(tmp_path / "reward", device="cpu")
    plain = ClassifierReward.load(tmp_path / "reward", template="plain", device="cpu")
    scores = plain.score(["🐱 ="] * 3, ["", "paka", "猫"])
    assert np.isfinite(scores).all() and len(set(scores)) == 3, "an empty answer is an answer"


def test_a_reward_that_is_no_number_is_missing():
    model, tokenizer = base_classifier("smoke", device="cpu")
    model.score.weight.data.fill_(float("nan"))
    assert np.isnan(ClassifierReward(model, tokenizer, "broken", template="plain").score(["🐱 ="], ["paka"])).all()


def test_the_smoke_policy_resumes_to_the_same_answers(policy, store):
    whole = generate_candidates(policy, INSTRUCTIONS, SAMPLING, store, prompts_per_shard=3)
    store.shards()[0].unlink()
    again = generate_candidates(
        TransformersEngine(policy, rows_at_once=4),
        INSTRUCTIONS,
        replace(SAMPLING, n=9),
        CandidateStore(store.folder),
        prompts_per_shard=1,
    )
    pd.testing.assert_frame_equal(again[again.number < 6].reset_index(drop=True), whole)
    assert whole.answer.nunique() > 40 and not whole.answer.str.contains("\n").any()


def learned_positions(n_positions, seed=0):
    """A policy that has a table of positions: one that does not exist is an index error."""
    tokenizer = smoke_model()[1]
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=n_positions,
        n_embd=32,
        n_layer=1,
        n_head=2,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.2,
    )
    return Policy(transformers.GPT2LMHeadModel(config).eval(), tokenizer, "narrow")


def requests_of(texts, n):
    return [Request(text, "sw", tuple(fingerprint(text, number, length=24) for number in range(n))) for text in texts]


@pytest.mark.parametrize(
    "load", [lambda: Policy.load("smoke", device="cpu"), lambda: learned_positions(64)], ids=["rotary", "learned"]
)
def test_an_answer_ends_where_the_positions_end(load, monkeypatch):
    narrow, rooms_made = load(), []
    narrow.config.max_position_embeddings = 64

    class Buffers(decoding.BufferedKeyValues):
        def __init__(self, read, origin, room):
            rooms_made.append(room)
            super().__init__(read, origin, room)

    monkeypatch.setattr(decoding, "BufferedKeyValues", Buffers)
    requests = requests_of(["a" * length for length in (5, 20, 50, 60, 62, 62)], 9)
    lengths = [len(narrow.encode(request.prompt)) for request in requests]
    assert max(lengths) == 63, "one token is left"
    paper = SamplingParameters(n=9, max_tokens=4096, stop_at_line_end=False)
    written = TransformersEngine(narrow).write(requests, paper)
    assert max(rooms_made) == 64 - min(lengths), "no columns that cannot be filled"
    for request, length, answers in zip(requests, lengths, written):
        assert all(
            answer.n_tokens <= 64 - length and (answer.finished or answer.n_tokens == 64 - length) for answer in answers
        )
        assert not all(answer.finished for answer in answers)
        assert TransformersEngine(narrow, rows_at_once=4).write([request], paper) == [answers], (
            "whatever is written beside it"
        )
    loose = replace(paper, max_tokens=64 - lengths[1])
    assert TransformersEngine(narrow).write(requests, loose)[1:] == written[1:], (
        "max_tokens is one limit, the positions are another"
    )


def test_one_answer_that_is_cut_is_not_fed_beyond_the_positions():
    """Too few rows have ended to take them out; what is fed for them goes nowhere, but it needs a position."""
    narrow, paper = learned_positions(64), SamplingParameters(max_tokens=4096, stop_at_line_end=False)
    requests = [*requests_of(["paka"], 23), *requests_of(["a" * 61], 1)]
    many, alone = TransformersEngine(narrow).write(requests, paper)
    assert [alone] == TransformersEngine(narrow).write(requests[1:], paper) and alone[0].n_tokens <= 2
    assert max(answer.n_tokens for answer in many) == 64 - len(narrow.encode("paka"))


def test_a_prompt_without_room_is_one_line_before_anything_is_written(policy, monkeypatch):
    monkeypatch.setattr(policy.config, "max_position_embeddings", 64)
    monkeypatch.setattr(answers_module, "write_sampled_answers", lambda *_: pytest.fail("written"))
    with pytest.raises(
        DataError,
        match="A prompt of 64 tokens leaves no room for an answer: smoke has 64 positions for both. Shorten it",
    ) as error:
        TransformersEngine(policy, rows_at_once=1).write(requests_of(["paka", "a" * 63], 2), SAMPLING)
    assert "\n" not in str(error.value)


def test_a_trained_adapter_is_another_policy(policy):
    trained = Policy.load("smoke", device="cpu")
    add_adapter(trained, "dpo", seed=1)
    for name, parameter in trained.model.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(0.01)
    names = {policy_fingerprint(policy), policy_fingerprint(trained)}
    switch_adapter(trained, None)
    assert len(names) == 2 and policy_fingerprint(trained) == policy_fingerprint(policy)


def test_chat_templates_are_used_where_there_are_any():
    model, tokenizer = smoke_model()
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}{% if"
        " add_generation_prompt %}[assistant]{% endif %}"
    )
    chat, plain = Policy(model, tokenizer, "chat"), Policy.load("smoke", device="cpu")
    assert policy_fingerprint(chat) != policy_fingerprint(plain)
    from xicl_study.inference.answers import encode_prompt

    assert tokenizer.decode(encode_prompt(tokenizer, "🐱 =", SAMPLING, chat.encode)) == "<s>[user] 🐱 =\n[assistant]"
    assert encode_prompt(tokenizer, "🐱 =", replace(SAMPLING, chat_template=False), chat.encode) == plain.encode("🐱 =")


def test_vllm_is_named_when_it_is_absent_and_its_interface_is_enough(monkeypatch, tmp_path, store):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ModelError, match="pip install"):
        VLLMEngine("org/model")

    class LLM:
        def __init__(self, model, trust_remote_code, **options):
            if options.get("broken"):
                raise ValueError("no such model\nlong traceback")

        def get_tokenizer(self):
            return smoke_model()[1]

        def generate(self, prompts, parameters, use_tqdm):
            return [
                types.SimpleNamespace(
                    outputs=[
                        types.SimpleNamespace(
                            text=f"\n paka {one.seed % 7}\nmore", token_ids=[1, 2], finish_reason="length"
                        )
                    ]
                )
                for one in parameters
            ]

    monkeypatch.setitem(sys.modules, "vllm", types.SimpleNamespace(LLM=LLM, SamplingParams=types.SimpleNamespace))
    with pytest.raises(ModelError, match="vLLM cannot load 'org/model': no such model$"):
        VLLMEngine("org/model", broken=True)
    table = generate_candidates(VLLMEngine("org/model", policy="given"), INSTRUCTIONS, SAMPLING, store)
    assert table.answer.str.fullmatch(r"paka \d").all() and not table.finished.any() and set(table.policy) == {"given"}
    assert VLLMEngine("org/model", revision="a").policy != VLLMEngine("org/model", revision="b").policy


def test_vllm_gets_no_more_positions_than_the_model_has(monkeypatch, tmp_path, store):
    given = []

    class LLM:
        def __init__(self, model, trust_remote_code, **options):
            given.append(options)

        def get_tokenizer(self):
            return smoke_model()[1]

        def generate(self, prompts, parameters, use_tqdm):
            return [
                types.SimpleNamespace(
                    outputs=[
                        types.SimpleNamespace(
                            text="paka", token_ids=[1, 2], finish_reason="length" if one.seed % 2 else "stop"
                        )
                    ]
                )
                for one in parameters
            ]

    monkeypatch.setitem(sys.modules, "vllm", types.SimpleNamespace(LLM=LLM, SamplingParams=types.SimpleNamespace))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 4096}))
    engine = VLLMEngine(str(tmp_path), longest=8192, gpu_memory_utilization=0.5)
    assert (
        given == [{"max_model_len": 4096, "gpu_memory_utilization": 0.5}]
        and engine.policy == VLLMEngine(str(tmp_path), longest=100).policy
        and given[1] == {"max_model_len": 100}
    )
    table = generate_candidates(engine, INSTRUCTIONS, replace(SAMPLING, max_tokens=4096), store)
    assert table.finished.tolist() == [int(key[:15], 16) % 2 == 0 for key in table.key]
    with pytest.raises(DataError, match="leaves no room for an answer: .* has 4096 positions"):
        engine.write(requests_of(["a" * 5000], 1), SAMPLING)
    (tmp_path / "config.json").write_text('{"model_type": "no-such-type"}')
    VLLMEngine(str(tmp_path), longest=8192)
    assert given[-1] == {}, "vLLM decides"


def small_encoder(kind, n_positions, n_tokens):
    """An untrained encoder with one output."""
    shape = dict(
        vocab_size=n_tokens,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=1,
        max_position_embeddings=n_positions,
    )
    if kind == "bert":
        return transformers.BertForSequenceClassification(transformers.BertConfig(**shape))
    return transformers.XLMRobertaForSequenceClassification(transformers.XLMRobertaConfig(**shape, pad_token_id=1))


@pytest.mark.parametrize("kind, n_positions", [("bert", 64), ("xlm-roberta", 66)])
def test_an_entry_beyond_the_positions_is_missing(tmp_path, kind, n_positions):
    tokenizer = smoke_model()[1]
    if kind != "bert":
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(1)
    small_encoder(kind, n_positions, len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    answers = ["a" * length for length in range(50, 70)]

    def scored(**options):
        reward = ClassifierReward.load(tmp_path, template="plain", device="cpu", **options)
        return reward, reward.score(["?"] * len(answers), answers)

    (reward, scores), (shorter, fewer) = scored(), scored(max_length=60)
    assert (reward.max_length, shorter.max_length) == (64, 60) and reward.fingerprint == scored(max_length=100)[
        0
    ].fingerprint != shorter.fingerprint
    lengths = np.array([len(tokenizer("?", answer)["input_ids"]) for answer in answers])
    assert 64 in lengths and (np.isnan(scores) == (lengths > 64)).all() and (np.isnan(fewer) == (lengths > 60)).all()


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(tmp_path):
    model, tokenizer = base_classifier("smoke", device="cpu")
    tokenizer.add_tokens(["paka", "mbwa"])
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"needs 261 embeddings, its model has 259\. Use the tokenizer") as error:
        ClassifierReward.load(tmp_path, template="plain", device="cpu")
    assert "\n" not in str(error.value)
    preferences = pd.DataFrame(
        [("p1", "en", "right", "Say:", "paka", "x")],
        columns=["prompt_id", "language", "kind", "prompt", "chosen", "rejected"],
    )
    with pytest.raises(ModelError, match="needs 261 embeddings"):
        train_reward_model(str(tmp_path), preferences, tmp_path / "trained", device="cpu")
    model.resize_token_embeddings(len(tokenizer))
    assert np.isfinite(ClassifierReward(model, tokenizer, "resized", template="plain").score(["🐱 ="], ["paka"])).all()


def test_a_special_token_that_no_text_brings_in_needs_no_embedding():
    model, tokenizer = base_classifier("smoke", device="cpu")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    assert np.isnan(
        ClassifierReward(model, tokenizer, "image", template="plain").score(["🐱 ="] * 2, ["paka", "<image>"])
    ).tolist() == [False, True]
    tokenizer.chat_template = "{% for m in messages %}<image>{{ m['content'] }}{% endfor %}"
    with pytest.raises(ModelError, match="needs 260 embeddings"):
        ClassifierReward(model, tokenizer, "image", template="chat")
    encoder, tokenizer = small_encoder("bert", 64, 259), smoke_model()[1]
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    with pytest.raises(ModelError, match="needs 260 embeddings"):
        ClassifierReward(encoder, tokenizer, "padding", template="plain")


@pytest.mark.parametrize("rank", [0, 2], ids=["head", "lora"])
def test_an_interrupted_training_of_a_reward_model_goes_on(tmp_path, rank):
    rows = [
        (f"p{number}", "en", "right", f"Say {number}:", f"number {number}", f"{number} elephants in a row")
        for number in range(40)
    ]
    preferences, steps = (
        pd.DataFrame(rows, columns=["prompt_id", "language", "kind", "prompt", "chosen", "rejected"]),
        [],
    )

    def stop(done, total, note):
        if done == 60:
            raise KeyboardInterrupt

    options = dict(rank=rank, epochs=20, batch=8, learning_rate=1e-3, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train_reward_model("smoke", preferences, tmp_path / "one", progress=stop, **options)
    resumed = train_reward_model(
        "smoke", preferences, tmp_path / "one", progress=lambda done, total, note: steps.append(done), **options
    )
    at_once = train_reward_model("smoke", preferences, tmp_path / "two", **options)
    assert steps[0] == 51 and [path.name for path in (tmp_path / "one").iterdir()] == [
        path.name for path in (tmp_path / "two").iterdir()
    ]
    assert np.allclose(
        *(model.score(preferences.prompt, preferences.chosen) for model in (resumed, at_once)), atol=1e-3
    )
