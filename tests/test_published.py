"""The README quotes exactly what the published runs hold."""
import re
from pathlib import Path
import pytest
from conftest import REPOSITORY
from xicl_study.experiment_report import study_markdown
from xicl_study.study import load_recipe

STUDIES = sorted(path.parent for path in (REPOSITORY/"outputs"/"published").glob("*/results.parquet"))

def test_something_is_published(): assert STUDIES

@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_readme_quotes_the_stored_tables(folder:Path):
    readme, printed = (REPOSITORY/"README.md").read_text(encoding="utf-8"), study_markdown(folder).splitlines()
    if load_recipe(folder/"recipe.yaml").experiment == "main_result":
        for line in printed:
            if line.startswith("|") and not line.startswith("|---"): assert line in readme, f"README lacks or changes: {line}"
        return
    parts = [part for part in re.split(r"^#+ ", readme, flags=re.MULTILINE) if f"xicl report outputs/published/{folder.name} --table" in part]  # the tables are long; README quotes some of them
    assert len(parts) <= 1, "one section quotes a study"
    for line in parts[0].splitlines() if parts else ():
        if line.startswith("|") and not line.startswith("|---"): assert line in printed, f"README changes: {line}"

@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_published_runs_are_small_and_say_what_made_them(folder:Path):
    main = load_recipe(folder/"recipe.yaml").experiment == "main_result"
    for name in ("recipe.yaml", "environment.json", "report.html", *(["comparisons.parquet"] if main else [])): assert (folder/name).is_file(), name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5_000_000
