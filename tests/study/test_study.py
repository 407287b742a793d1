"""A study as a whole: what fails, what is kept, what is done again. No model is needed, so each run takes seconds."""

from pathlib import Path
import pytest, yaml
from xicl_study.study.notebooks import execute_notebook
from xicl_study.errors import RecipeError, StudyError, UnknownNameError
from xicl_study.recipe.recipe import load_recipe
from toy_studies import run, xicl


@pytest.mark.parametrize(
    "change, part",
    [
        ({"languages": ["de", "klingon"]}, "Unknown language 'klingon'"),
        ({"task": "emoji-topics"}, "Did you mean emoji-topic"),
        ({"policy": "gemma3-27m"}, "Did you mean gemma3-270m"),
        ({"methods": ["bm52"]}, "Did you mean bm25"),
        ({"k": "four"}, "k must be a whole number"),
        ({"langauges": ["de"]}, "Did you mean languages"),
        ({"encoder": "gemma3-270m"}, "is no encoder"),
        ({"label_words": "german"}, "Known: english, native"),
        ({"training.stepz": 3}, "Did you mean steps"),
        ({"training.steps": "many"}, "training.steps must be int"),
        ({"notebooks.train": "absent.ipynb"}, "there is no notebook"),
    ],
)
def test_bad_recipes_are_refused_before_anything_starts(toy, change, part):
    with pytest.raises(StudyError, match=part) as caught:
        run(toy, overrides=change)
    assert "\n" not in str(caught.value) and not Path("outputs").exists()


def test_parameters_that_the_notebook_does_not_know(toy):
    from conftest import MAIN, write_notebook

    write_notebook(Path("main.ipynb"), [MAIN[0].replace("k: int", "n_shots: int"), *MAIN[1:]])
    with pytest.raises(RecipeError, match="main.ipynb: unknown parameter 'k'"):
        run(toy)
    write_notebook(Path("main.ipynb"), [MAIN[0].replace("seed: int = 0", 'seed: str = "0"'), *MAIN[1:]])
    with pytest.raises(RecipeError, match="seed must be str, not 0"):
        run(toy)
    assert not Path("outputs").exists()


def test_dry_run_touches_nothing(toy):
    said = xicl("run", "--recipe", str(toy), "--dry-run")
    assert (
        said.returncode == 0
        and "9 steps would run" in said.stdout
        and "evaluate Swahili (sw), seed 0: not done yet" in said.stdout
    ), said
    assert not Path("outputs").exists()


def test_a_notebook_moves_to_its_place_only_when_whole(toy):
    from conftest import write_notebook

    write_notebook(
        Path("bad.ipynb"),
        ["n: int = 1", "import sys\nfrom xicl_study.errors import DataError\nraise DataError('The file is empty.')"],
    )
    with pytest.raises(StudyError, match="^The file is empty.$"):
        execute_notebook("bad.ipynb", "place/bad.ipynb", {"n": 2}, "logs/bad.ipynb")
    assert Path("logs/bad.ipynb").is_file() and not Path("place/bad.ipynb").exists()


def test_recipes_are_typed_and_extend(toy):
    with pytest.raises(UnknownNameError, match="Did you mean smoke"):
        load_recipe("smok")
    Path("a.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(RecipeError, match="extends itself"):
        load_recipe("a.yaml")
    Path("no.yaml").write_text(yaml.safe_dump({"extends": "smoke"}) + "languages: [no, de]\n")
    with pytest.raises(RecipeError, match="Quote it"):
        load_recipe("no.yaml")


@pytest.mark.slow
def test_smoke_recipe_end_to_end(tmp_path):
    said = xicl("run", "--recipe", "smoke", "--output", str(tmp_path / "smoke"))
    assert said.returncode == 0, said.stderr
    for name in ("report.html", "results.parquet", "training/0/notebook.ipynb", "runs/main_result/sw/0/notebook.ipynb"):
        assert (tmp_path / "smoke" / name).is_file(), name
