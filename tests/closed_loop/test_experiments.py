"""The closed loop's experiments: recipes fit their notebooks, and a smoke study of one runs from the command line."""

import ast, json, subprocess, sys
import pytest
from conftest import REPOSITORY
from xicl_study.closed_loop.experiments import open_experiment
from xicl_study.evaluation.results import RESULT_COLUMNS
from xicl_study.study.experiments import EXPERIMENTS, STAGES
from xicl_study.study.notebooks import check_parameters, declared_parameters, notebook_parameters, notebook_path
from xicl_study.errors import RecipeError, UnknownNameError
from xicl_study.files import read_json, read_parquet
from xicl_study.recipe.recipe import load_recipe
from xicl_study.study.checks import check_recipe

NAMES = (
    "ablation",
    "reward_sweep",
    "consistency",
    "embedding_quality",
    "low_resource",
    "wide",
    "linguistic_knowledge",
    "scaling",
    "unseen_task",
    "convergence",
    "answerer",
)


def known_options(name):
    """The options that a notebook's call of open_experiment names."""
    cells = json.loads((REPOSITORY / "nbs" / "experiments" / STAGES[name].notebook).read_text(encoding="utf-8"))[
        "cells"
    ]
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] != "code" or "open_experiment(" not in text:
            continue
        calls = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open_experiment"
        ]
        return ast.literal_eval(calls[0].args[0]), ast.literal_eval(calls[0].args[4])
    raise AssertionError(f"{name} opens no experiment")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_fits_its_notebook(name):
    opened, options = known_options(name)
    assert opened == name and name in EXPERIMENTS
    notebook = REPOSITORY / "nbs" / "experiments" / STAGES[name].notebook
    types = declared_parameters(notebook)
    for quick in (False, True):
        recipe = load_recipe(name, quick=quick)
        check_recipe(recipe)
        assert recipe.experiment == name and set(recipe.options) <= set(options)
        for key, value in recipe.options.items():
            assert types[key].split("[")[0] == type(value).__name__, key
        check_parameters(notebook_path(recipe, STAGES[name]), notebook_parameters(recipe, STAGES[name], 0))
    for option in options:
        assert option in types, f"{option} has no value of its own for a run by hand"


def test_experiments_share_two_trainings():
    from xicl_study.closed_loop.variants import ablation, adapter_key

    def keys(*names):
        return {adapter_key(load_recipe(name), "closed_loop") for name in names}

    short, whole = (
        keys("reward_sweep", "embedding_quality", "scaling"),
        keys("laptop", "consistency", "linguistic_knowledge", "wide"),
    )
    assert len(short) == len(whole) == 1 and short != whole, (
        "those that only evaluate read the adapter of the main result"
    )
    assert {adapter_key(load_recipe("ablation").with_values(ablation("full")), "closed_loop")} == short
    both = [
        adapter_key(load_recipe(name).with_values(change), "closed_loop")
        for name, change in (("ablation", ablation("no_alignment")), ("reward_sweep", {"training.lambda_align": 0.0}))
    ]
    assert both[0] == both[1], "the ablation and the sweep train the same corner once"


def test_an_unknown_option_is_refused(tmp_path):
    recipe = tmp_path / "own.yaml"
    recipe.write_text("extends: ablation\noptions: {part: [full]}\n", encoding="utf-8")
    with pytest.raises(UnknownNameError, match="Did you mean parts"):
        open_experiment("ablation", recipe, tmp_path, 0, ["parts"])
    recipe.write_text("extends: ablation\noptions: {parts: full}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="must be of the type list"):
        open_experiment("ablation", recipe, tmp_path, 0, ["parts"]).option("parts", ["full"])


def check_run(folder, name):
    """What every experiment leaves in its folder."""
    results = read_parquet(folder / "results.parquet")
    assert list(results.columns) == list(RESULT_COLUMNS) and len(results) and set(results.experiment) == {name}
    known = results.dropna(subset=["low", "high"])
    assert (
        len(known)
        and (known.low <= known.value + 1e-6).all()
        and (known.value <= known.high + 1e-6).all()
        and (known.n > 0).all()
    )
    captions = read_json(folder / "figures" / "captions.json")
    assert captions["figures"] and all(
        each["title"] and len(each["alt"]) > 20 and (folder / "figures" / each["file"]).is_file()
        for each in captions["figures"]
    )
    assert read_json(folder / "metrics.json")["experiment"] == name and all(
        line.endswith(".") for line in read_json(folder / "findings.json")
    )


def run_smoke(name, folder):
    command = [
        sys.executable,
        "-m",
        "xicl_study.cli",
        "run",
        "--recipe",
        "smoke",
        "--set",
        f"experiment={name}",
        "--output",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    check_run(folder / "runs" / name / "all" / "0", name)
    assert (folder / "results.parquet").is_file() and (folder / "report.html").is_file()


def test_smoke_study_of_an_experiment(tmp_path):
    run_smoke("embedding_quality", tmp_path / "study")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "embedding_quality"])
def test_smoke_study_of_every_experiment(name, tmp_path):
    run_smoke(name, tmp_path / "study")
