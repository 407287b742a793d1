"""Tables that cannot be trained on, damaged results, chat models, rewards that fail: one clear line each."""

import json
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from xicl_study.croco import online_trainers as trainers
from xicl_study.models.policy import Policy
from xicl_study.croco.rows import check_rows, max_reward_rows, pair_rows, split_prompts
from xicl_study.croco.online_trainers import train_grpo, train_online_dpo
from xicl_study.croco.trainers import best_checkpoint, train_dpo, train_sft
from xicl_study.recipe.preference_settings import preference_settings
from xicl_study.errors import DataError, ModelError, RecipeError, StudyError, UnknownNameError
from xicl_study.files import read_json, read_parquet

WORDS = {
    "sw": ("paka", "mbwa", "ng'ombe"),
    "zh": ("猫", "狗", "牛"),
    "ar": ("قطة", "كلب", "بقرة"),
    "de": ("Katze", "Hund", "Kuh"),
}
QUICK = {
    "dpo_learning_rate": 3e-3,
    "sft_learning_rate": 3e-3,
    "micro_batch": 2,
    "accumulation": 2,
    "epochs": 2,
    "checkpoints": 3,
    "validation_share": 0.0,
    "generations": 2,
    "max_new_tokens": 5,
}
TEMPLATE = (
    "{% for turn in messages %}<s>{{ turn.role }}: {{ turn.content }}</s>{% endfor %}{% if add_generation_prompt"
    " %}<s>assistant: {% endif %}"
)


@pytest.fixture
def pairs():
    return pd.DataFrame(
        [
            {
                "prompt_id": number,
                "language": language,
                "prompt": f"animal {number} = ",
                "chosen": words[number],
                "rejected": words[number - 1],
            }
            for language, words in WORDS.items()
            for number in range(3)
        ]
    )


@pytest.fixture
def answers(pairs):
    return pairs.rename(columns={"chosen": "completion"})


def smoke():
    return Policy.load("smoke", device="cpu")


def lengths(prompts, texts):
    return [float(len(text)) for text in texts]


def weights(folder):
    return load_file(folder / "adapter" / "adapter_model.safetensors")


class Killed(Exception):
    """Stands for a power cut."""


def kill_at(step):
    def progress(done, total, note):
        if done == step:
            raise Killed

    return progress


def line_of(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "change,expected",
    [
        (lambda pairs: pairs.head(0), "no pairs to train on"),
        (lambda pairs: pairs.drop(columns=["prompt", "rejected"]), "lack the column.s. prompt, rejected"),
        (lambda pairs: pairs.assign(rejected=pairs.chosen), "In 12 pairs the chosen answer equals the rejected one"),
        (
            lambda pairs: pairs.assign(chosen=[None, *pairs.chosen[1:]]),
            "1 of the pairs have no text in 'chosen', the first for prompt",
        ),
        (lambda pairs: pairs.assign(prompt=float("nan")), "no text in 'prompt'"),
        (lambda pairs: pairs.assign(rejected="x" * 5000), "All 12 pairs are longer than 4096 tokens"),
    ],
)
def test_pairs_that_cannot_be_trained_on(pairs, tmp_path, change, expected):
    with pytest.raises(DataError, match=expected) as error:
        train_dpo(smoke(), change(pairs), tmp_path / "run", preference_settings(QUICK))
    line_of(error)
    assert not (tmp_path / "run").exists()


def test_long_pairs_are_left_out_whole_and_counted(pairs, tmp_path):
    pairs.loc[[0, 5], "rejected"] = "猫" * 3000
    train_dpo(smoke(), pairs, tmp_path, preference_settings({**QUICK, "steps": 1}))
    assert read_json(tmp_path / "training.json")["counts"] == {"pairs": 12, "too_long": 2, "kept": 10, "validation": 0}


def test_an_empty_answer_is_an_answer(pairs, tmp_path):
    train_dpo(smoke(), pairs.assign(rejected=""), tmp_path, preference_settings({**QUICK, "steps": 1}))
    assert np.isfinite(read_parquet(tmp_path / "log.parquet").loss).all()


@pytest.mark.parametrize(
    "given,kind",
    [
        ({"steps": "3"}, RecipeError),
        ({"lora_rnak": 3}, UnknownNameError),
        ({"lora_dropout": 1.0}, RecipeError),
        ({"generations": 5}, RecipeError),
    ],
)
def test_settings(given, kind):
    with pytest.raises(kind) as error:
        preference_settings(given)
    line_of(error)


def test_duplicate_and_missing_prompts(pairs):
    candidates = pd.DataFrame(
        {"prompt_id": pairs.prompt_id, "language": pairs.language, "answer": pairs.chosen, "reward": 1.0}
    )
    with pytest.raises(DataError, match="appears twice"):
        max_reward_rows(candidates, pd.concat([pairs, pairs.head(1)]))
    with pytest.raises(DataError, match="There is no prompt"):
        max_reward_rows(candidates, pairs.head(3))
    with pytest.raises(UnknownNameError):
        max_reward_rows(candidates, pairs, pool="in_languages")
    rows, skipped = max_reward_rows(candidates.assign(reward=np.nan), pairs)
    assert skipped == 12 and not len(rows)
    with pytest.raises(DataError, match="no answers to train on"):
        check_rows(rows, "answers")
    keys = pairs.rename(columns={"language": "prompt_language"})
    with pytest.raises(DataError, match="has no answer"):
        pair_rows(keys, pd.DataFrame({"key": ["other"], "answer": ["x"]}), pairs)


def test_the_split_follows_prompts_and_leaves_something(pairs, tmp_path):
    for seed in range(5):
        training, validation = split_prompts(pairs, 0.34, seed)
        assert (
            validation.prompt_id.nunique() == 1
            and len(validation) == 4
            and not set(training.prompt_id) & set(validation.prompt_id)
        )
    assert len({split_prompts(pairs, 0.34, seed)[1].prompt_id.iloc[0] for seed in range(20)}) == 3
    train_sft(
        smoke(),
        pairs.rename(columns={"chosen": "completion"}).head(1),
        tmp_path,
        preference_settings({**QUICK, "validation_share": 0.9, "steps": 1}),
    )
    assert read_json(tmp_path / "training.json")["counts"]["validation"] == 0


def test_the_reference_is_read_once_even_after_a_kill(pairs, tmp_path, monkeypatch):
    from trl import DPOTrainer

    calls, plain = [], DPOTrainer.compute_ref_log_probs
    monkeypatch.setattr(
        DPOTrainer, "compute_ref_log_probs", lambda self, *given: calls.append(1) or plain(self, *given)
    )
    with pytest.raises(Killed):
        train_dpo(smoke(), pairs, tmp_path, preference_settings(QUICK), progress=kill_at(3))
    read = len(calls)
    train_dpo(smoke(), pairs, tmp_path, preference_settings(QUICK))
    assert read == len(calls) == 6


def test_a_damaged_result_is_trained_again(answers, tmp_path):
    settings = preference_settings({**QUICK, "steps": 1})
    train_sft(smoke(), answers, tmp_path, settings)
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"half")
    train_sft(smoke(), answers, tmp_path, settings)
    assert weights(tmp_path)


def test_measuring_does_not_change_the_training(answers, tmp_path):
    settings = preference_settings(QUICK)
    train_sft(smoke(), answers, tmp_path / "plain", settings)
    train_sft(
        smoke(),
        answers,
        tmp_path / "measured",
        settings,
        measure=lambda policy: {"noise": float(torch.rand(3).sum() + np.random.rand())},
    )
    assert all(
        torch.equal(one, two)
        for one, two in zip(weights(tmp_path / "plain").values(), weights(tmp_path / "measured").values())
    )


def test_a_measurement_that_fails_shows_its_own_error(answers, tmp_path):
    def broken(policy):
        raise ZeroDivisionError("no items")

    with pytest.raises(ZeroDivisionError):
        train_sft(smoke(), answers, tmp_path, preference_settings(QUICK), measure=broken)


def test_best_checkpoint_without_measurements(answers, tmp_path):
    train_sft(smoke(), answers, tmp_path, preference_settings({**QUICK, "steps": 1}))
    with pytest.raises(UnknownNameError, match="Pass measure="):
        best_checkpoint(tmp_path, "win_rate")
    with pytest.raises(DataError, match="does not exist"):
        best_checkpoint(tmp_path / "nowhere", "win_rate")


def test_a_loss_that_is_no_number_stops_the_training(pairs, tmp_path):
    policy = smoke()
    with torch.no_grad():
        policy.head.fill_(float("nan"))
    with pytest.raises(ModelError, match="the loss is nan at step 1. Lower the learning rate"):
        train_sft(policy, pairs.rename(columns={"chosen": "completion"}), tmp_path, preference_settings(QUICK))


@pytest.mark.parametrize("train", [train_sft, train_dpo, train_grpo, train_online_dpo])
def test_turns_of_a_chat_model(train, pairs, answers, tmp_path):
    settings, seen = preference_settings({**QUICK, "chat": True, "steps": 1}), []

    def score(prompts, texts):
        seen.extend(prompts)
        return lengths(prompts, texts)

    rows = {train_sft: (answers,), train_dpo: (pairs,)}.get(train, (pairs, score))
    with pytest.raises(ModelError, match="no chat template. Set preference.chat to false"):
        train(smoke(), *rows, tmp_path / "a", settings)
    policy = smoke()
    policy.tokenizer.chat_template = TEMPLATE
    train(policy, *rows, tmp_path / "b", settings)
    assert np.isfinite(read_parquet(tmp_path / "b" / "log.parquet").loss).all() and set(seen) <= set(pairs.prompt)


@pytest.mark.parametrize("train", [train_grpo, train_online_dpo])
def test_rewards_that_fail(train, pairs, tmp_path):
    settings = preference_settings({**QUICK, "steps": 2})
    calls = []

    def shaky(prompts, texts):
        calls.append(len(texts))
        return [None, *lengths(prompts, texts)[1:]]

    train(smoke(), pairs, shaky, tmp_path / "shaky", settings)
    assert read_json(tmp_path / "shaky" / "training.json")["missing_rewards"] == len(calls) > 0
    with pytest.raises(DataError, match="no reward for a whole batch"):
        train(smoke(), pairs, lambda prompts, texts: [float("nan")] * len(texts), tmp_path / "dead", settings)
    with pytest.raises(DataError, match="rewards for"):
        train(smoke(), pairs, lambda prompts, texts: [1.0], tmp_path / "few", settings)


@pytest.mark.parametrize("train", [train_grpo, train_online_dpo])
def test_with_another_reward_it_is_another_training(train, pairs, tmp_path):
    settings = preference_settings({**QUICK, "steps": 1})

    def facts(scored_by):
        train(smoke(), pairs, lengths, tmp_path, settings, scored_by=scored_by)
        return read_json(tmp_path / "training.json")

    first = facts("length")
    assert first["scored_by"] == "length" and facts("length") == first, "found, its seconds included"
    assert facts("brevity")["fingerprint"] != first["fingerprint"]


@pytest.mark.parametrize("train", [train_grpo, train_online_dpo])
def test_only_tokens_that_were_written_are_counted(train, pairs, tmp_path):
    written = []

    def noted(prompts, texts):
        written.extend(texts)
        return lengths(prompts, texts)

    train(
        smoke(),
        pairs,
        noted,
        tmp_path,
        preference_settings({**QUICK, "steps": 1, "one_line": True, "max_new_tokens": 64}),
    )
    counted, longest = read_json(tmp_path / "training.json")["generated_tokens"], max(map(len, written))
    assert sum(map(len, written)) <= counted < 0.7 * len(written) * longest, (
        "answers of one line have different lengths, and padding is no token that somebody has paid for"
    )


def test_the_start_token_stands_before_a_prompt_once(pairs, tmp_path, monkeypatch):
    trainer_class = trainers.online_dpo_classes()[1]
    seen, plain = [], trainer_class._forward
    monkeypatch.setattr(
        trainer_class,
        "_forward",
        lambda self, model, prompt_ids, prompt_mask, *rest: (
            seen.append((prompt_ids, prompt_mask)) or plain(self, model, prompt_ids, prompt_mask, *rest)
        ),
    )
    policy = smoke()
    train_online_dpo(policy, pairs, lengths, tmp_path, preference_settings({**QUICK, "steps": 1}))
    for ids, mask in seen:
        for row, there in zip(ids, mask.bool()):
            assert row[there][:1].tolist() == policy.start and (row[there] == policy.start[0]).sum() == 1


def test_a_trl_without_online_dpo(monkeypatch, pairs, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "trl.experimental.online_dpo", None)
    with pytest.raises(ModelError, match="has no experimental online DPO") as error:
        train_online_dpo(smoke(), pairs, lengths, tmp_path, preference_settings(QUICK))
    line_of(error)


def test_facts_are_readable(pairs, tmp_path):
    train_dpo(smoke(), pairs, tmp_path, preference_settings({**QUICK, "steps": 1}), seed=3)
    facts = json.loads((tmp_path / "training.json").read_text())
    assert facts["method"] == "dpo" and facts["seed"] == 3 and facts["settings"]["beta"] == 0.1 and facts["steps"] == 1
    assert issubclass(DataError, StudyError)
