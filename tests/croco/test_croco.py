"""The preference pipeline as a user runs it: the whole path, a language that fails, the big recipes in small."""

import json, os, subprocess, sys, types
from pathlib import Path
import pytest, same_results, yaml
from conftest import write_notebook
from xicl_study.recipe.croco_settings import croco_systems
from xicl_study.study.runner import check_study, run_study
from xicl_study.study.status import run_status
from xicl_study.errors import StudyError
from xicl_study.files import read_json, read_parquet
from xicl_study.recipe.context import Context
from xicl_study.recipe.recipe import load_recipe

CANDIDATES = [
    """language: str = "sw"  # language
seed: int = 0  # seed
recipe: str = "croco-smoke"  # recipe
output: str = "."  # folder""",
    """import os
from xicl_study.croco.pipeline import make_candidates
from xicl_study.errors import ModelError
from xicl_study.recipe.context import Context
from xicl_study.recipe.recipe import load_recipe
if language == os.environ.get("FAIL"): raise ModelError("The candidates of this language cannot be written.")
make_candidates(Context(load_recipe(recipe), output, seed), language)""",
]

SMALL = {
    "croco.tuning": ["dpo_monolingual", "dpo_multilingual"],
    "croco.open_limit": 1,
    "croco.train_prompts": 3,
    "croco.test_prompts": 2,
    "croco.held_out_prompts": 0,
    "experiment": "croco_tuning",
}


def run(recipe, **options):
    overrides = options.pop("overrides", None)
    return run_study(load_recipe(recipe, overrides=overrides), workers=2, quiet=True, **options)


def steps(outcome):
    return [title for title, _ in outcome.planned]


@pytest.fixture
def croco(tmp_path, monkeypatch):
    """A recipe file whose candidates are written by a notebook that can be made to fail."""
    monkeypatch.delenv("FAIL", raising=False)
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "candidates.ipynb", CANDIDATES)
    recipe = {
        "extends": "croco-smoke",
        "name": "mine",
        "notebooks": {"croco_candidates": str(tmp_path / "candidates.ipynb")},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return tmp_path / "mine.yaml"


@pytest.mark.slow
def test_a_failed_language_is_left_out_and_made_up_for(croco, monkeypatch):
    monkeypatch.setenv("FAIL", "sw")
    first = run(croco, overrides=SMALL)
    assert [failure.language for failure in first.failures] == ["sw"] and first.failures[
        0
    ].error == "The candidates of this language cannot be written."
    assert first.report.is_file() and "cannot be written" in first.report.read_text(encoding="utf-8")
    folder = first.folder
    adapters = read_parquet(folder / "runs/croco_tune/dpo_monolingual/0/summary.parquet")
    assert list(adapters.part) == ["de"], "the other language was trained"
    results = read_parquet(folder / "results.parquet")
    assert {"de", "sw", "hi"} <= set(results.language) and {"base", "dpo_multilingual"} <= set(results.method), (
        "every language is still evaluated"
    )
    kept = {
        path: path.stat().st_mtime_ns for path in (folder / "runs/croco_candidates/de").rglob("*") if path.is_file()
    }

    monkeypatch.delenv("FAIL")
    second = run(croco, overrides=SMALL)
    assert (
        not second.failures
        and "croco_candidates Swahili (sw), seed 0" in steps(second)
        and "croco_candidates German (de), seed 0" not in steps(second)
    )
    assert "croco_tune dpo_multilingual, seed 0" in steps(second), "what brings languages together is done again"
    assert list(read_parquet(folder / "runs/croco_tune/dpo_monolingual/0/summary.parquet").part) == ["de", "sw"]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept and {
        row["state"] for row in run_status(folder)
    } == {"done"}
    assert run(croco, overrides=SMALL).planned == []


@pytest.mark.slow
def test_croco_smoke_end_to_end(tmp_path):
    folder = tmp_path / "croco"
    command = [sys.executable, "-m", "xicl_study.cli", "run", "--recipe", "croco-smoke", "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert same_results.differences("croco-smoke", same_results.study_tables("croco-smoke", folder)) == []
    results = read_parquet(folder / "results.parquet")
    assert set(results.experiment) == {
        "croco_pairs",
        "croco_tuning",
        "croco_on_policy",
        "croco_reward",
        "croco_ablation",
    }
    assert {"rule-minimum", "k-4", "beta-0.5"} <= set(results[results.experiment == "croco_ablation"].method)
    assert all("answer_language_share" in set(part.metric) for _, part in results.groupby("experiment")), (
        "every table says in which language the answers are"
    )
    assert {
        "exact_match_vs_base",
        "win_rate",
        "length_controlled_win_rate",
        "bits_per_byte_vs_base",
        "held_out_kinds_chrf",
    } <= set(results[results.experiment == "croco_tuning"].metric)
    answers = read_parquet(folder / "runs/croco_answers/de/0/answers.parquet")
    assert set(answers[answers.part == "open"].groupby(["system", "item"]).number.nunique()) == {2} and set(
        answers[answers.part != "open"].number
    ) == {0}
    judged = read_parquet(folder / "runs/croco_tuning/all/0/judged.parquet")
    won = results[(results.experiment == "croco_tuning") & (results.metric == "win_rate") & (results.language == "de")]
    assert (won.n == 2 * 2).all() and not judged.duplicated(["system", "language", "item", "number"]).any(), (
        "two questions, two answers to each"
    )
    captions = read_json(folder / "figures/captions.json")
    assert len(captions["figures"]) >= 12 and all(
        figure["alt"] and (folder / "figures" / figure["file"]).is_file() for figure in captions["figures"]
    )
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What croco_tuning shows" in page and "reward-model preference" in page and str(tmp_path) not in page
    assert len(list((folder / "reward_models").glob("*/reward.json"))) == 1, "one reward model for all experiments"
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "Nothing to do" in again.stdout, again.stdout
    another_study_reuses_it(folder, tmp_path / "second")


def another_study_reuses_it(first, second):
    """An ablation with one system that the first study has and one that it lacks: only the latter is trained and
    answers anew.
    """

    def trained(folder):
        return {
            path.parent.parent.parent.name: read_json(path)
            for path in folder.glob("runs/croco_tune/*/0/all/training.json")
        }

    def shards(folder):
        return {path.name for path in (folder / "candidates").glob("*.parquet")}

    overrides = {
        "experiment": "croco_ablation",
        "croco.tuning": [],
        "croco.on_policy": [],
        "croco.ablation": ["rule-minimum", "sft-0.25"],
    }
    outcome = run("croco-smoke", overrides=overrides, output=second, reuse=first)
    assert not outcome.failures and set(read_parquet(second / "results.parquet").experiment) == {"croco_ablation"}, (
        outcome.failures
    )
    known, made = trained(first), trained(second)
    assert "sft-0.25" not in known and made.keys() == {"dpo_multilingual", "rule-minimum", "sft-0.25"}
    assert all(made[name] == known[name] for name in ("dpo_multilingual", "rule-minimum")), (
        "what both have is the first study's own training, its seconds included"
    )
    answers = read_parquet(second / "runs/croco_answers/de/0/answers.parquet")
    assert shards(first) < shards(second) and {"base", "dpo_multilingual", "rule-minimum", "sft-0.25"} == set(
        answers.system
    )
    before = read_parquet(first / "runs/croco_answers/de/0/answers.parquet")
    same = before.merge(answers, on=["system", "part", "item", "language", "number"], suffixes=("", "_again"))
    assert set(same.system) == {"base", "dpo_multilingual", "rule-minimum"} and (same.answer == same.answer_again).all()
    assert (
        read_parquet(first / "runs/croco_candidates/de/0/pool.parquet").reward
        == read_parquet(second / "runs/croco_candidates/de/0/pool.parquet").reward
    ).all()
    models = [
        sorted(path.relative_to(folder).as_posix() for path in folder.glob("reward_models/*/reward.json"))
        for folder in (first, second)
    ]
    assert models[0] == models[1], "no reward model was trained again"
    assert run("croco-smoke", overrides=overrides, output=second, reuse=first).planned == [], (
        "the same command goes on, and there is nothing left"
    )


@pytest.mark.parametrize("name", ["croco-eurollm-9b", "croco-tiny-aya"])
def test_the_paper_recipes_hold_the_papers_settings(name):
    recipe = load_recipe(name)
    plan = check_study(recipe)
    settings, training = recipe.croco_settings, recipe.preference_settings
    assert (settings.k, settings.temperature, settings.top_p, settings.max_tokens, settings.engine) == (
        64,
        1.0,
        1.0,
        4096,
        "vllm",
    )
    assert (settings.rule, settings.prompt_language) == ("mu_minus_2sigma", "chosen")
    assert (settings.reward_model, settings.reward_template, settings.chat) == (
        "Skywork/Skywork-Reward-V2-Qwen3-8B",
        "chat",
        True,
    )
    assert settings.translation == "shipped" and settings.max_prompt_length == 4096, (
        "the shipped prompts are parallel; a translation would ask for English words"
    )
    assert "article" not in settings.kinds and settings.held_out_kinds and settings.held_out_prompts, (
        "the Declaration and some kinds measure what is forgotten"
    )
    assert (
        training.lora_rank,
        training.lora_alpha,
        training.lora_dropout,
        training.dpo_learning_rate,
        training.sft_learning_rate,
    ) == (16, 32, 0.05, 5e-6, 2e-4)
    assert (training.schedule, training.warm_up, training.weight_decay, training.epochs, training.max_length) == (
        "cosine",
        0.05,
        0.01,
        1.0,
        4096,
    )
    assert (training.micro_batch, training.accumulation, training.beta) == (1, 8, 0.1)
    assert set(recipe.languages) == {
        "da",
        "nl",
        "en",
        "fr",
        "de",
        "it",
        "es",
        "gl",
        "ga",
        "mt",
        "cy",
        "sv",
        "pt",
        "fi",
    } and set(recipe.languages) - set(recipe.train_languages) == {"sv", "pt", "fi"}
    assert (
        recipe.policy
        == {"croco-eurollm-9b": "utter-project/EuroLLM-9B-Instruct", "croco-tiny-aya": "CohereLabs/tiny-aya-global"}[
            name
        ]
    )
    runs = [run.name for run in plan.runs]
    assert "croco_candidates-ga-0" in runs and "croco_candidates-fi-0" not in runs and "croco_answers-fi-0" in runs
    assert sum(run.startswith("croco_tune-") for run in runs) == len(croco_systems(recipe.croco_settings))


def test_the_paper_recipes_write_candidates_with_vllm(monkeypatch, tmp_path):
    """vLLM's interface, played by a stand-in: what the recipe asks of it, and that its answers are scored."""
    from xicl_study.croco.pipeline import make_candidates
    from xicl_study.models.embedded import smoke_model

    asked = {}

    class LLM:
        def __init__(self, model, trust_remote_code, **options):
            asked.update(options, model=model)

        def get_tokenizer(self):
            tokenizer = smoke_model()[1]
            tokenizer.chat_template = (
                "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant]"
            )
            return tokenizer

        def generate(self, prompts, parameters, use_tqdm):
            asked.update(sampling=parameters[0], first=self.get_tokenizer().decode(prompts[0]["prompt_token_ids"]))
            return [
                types.SimpleNamespace(
                    outputs=[
                        types.SimpleNamespace(text=f"Answer {one.seed % 5}", token_ids=[1, 2], finish_reason="stop")
                    ]
                )
                for one in parameters
            ]

    monkeypatch.setitem(sys.modules, "vllm", types.SimpleNamespace(LLM=LLM, SamplingParams=types.SimpleNamespace))
    small = {
        "croco.train_prompts": 2,
        "croco.translation": "shipped",
        "croco.reward_model": "trained",
        "croco.reward_base": "smoke",
        "croco.reward_prompts": 8,
        "dtype": "float32",
    }
    recipe = load_recipe("croco-eurollm-9b", overrides=small)
    reward = types.SimpleNamespace(
        name="length", fingerprint="length", score=lambda prompts, answers, *_: [float(len(text)) for text in answers]
    )
    monkeypatch.setattr("xicl_study.croco.pipeline.reward_model_of", lambda *_, **__: reward)
    monkeypatch.setattr("xicl_study.models.policy.load_tokenizer", lambda name: LLM(name, False).get_tokenizer())
    # what EuroLLM-9B-Instruct's configuration says
    monkeypatch.setattr("xicl_study.inference.vllm_engine.stated_positions", lambda *_: 4096)
    pool = make_candidates(Context(recipe, tmp_path), "de")
    assert len(pool) == 2 * 64 and pool.reward.notna().all() and asked["model"] == "utter-project/EuroLLM-9B-Instruct"
    assert asked["max_model_len"] == 4096, "prompt and answer together are no longer than the model reads"
    assert (
        asked["sampling"].temperature,
        asked["sampling"].top_p,
        asked["sampling"].max_tokens,
        asked["sampling"].n,
    ) == (1.0, 1.0, 4096, 1) and not hasattr(asked["sampling"], "stop")
    assert asked["first"].startswith("[user] ") and asked["first"].endswith("[assistant]"), (
        "a chat model gets the request in its template"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["croco-eurollm-9b", "croco-laptop"])
def test_the_other_recipes_walk_the_same_path_in_small(name, tmp_path):
    small = {
        "policy": "smoke",
        "dtype": "float32",
        "languages": ["de", "sv"],
        "train_languages": ["de"],
        "experiment": "croco_tuning",
        "croco.train_prompts": 2,
        "croco.test_prompts": 2,
        "croco.open_limit": 1,
        "croco.k": 6,
        "croco.max_tokens": 6,
        "croco.open_tokens": 6,
        "croco.reward_model": "trained",
        "croco.reward_prompts": 8,
        "croco.engine": "transformers",
        "croco.translation": "shipped",
        "croco.judge": "reward",
        "croco.open_prompts": "shipped",
        "croco.chat": False,
        "croco.one_line": True,
        "croco.udhr_articles": 1,
        # a random model writes in no language, and its tokens are bytes
        "croco.resamples": 100,
        "croco.answer_languages": "any",
        "croco.reward_max_length": 512,
        "croco.tuning": ["dpo_multilingual"],
        "croco.on_policy": [],
        "preference.max_new_tokens": 4,
        "preference.checkpoints": 1,
        "preference.max_length": 1024,
        "croco.open_languages": [],
    }
    outcome = run_study(load_recipe(name, quick=True, overrides=small), tmp_path / "study", workers=2, quiet=True)
    assert not outcome.failures and outcome.report.is_file(), outcome.failures
    assert "chrf_vs_base" in set(read_parquet(outcome.folder / "results.parquet").metric)


TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}[assistant]"
    " {% endif %}"
)
ENGLISH = ["Name a fruit.", "Name a river.", "Name a colour.", "Name an animal."]


@pytest.mark.slow
def test_a_chat_model_own_prompts_and_models_from_outside(tmp_path):
    """What the paper's recipes ask for beside vLLM: a chat template, English prompts that are translated, a reward
    model with its own template, and a judge that is not the reward model.
    """
    import pandas as pd, torch
    from transformers import LlamaConfig, LlamaForSequenceClassification
    from xicl_study.models.embedded import smoke_model

    model, tokenizer = smoke_model()
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    for name, made in (
        ("policy", model),
        ("reward", LlamaForSequenceClassification(LlamaConfig(**{**model.config.to_dict(), "num_labels": 1}))),
    ):
        made.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    pd.DataFrame(
        [{"prompt_id": f"q{number}", "text": text, "split": "train"} for number, text in enumerate(ENGLISH)]
    ).to_csv(tmp_path / "english.csv", index=False)
    pd.DataFrame(
        [
            {"id": f"q{number}", "language": code, "prompt": f"{text} ({code})", "split": "train", "kind": "own"}
            for number, text in enumerate(ENGLISH)
            for code in ("de", "sw")
        ]
    ).to_csv(tmp_path / "translated.csv", index=False)
    overrides = {
        "policy": str(tmp_path / "policy"),
        **{
            f"croco.{name}": value
            for name, value in {
                "chat": True,
                "one_line": False,
                "prompts": str(tmp_path / "english.csv"),
                "prompt_columns": {"id": "prompt_id", "prompt": "text"},
                "prompts_in": "en",
                "kinds": [],
                "question_kinds": [],
                "translation": str(tmp_path / "translated.csv"),
                "validation_prompts": 0,
                "reward_model": str(tmp_path / "reward"),
                "reward_template": "chat",
                "judge": "policy",
                "judge_model": str(tmp_path / "policy"),
                "tuning": ["dpo_multilingual", "max_r"],
                "on_policy": ["dpo_budget", "grpo", "online_dpo"],
                "ablation": [],
            }.items()
        },
    }
    outcome = run("croco-smoke", overrides=overrides, output=tmp_path / "study")
    assert not outcome.failures, outcome.failures
    pool, results = (
        read_parquet(outcome.folder / "runs/croco_candidates/sw/0/pool.parquet"),
        read_parquet(outcome.folder / "results.parquet"),
    )
    assert (
        set(pool.prompt_id) == {f"q{number}" for number in range(4)}
        and pool.reward.notna().all()
        and not (outcome.folder / "reward_models").exists()
    ), "the reward model comes from outside"
    assert {"win_rate", "chrf_vs_base"} <= set(results[results.experiment == "croco_tuning"].metric), (
        "the shipped prompts test what was learned on others"
    )
    assert set(read_parquet(outcome.folder / "runs/croco_tuning/all/0/judged.parquet").judge) == {
        str(tmp_path / "policy")
    }
    said = read_json(outcome.folder / "runs/croco_reward/all/0/findings.json")
    assert any("give prompts with references" in sentence for sentence in said), (
        "own prompts without references cannot be verified, and that is said"
    )


@pytest.mark.parametrize(
    "change, part",
    [
        ({"croco.kk": 4}, "Did you mean k"),
        ({"croco.k": 1}, "croco.k must be 2 or more"),
        ({"languages": ["de", "ka"]}, "language of the shipped test prompts 'ka'"),
        ({"croco.tuning": ["dpo"]}, "Unknown system 'dpo'"),
        ({"experiment": "crocos"}, "Did you mean croco"),
        ({"preference.beat": 1}, "Did you mean beta"),
        ({"croco.prompts": "absent.csv"}, "no file absent.csv"),
        ({"croco.reward_template": "char"}, "Did you mean chat"),
        ({"policy": "gemma"}, "gemma3-270m"),
        ({"croco.judge": "gpt"}, "http(s) address"),
        ({"preference.chat": True}, "follows croco.chat"),
    ],
)
def test_bad_recipes_are_refused_before_anything_starts(croco, change, part):
    with pytest.raises(StudyError) as caught:
        run(croco, overrides=change)
    assert part in str(caught.value) and "\n" not in str(caught.value) and not Path("outputs").exists()


OWN = [
    {"id": "q0", "language": "de", "prompt": "Nenne eine Frucht."},
    {"id": "q0", "language": "sw", "prompt": "Taja tunda."},
]


@pytest.mark.parametrize(
    "key, rows, more, part",
    [
        (
            "prompts",
            OWN,
            {},
            (
                "of the kinds concept-name, country-name, language-name. Its train prompts have the languages de, sw"
                " and the kinds own"
            ),
        ),
        ("prompts", OWN[:1], {"kinds": []}, "has no train prompts in sw"),
        ("prompts", [*OWN, OWN[0]], {"kinds": []}, "the id 'q0' stands twice in de"),
        ("prompts", [{**OWN[0], "id": ""}], {"kinds": []}, "the id is empty"),
        ("prompts", [{"language": "de", "prompt": "Was?"}], {"kinds": []}, "lacks the column(s) id"),
        (
            "open_prompts",
            [{**OWN[0], "language": "it"}],
            {},
            "has no questions in the evaluated languages (de, sw, hi); it has it",
        ),
        ("open_prompts", [{"language": "de", "prompt": "Was?"}], {}, "lacks the column(s) id"),
        ("translation", OWN[:1], {"prompts": "own.csv", "kinds": []}, "There are no training prompts in sw"),
    ],
)
def test_own_files_are_read_before_anything_is_trained(tmp_path, monkeypatch, key, rows, more, part):
    import pandas as pd
    from xicl_study.croco.prompts import prepare_croco

    monkeypatch.chdir(tmp_path)
    for name, table in (("own.csv", [{"id": "q0", "language": "en", "prompt": "Name a fruit."}]), ("given.csv", rows)):
        pd.DataFrame(table).assign(split="train", kind="own").to_csv(name, index=False)
    overrides = {
        f"croco.{name}": value
        for name, value in {"validation_prompts": 0, "question_kinds": [], key: "given.csv", **more}.items()
    }
    with pytest.raises(StudyError) as caught:
        prepare_croco(Context(load_recipe("croco-smoke", overrides=overrides), tmp_path))
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_file_of_prompts_is_not_taken_for_an_empty_one(monkeypatch):
    from xicl_study.croco import prompts as croco_data
    from xicl_study.errors import DataError

    whole = croco_data.load_instructions

    def damaged(languages, split, kinds=None, *rest, **more):
        if kinds == ["same-language", "which-language"]:
            raise DataError("same_language.parquet is damaged")
        return whole(languages, split, kinds, *rest, **more)

    monkeypatch.setattr(croco_data, "load_instructions", damaged)
    with pytest.raises(DataError, match="is damaged"):
        croco_data.evaluation_prompts(load_recipe("croco-smoke"))


def test_dry_run_lists_the_stages(croco):
    done = subprocess.run(
        [sys.executable, "-m", "xicl_study.cli", "run", "--recipe", str(croco), "--dry-run"],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert (
        done.returncode == 0
        and "croco_tune dpo_multilingual, seed 0: not done yet" in done.stdout
        and "croco_pairs, seed 0" in done.stdout
    ), done.stderr
    assert not Path("outputs").exists() and json.dumps(done.stderr).count("Traceback") == 0
