"""One life for all trainings: killed, damaged, unreadable, with other numbers, with a loss that is no number."""

import math
import shutil
import warnings
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from trl import GRPOTrainer, SFTTrainer

from xicl_study.closed_loop import trainers as closed_loop_trainers
from xicl_study.closed_loop.objective import write_sets
from xicl_study.closed_loop.trainers import train_adapter
from xicl_study.croco import online_trainers, reward_training
from xicl_study.croco import trainers as preference_trainers
from xicl_study.croco.online_trainers import train_grpo, train_online_dpo
from xicl_study.croco.reward_training import train_reward_model
from xicl_study.croco.trainers import train_dpo, train_sft
from xicl_study.errors import ModelError
from xicl_study.files import read_json, read_parquet
from xicl_study.models.embedded import seal_cache
from xicl_study.models.policy import Policy
from xicl_study.recipe.preference_settings import preference_settings
from xicl_study.recipe.recipe import recipe_of
from xicl_study.training.arguments import trainer_arguments
from xicl_study.training.life import find_finished_training, LifeCallback, run_training

CLOSED_LOOP = ("warm_up", "closed_loop", "sft")
PREFERENCE = {"tune_sft": train_sft, "tune_dpo": train_dpo, "tune_grpo": train_grpo, "tune_online": train_online_dpo}
KINDS = (*CLOSED_LOOP, *PREFERENCE, "reward_model")
# four steps and a checkpoint at each
RECIPE = {
    "task": "emoji-topic",
    "policy": "smoke",
    "encoder": "hashed-ngrams",
    "languages": ["sw", "zh"],
    "k": 2,
    "methods": ["warm_up", "closed_loop", "sft"],
    "training": {
        "steps": 4,
        "sft_steps": 4,
        "warm_up_queries": 4,
        "queries_per_step": 1,
        "samples_per_query": 2,
        "rehearsal_queries": 1,
        "max_tokens": 4,
        "save_every": 1,
    },
}
QUICK = {
    "dpo_learning_rate": 3e-3,
    "sft_learning_rate": 3e-3,
    "micro_batch": 2,
    "accumulation": 1,
    "steps": 4,
    "checkpoints": 4,
    "validation_share": 0.0,
    "generations": 2,
    "max_new_tokens": 4,
}
WORDS = {"sw": ("paka", "mbwa", "ng'ombe"), "zh": ("猫", "狗", "牛"), "ar": ("قطة", "كلب", "بقرة")}
PAIRS = pd.DataFrame(
    [
        {"prompt_id": str(number), "language": language, "prompt": f"animal {number} = ", "chosen": words[number]}
        | {"rejected": words[number - 1], "completion": words[number], "kind": "right"}
        for language, words in WORDS.items()
        for number in range(3)
    ]
)


class Killed(Exception):
    """Stands for a power cut."""


def kill_at_step_4(done, total, note):
    # a checkpoint is written behind this call, so the newest ones are those of steps 3 and 2
    if done == 4 and "writing" not in note:
        raise Killed


@pytest.fixture(scope="module", autouse=True)
def quick():
    """The warm-up's sets without a filter, and a checkpoint of the reward model at each step."""

    def unfiltered(policy, setup, examples, progress=None):
        return list(zip(examples, write_sets(policy, setup, examples, 1, seed=setup.seed)))

    def saved_often(*given, **own):
        return trainer_arguments(*given, **(own | {"save_steps": 1}))

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(closed_loop_trainers, "filtered_sets", unfiltered)
        patch.setattr(reward_training, "trainer_arguments", saved_often)
        yield


def train(kind, folder, progress=None, learning_rate=None, seed=0):
    """Train in one of the eight ways."""
    if kind in CLOSED_LOOP:
        recipe = recipe_of(RECIPE)
        if learning_rate:
            recipe = recipe.with_values({"training": {"learning_rate": learning_rate}})
        return train_adapter(kind, recipe, folder, seed, progress=progress)
    if kind == "reward_model":
        english = PAIRS.assign(language="en")
        options = {"rank": 4, "batch": 1, "learning_rate": learning_rate or 5e-3, "seed": seed, "device": "cpu"}
        return train_reward_model("smoke", english, folder, progress=progress, **options)
    rates = {f"{name}_learning_rate": learning_rate for name in ("dpo", "sft", "online")} if learning_rate else {}
    settings, rows = preference_settings(QUICK | rates), (PAIRS,)
    if kind in ("tune_grpo", "tune_online"):
        rows = (PAIRS, lambda prompts, answers: [float(len(answer)) for answer in answers])
    return PREFERENCE[kind](Policy.load("smoke", device="cpu"), *rows, folder, settings, seed, progress=progress)


def result(kind, folder):
    """What a training leaves, without seconds: weights to the byte, the log, and other tables and counters."""
    if kind == "reward_model":
        (made,) = (path for path in folder.iterdir() if not path.name.startswith("."))
        return (made / "trained.safetensors").read_bytes(), read_json(made / "reward.json")
    facts = {name: value for name, value in read_json(folder / "training.json").items() if name != "seconds"}
    facts.pop("resumed_from")
    tables = [read_parquet(path).drop(columns="seconds", errors="ignore") for path in sorted(folder.glob("*.parquet"))]
    weights = (folder / "adapter" / "adapter_model.safetensors").read_bytes()
    return weights, facts, [table.to_csv(index=False) for table in tables]


def checkpoints_of(folder):
    """Newest first."""
    return sorted(folder.rglob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)


@pytest.fixture(scope="module", params=KINDS)
def killed(request, tmp_path_factory):
    """A kind of training, what it leaves when nothing happens to it, and a folder of one that was killed."""
    place = tmp_path_factory.mktemp(request.param)
    train(request.param, place / "whole")
    if request.param in PREFERENCE:
        assert list(read_parquet(place / "whole" / "measurements.parquet").step) == [0, 1, 2, 3, 4]
    with pytest.raises(Killed):
        train(request.param, place / "killed", kill_at_step_4)
    assert [path.name for path in checkpoints_of(place / "killed")] == ["checkpoint-3", "checkpoint-2"]
    return SimpleNamespace(kind=request.param, whole=result(request.param, place / "whole"), folder=place / "killed")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def noted(monkeypatch):
    """Names of the checkpoints that trainings go on from."""
    names = []
    for module in (closed_loop_trainers, reward_training, preference_trainers):

        def noting(build, *given, run=run_training):
            return run(lambda last: names.append(last and last.name) or build(last), *given)

        monkeypatch.setattr(module, "run_training", noting)
    return names


DAMAGES = {
    "none": lambda newest: None,
    "half of the trainer's state": lambda newest: half(newest / "trainer_state.json"),
    "an empty optimizer": lambda newest: (newest / "optimizer.pt").write_bytes(b""),
    "no adapter": lambda newest: (newest / "adapter_model.safetensors").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_killed_training_ends_as_one_that_was_not(killed, damage, tmp_path, noted):
    shutil.copytree(killed.folder, tmp_path / "run")
    DAMAGES[damage](checkpoints_of(tmp_path / "run")[0])
    torch.manual_seed(99)
    train(killed.kind, tmp_path / "run")
    assert noted == ["checkpoint-3" if damage == "none" else "checkpoint-2"]
    assert result(killed.kind, tmp_path / "run") == killed.whole
    assert not checkpoints_of(tmp_path / "run")
    train(killed.kind, tmp_path / "run", kill_at_step_4)
    assert len(noted) == 1, "found, not trained again"


@pytest.fixture
def resumable(tmp_path):
    """The folder of a fine-tuning that was killed."""
    with pytest.raises(Killed):
        train("tune_sft", tmp_path / "run", kill_at_step_4)
    return tmp_path / "run"


def test_no_whole_checkpoint_is_a_start_from_the_beginning(resumable, noted):
    for path in checkpoints_of(resumable):
        (path / "optimizer.pt").write_bytes(b"")
    train("tune_sft", resumable)
    assert noted == [None] and list(read_parquet(resumable / "log.parquet").step) == [1, 2, 3, 4]


def test_a_whole_checkpoint_that_cannot_be_read_says_what_to_delete(resumable, noted):
    """For example one that another version of torch wrote."""
    newest = checkpoints_of(resumable)[0]
    (newest / "optimizer.pt").write_bytes(b"written by a version to come")
    seal_cache(newest)
    with pytest.raises(ModelError) as error:
        train("tune_sft", resumable)
    assert f"the checkpoint {newest} cannot be read (" in str(error.value) and "\n" not in str(error.value)
    assert "Delete it and run the same command again" in str(error.value)
    shutil.rmtree(newest)
    train("tune_sft", resumable)
    assert noted == ["checkpoint-3", "checkpoint-2"]


@pytest.mark.parametrize("kind", ["sft", "tune_dpo", "reward_model"])
def test_other_numbers_never_go_on_from_old_weights(kind, tmp_path, noted):
    with pytest.raises(Killed):
        train(kind, tmp_path / "a", kill_at_step_4)
    train(kind, tmp_path / "a", seed=1)
    train(kind, tmp_path / "b", seed=1)
    assert noted == [None] * 3 and result(kind, tmp_path / "a") == result(kind, tmp_path / "b")


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_that_is_no_number_stops_the_training(kind, tmp_path, monkeypatch):
    if kind in ("tune_grpo", "tune_online"):
        # a policy of weights that are no numbers cannot write either, so the loss itself is spoilt
        trainer_class = GRPOTrainer if kind == "tune_grpo" else online_trainers.online_dpo_classes()[1]
        plain = trainer_class.training_step
        spoilt = lambda self, *given, **more: plain(self, *given, **more) * math.nan
        monkeypatch.setattr(trainer_class, "training_step", spoilt)
    with pytest.raises(ModelError, match="the loss is (nan|inf) at step [1234]. Lower .* and run the same") as error:
        train(kind, tmp_path, learning_rate=1e30)
    assert "\n" not in str(error.value)
    made = [path for path in tmp_path.rglob("*.json") if path.name in ("training.json", "reward.json")]
    assert not made, "nothing that looks like a result"


def test_an_error_of_the_training_itself_is_not_blamed_on_the_checkpoint(resumable, monkeypatch):
    def broken(self, *given, **more):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(SFTTrainer, "compute_loss", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        train("tune_sft", resumable)


def test_a_checkpoint_between_two_rounds(tmp_path, noted):
    """Sets that were written ahead are written again with the weights that wrote them first."""
    recipe = recipe_of(RECIPE).with_values({"training": {"write_ahead": 2}})

    def kill(done, total, note):
        if done == 4:
            raise Killed

    train_adapter("closed_loop", recipe, tmp_path / "whole")
    with pytest.raises(Killed):
        train_adapter("closed_loop", recipe, tmp_path / "killed", progress=kill)
    train_adapter("closed_loop", recipe, tmp_path / "killed")
    assert noted == [None, None, "checkpoint-2"]
    assert result("closed_loop", tmp_path / "whole") == result("closed_loop", tmp_path / "killed")


def test_the_vocabulary_is_decoded_for_its_line_ends_once(tmp_path, monkeypatch):
    calls, plain = [], online_trainers.end_tokens
    monkeypatch.setattr(online_trainers, "end_tokens", lambda *given: calls.append(given) or plain(*given))
    train("tune_grpo", tmp_path)
    assert len(calls) == 1


def test_finished_is_what_is_whole_and_made_of_the_same(tmp_path):
    train("sft", tmp_path)
    facts = {"fingerprint": read_json(tmp_path / "training.json")["fingerprint"]}
    assert find_finished_training(tmp_path, facts) == tmp_path / "adapter"
    assert find_finished_training(str(tmp_path), facts) == tmp_path / "adapter"
    half(tmp_path / "adapter" / "adapter_model.safetensors")
    assert find_finished_training(tmp_path, facts) is None
    (tmp_path / "training.json").unlink()
    assert find_finished_training(tmp_path, facts) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_one_check_for_losses_that_are_no_numbers(loss):
    state = SimpleNamespace(global_step=7)
    with pytest.raises(ModelError, match="DPO: the loss is .* at step 7. Lower beta and run the same command again"):
        LifeCallback("DPO", "Lower beta").on_log(None, state, None, {"loss": loss})


def test_training_knows_no_method():
    """The room stands below the closed loop and CroCo."""
    from xicl_study.source_code import used_modules

    rooms = {name.split(".")[0] for name in used_modules("training.life", "training.gradients", "training.arguments")}
    assert rooms <= {"training", "models", "files", "fingerprints", "errors"}
