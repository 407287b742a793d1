"""What is done again when code or a recipe changes, and what is left alone: found in the code, not in a list."""

import shutil
import pytest
from conftest import REPOSITORY
from xicl_study import source_code
from xicl_study.errors import DataError
from xicl_study.recipe.recipe import load_recipe
from xicl_study.study import plan as planning, recipe_keys
from xicl_study.study.experiments import STAGES, STEPS
from xicl_study.study.notebooks import shipped_notebook
from xicl_study.study.plan import plan_study
from xicl_study.study.recipe_keys import notebook_keys


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, whose code a test may change; plans are made from it."""
    ignored = shutil.ignore_patterns("__pycache__", "recipes")
    shutil.copytree(REPOSITORY / "xicl_study", tmp_path / "xicl_study", ignore=ignored)
    copy = source_code.Package("xicl_study", tmp_path / "xicl_study")
    for module in (source_code, recipe_keys):
        monkeypatch.setattr(module, "own_package", lambda: copy)
    recipe_keys._own_code.cache_clear()
    yield copy
    recipe_keys._own_code.cache_clear()


def names(recipe, **changes):
    """Name of each step of a study -> name of what it is made from."""
    plan = plan_study(load_recipe(recipe, overrides=changes))
    runs = {run.name: plan.changed(run.stage.name, run.subject, run.seed) for run in plan.runs}
    return runs | {step: plan.changed(step) for step in STEPS}


def outdated(before, after):
    return {name.split("-")[0] for name in before if after[name] != before[name]}


def edit(package, module, old, new):
    path = package.file(module)
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{module} does not hold {old!r} any more: edit something else here"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_each_method_leaves_the_others_steps_done(package):
    closed_loop, croco = names("smoke"), names("croco-smoke")
    path = package.file("closed_loop.losses")
    path.write_text(path.read_text(encoding="utf-8") + "\nWEIGHT_OF_A_NEW_LOSS = 0.5\n", encoding="utf-8")
    assert names("croco-smoke") == croco, "a loss of the closed loop is nothing to the preference pipeline"
    after = names("smoke")
    assert {"train", "evaluate"} <= outdated(closed_loop, after) and after["prepare"] == closed_loop["prepare"]

    path = package.file("croco.pairs")
    path.write_text(path.read_text(encoding="utf-8") + "\nA_NEW_RULE = 0.5\n", encoding="utf-8")
    assert names("smoke") == after, "pairs are nothing to the closed loop"
    assert {"croco_pairs", "croco_tune", "croco_answers", "croco_tuning"} <= outdated(croco, names("croco-smoke"))


def test_a_file_that_is_touched_or_commented_leaves_all_done(package):
    before = {recipe: names(recipe) for recipe in ("smoke", "croco-smoke")}
    for module in ("closed_loop.losses", "croco.pairs", "evaluation.statistics", "report.style"):
        path = package.file(module)
        text = path.read_text(encoding="utf-8")
        path.touch()
        path.write_text("# a comment\n\n\n" + text.replace("\n\n\n", "\n\n\n\n"), encoding="utf-8")
    assert {recipe: names(recipe) for recipe in before} == before


def test_a_figure_that_is_edited_asks_for_no_training(package):
    before = names("smoke")
    path = package.file("report.page")
    path.write_text(path.read_text(encoding="utf-8") + "\nA_NEW_COLOUR = 'red'\n", encoding="utf-8")
    changed = outdated(before, names("smoke"))
    assert "report" in changed and not {"prepare", "train", "gather"} & changed


def test_an_import_that_leads_nowhere_stops_who_depends_on_it(package):
    edit(package, "croco.rows", "import", "from .pears import build_pears\nimport")
    with pytest.raises(DataError, match="xicl_study.croco.rows imports xicl_study.croco.pears.build_pears") as caught:
        names("croco-smoke")
    assert "\n" not in str(caught.value)
    names("smoke")


def test_a_changed_rule_reaches_what_follows_from_it():
    before = names("croco-smoke")
    changed = outdated(before, names("croco-smoke", **{"croco.rule": "minimum"}))
    assert {
        "croco_tune",
        "croco_answers",
        "croco_tuning",
        "croco_on_policy",
        "croco_ablation",
        "croco_pairs",
    } <= changed
    assert not {"croco_reward_model", "croco_candidates", "croco_reward"} & changed


# What version 0.1.0 kept in lists by hand. `trained_languages` and `seed_languages` are answers of the recipe that were
# worked out from `train_languages`, `languages` and `writing_seeds`; of `evaluation`, an evaluation reads one key.
WRITING = "croco.engine croco.vocabulary croco.temperature croco.top_p croco.max_tokens croco.one_line"
BY_HAND = {
    "train": "task policy encoder k label_words vocabulary seed_languages dtype training trained_languages",
    "evaluate": "task policy encoder k label_words vocabulary seed_languages dtype training trained_languages methods"
    " test_items split evaluation.calibration_items sheets.items",
    "croco_reward_model": "policy dtype languages trained_languages croco.chat croco.question_kinds croco.reward_model"
    " croco.reward_base croco.reward_template croco.reward_prompts croco.reward_kinds croco.reward_preferences"
    f" croco.reward_answers croco.reward_max_length croco.reward_epochs croco.reward_learning_rate {WRITING}",
    "croco_candidates": "policy dtype languages trained_languages croco.chat croco.prompts croco.prompt_columns"
    " croco.prompts_in croco.kinds croco.question_kinds croco.translation croco.translation_engine croco.train_prompts"
    f" croco.max_prompt_length croco.k croco.other_policy {WRITING}",
    "croco_tune": "policy dtype trained_languages preference croco.chat croco.one_line croco.max_tokens croco.rule"
    " croco.prompt_language croco.pooled_rewards croco.answer_languages croco.validation_prompts croco.online_tokens",
    "croco_answers": "policy dtype croco.chat croco.one_line croco.kinds croco.question_kinds croco.held_out_kinds"
    " croco.prompts croco.test_prompts croco.held_out_prompts croco.open_prompts croco.open_languages croco.open_limit"
    " croco.open_answers croco.open_tokens croco.max_tokens croco.temperature croco.top_p croco.udhr_articles",
}


@pytest.mark.parametrize("stage", BY_HAND)
def test_what_was_listed_by_hand_is_found(stage):
    assert set(BY_HAND[stage].split()) - set(notebook_keys(shipped_notebook(STAGES[stage]))) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_loses_sight_of_the_recipe(stage):
    """Code that hands a whole recipe, or a whole group, to something unknown would have everything done again."""
    keys = set(notebook_keys(shipped_notebook(STAGES[stage])))
    unread = {
        "train": "languages seeds training_seeds methods test_items",
        "evaluate": "languages seeds training_seeds",
        "croco_reward_model": "croco.rule croco.k croco.prompts croco.train_prompts systems preference",
        "croco_candidates": "croco.rule croco.test_prompts croco.ablation croco.tuning systems preference",
        "croco_tune": "systems experiment croco.ablation croco.tuning croco.test_prompts croco.resamples",
    }
    assert keys and not {"*", "croco", "evaluation", *unread.get(stage, "").split()} & keys


def test_the_steps_around_the_runs_read_what_they_should():
    keys = planning.plan_study(load_recipe("croco-smoke")).keys
    assert "*" in keys["report"], "the report prints the recipe"
    assert {"name", "evaluation.resamples"} <= set(keys["gather"]) and "*" not in keys["gather"]
    assert {"policy", "croco.prompts", "croco.test_prompts"} <= set(keys["prepare"])
    assert not {"croco.rule", "croco.k", "preference"} & set(keys["prepare"])
