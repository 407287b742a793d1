"""A module of version 0.1.0 that somebody still imports: one line says where it is now."""

import ast, importlib, subprocess, sys
import pytest
from conftest import REPOSITORY
from xicl_study.moved import GONE, MODULES, moved_line, NAMES

# Modules of 0.1.0, without `cli` and `tutoring`, which are where they were.
OLD = """
    adapters agreement answer_language calibration candidates croco_data croco_figures croco_results
    croco_settings croco_systems diagnostics embedding_quality engines evaluation experiment_figures
    experiment_report experiments figures fonts gallery generators human_eval instructions judging languages
    losses methods models objective pages panels preference_rows preference_trainers preferences prompts
    raters rating_report rating_tables ratings report report_parts reward reward_models runner scoring
    selectors settings stages steps storage study tasks trainers translation typology variants
""".split()
ROOMS = {path.name for path in (REPOSITORY / "xicl_study").iterdir() if (path / "__init__.py").is_file()}


def defined_in(module):
    """Names of a module, and of what its classes have."""
    path = REPOSITORY / "xicl_study" / f"{module.replace('.', '/')}.py"
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
        found |= {part.id for part in parts if isinstance(part, ast.Name)} | {getattr(node, "name", "")}
    return found


def error_of(statement):
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


def test_every_old_module_has_a_new_place():
    assert set(MODULES) == set(OLD) and {old for old, _ in NAMES} <= set(OLD)
    known = {module: defined_in(module) for module in {*MODULES.values(), *(new for new, _ in NAMES.values())} - {GONE}}
    gone = [f"{new}.{name}" for new, name in NAMES.values() if new != GONE and set(name.split(".")) - known[new]]
    assert gone == [], "xicl_study.moved names a place where nothing is: mend its table"


@pytest.mark.parametrize("old", [old for old in OLD if old not in ROOMS])
def test_an_old_module_is_answered_by_its_new_place(old):
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(f"xicl_study.{old}")
    line = str(caught.value)
    assert line.startswith(f"xicl_study.{old} has moved: it is xicl_study.{MODULES[old]} now") and "\n" not in line
    assert f"xicl_study.{old}" not in sys.modules, "nothing stays under the old name"


@pytest.mark.parametrize(
    "statement, place",
    [
        ("from xicl_study.scoring import score_choices", "score_choices is in xicl_study.inference.scoring"),
        (
            "from xicl_study.scoring import pack_rows, score_choices",
            "pack_rows is in xicl_study.inference.rows; score_",
        ),
        ("from xicl_study.storage import StudyError, read_json", "StudyError is in xicl_study.errors; read_json is in"),
        ("from xicl_study.evaluation import holm", "holm is in xicl_study.evaluation.statistics"),
        ("from xicl_study.tasks import Task", "Task is in xicl_study.tasks.task"),
        ("from xicl_study.models import Policy", "Policy is in xicl_study.models.policy"),
        ("from xicl_study.study import load_recipe", "load_recipe is in xicl_study.recipe.recipe"),
        ("from xicl_study.report import write_report", "write_report is in xicl_study.report.main_page"),
        ("from xicl_study.judging import Question", "Question (now JudgedPair) is in xicl_study.evaluation.judges"),
        ("from xicl_study import croco_data", "it is xicl_study.croco.pipeline now; other parts are in"),
        ("import xicl_study.preferences as p", "it is xicl_study.croco.pairs now"),
    ],
)
def test_names_of_a_split_module_lead_to_their_places(statement, place):
    line = error_of(statement)
    assert place in line and line.startswith("ModuleNotFoundError: xicl_study."), line


def test_other_mistakes_are_said_as_ever():
    assert moved_line("scorign") == moved_line("croco.pears") == ""
    assert error_of("import xicl_study.scorign") == "ModuleNotFoundError: No module named 'xicl_study.scorign'"
    assert "cannot import name 'build_pears'" in error_of("from xicl_study.croco.pairs import build_pears")


def test_a_notebook_of_ones_own_is_told_too(toy, tmp_path):
    from xicl_study.errors import DataError
    from xicl_study.recipe.recipe import load_recipe
    from xicl_study.study.runner import run_study

    text = (tmp_path / "main.ipynb").read_text(encoding="utf-8")
    (tmp_path / "main.ipynb").write_text(text.replace("xicl_study.errors", "xicl_study.storage"), encoding="utf-8")
    with pytest.raises(DataError, match="main.ipynb imports .* ModelError is in xicl_study.errors.$") as caught:
        run_study(load_recipe(toy), quiet=True)
    assert "\n" not in str(caught.value)
