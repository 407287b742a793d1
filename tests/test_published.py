"""The README quotes exactly what the published runs hold."""
from pathlib import Path
import pytest
from conftest import REPOSITORY
from xicl_study.report import markdown_tables

STUDIES = sorted(path.parent for path in (REPOSITORY/"outputs"/"published").glob("*/results.parquet"))

def test_something_is_published(): assert STUDIES

@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_readme_quotes_the_stored_tables(folder:Path):
    readme = (REPOSITORY/"README.md").read_text(encoding="utf-8")
    for line in markdown_tables(folder).splitlines():
        if line.startswith("|") and not line.startswith("|---"): assert line in readme, f"README lacks or changes: {line}"

@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_published_runs_are_small_and_say_what_made_them(folder:Path):
    for name in ("recipe.yaml", "environment.json", "report.html", "comparisons.parquet"): assert (folder/name).is_file(), name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5_000_000
