"""What the page for users of the installed package promises: its code, as it stands, in an empty folder."""

import re, subprocess, sys
import pytest
from conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "pages" / "use_the_library.md"


def blocks():
    """Titles and code of the page's examples."""
    return re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return tmp_path_factory.mktemp("empty")


EXPECTED = {
    "Score choices": "поезд →",
    "Generate demonstrations": "food-drink",
    "Build preference pairs from a data frame": "'all_equal': 1",
    "Run a study": "report: outputs/mine/report.html",
    "Read ratings": "closed_loop",
}


@pytest.mark.parametrize("title, code", blocks(), ids=lambda value: value if "\n" not in value else "")
def test_examples_run_from_the_installed_wheel_in_an_empty_folder(title, code, installed, empty):
    where = subprocess.run(
        [sys.executable, "-c", "import xicl_study; print(xicl_study.__file__)"],
        capture_output=True,
        text=True,
        cwd=empty,
        env=installed,
    ).stdout
    assert where.startswith(installed["PYTHONPATH"]), "the installed package is the one that runs"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=empty,
        env=installed,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert EXPECTED[title] in done.stdout, done.stdout


def test_the_page_has_the_five_examples():
    assert [title for title, _ in blocks()] == list(EXPECTED)
