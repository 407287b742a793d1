"""README and docs/results say exactly what the published runs hold."""

import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote
import pytest
from conftest import MACHINE_ROOTS, REPOSITORY
from xicl_study.report.experiment_page import study_markdown
from xicl_study.recipe.recipe import load_recipe

sys.path.insert(0, str(REPOSITORY / "docs"))

STUDIES = sorted(path.parent for path in (REPOSITORY / "outputs" / "published").glob("*/results.parquet"))


def test_something_is_published():
    assert STUDIES


def test_results_say_what_the_tables_hold():
    """Every page, every number of README, and the picture."""
    import results

    assert results.changes() == [], "run make results"
    assert {path.stem for path in results.RESULTS.glob("*.md")} - {"README"} == {study.name for study in STUDIES}


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_a_page_says_the_answer_first_and_quotes_the_printed_tables(folder: Path):
    page = (REPOSITORY / "docs" / "results" / f"{folder.name}.md").read_text(encoding="utf-8")
    before = page.split("## What was asked")[0]
    assert re.search(r"^# .+\?$", before, re.MULTILINE) and before.count("![") == 1
    answer = re.search(r"^\*\*(.+)\*\*$", before, re.MULTILINE)[1]
    assert len(re.findall(r"[.:;] ", answer)) <= 3 and len(answer) < 500, "an answer is one or two sentences"
    printed = set(study_markdown(folder).splitlines())
    quoted = [line for line in page.splitlines() if line.startswith("|") and not line.startswith("|---")]
    assert [line for line in quoted if line not in printed] == []
    assert f"xicl report outputs/published/{folder.name} --table" in page


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_published_runs_are_small_and_say_what_made_them(folder: Path):
    main = load_recipe(folder / "recipe.yaml").experiment == "main_result"
    for name in ("recipe.yaml", "environment.json", "report.html", *(["comparisons.parquet"] if main else [])):
        assert (folder / name).is_file(), name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5_000_000


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_a_published_report_links_only_to_what_is_published(folder: Path):
    links = re.findall(r'<a href="([^"#:]+)"', (folder / "report.html").read_text(encoding="utf-8"))
    assert links and all((folder / unquote(link)).is_file() for link in links)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_no_folder_of_a_machine_and_no_bars_are_published(folder: Path):
    for path in (
        path for kind in ("ipynb", "html", "json", "csv", "yaml", "txt") for path in folder.rglob(f"*.{kind}")
    ):
        text = path.read_text(encoding="utf-8")
        for root in (*MACHINE_ROOTS, "/tmp/"):
            assert root not in text, f"{path.relative_to(folder)} names {root}"
        assert "application/vnd.jupyter.widget-state+json" not in text, (
            f"{path.relative_to(folder)} holds states of progress bars"
        )


def test_publishing_leaves_out_keys_repeated_notebooks_and_dead_links(tmp_path):
    from publish import publish

    study = tmp_path / "study"

    def put(name, text=""):
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(text, encoding="utf-8")

    put(
        "recipe.yaml",
        (REPOSITORY / "outputs" / "published" / "croco-laptop" / "recipe.yaml").read_text(encoding="utf-8"),
    )
    put(
        "report.html",
        '<a href="runs/croco_tune/a/0/notebook.ipynb">one</a> <a href="runs/croco_tune/b/0/notebook.ipynb">two</a> <a'
        ' href="#main">main</a>',
    )
    for name in ("runs/croco_tune/a/0/notebook.ipynb", "runs/croco_tune/b/0/notebook.ipynb"):
        put(name, "{}")
    for name in (
        "runs/croco_tune/b/0/all/adapter/adapter_model.safetensors",
        "runs/croco_tuning/all/0/sheets/key.csv",
        "runs/croco_tuning/all/0/sheets/sheet.csv",
    ):
        put(name, "x")
    (tmp_path / "published").mkdir()
    for name in ("findings.md", "old.html"):
        (tmp_path / "published" / name).write_text("by hand", encoding="utf-8")
    publish(study, tmp_path / "published")
    found = {
        path.relative_to(tmp_path / "published").as_posix()
        for path in (tmp_path / "published").rglob("*")
        if path.is_file()
    }
    assert (tmp_path / "published" / "findings.md").read_text(encoding="utf-8") == "by hand"
    assert found == {
        "findings.md",
        "recipe.yaml",
        "report.html",
        "runs/croco_tune/a/0/notebook.ipynb",
        "runs/croco_tuning/all/0/sheets/sheet.csv",
    }
    assert (tmp_path / "published" / "report.html").read_text(
        encoding="utf-8"
    ) == '<a href="runs/croco_tune/a/0/notebook.ipynb">one</a> two <a href="#main">main</a>'
    with pytest.raises(SystemExit, match="Finish the study first"):
        publish(tmp_path / "absent", tmp_path / "published")


def test_a_published_study_is_drawn_again_with_all_that_it_had(tmp_path):
    from publish import redraw

    target = shutil.copytree(
        REPOSITORY / "outputs" / "published" / "convergence", tmp_path / "published" / "convergence"
    )
    before = {path.relative_to(target): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    redraw(target)
    after = {path.relative_to(target): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    changed = {path.as_posix() for path in {*before, *after} if before.get(path) != after.get(path)}
    assert set(before) == set(after) and changed <= {"report.html"}, "figures are the same to the byte"
    page = after[target.relative_to(target) / "report.html"].decode()
    assert str(tmp_path) not in page and "outputs/published/convergence/recipe.yaml" in page


def test_of_the_main_result_one_notebook_of_each_language_is_published(tmp_path):
    from publish import wanted

    study = tmp_path / "study"
    notebooks = [f"runs/main_result/{code}/{seed}/notebook.ipynb" for code in ("de", "sw") for seed in (0, 1)] + [
        "training/0/notebook.ipynb"
    ]
    for name in ("recipe.yaml", *notebooks):
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(
            (
                (REPOSITORY / "outputs" / "published" / "laptop-full" / "recipe.yaml").read_text(encoding="utf-8")
                if name == "recipe.yaml"
                else "{}"
            ),
            encoding="utf-8",
        )
    found = {path.relative_to(study).as_posix() for path in wanted(study)}
    assert found == {
        "recipe.yaml",
        "training/0/notebook.ipynb",
        "runs/main_result/de/0/notebook.ipynb",
        "runs/main_result/sw/0/notebook.ipynb",
    }
