"""What README and the guides promise: their code, as it stands, in an empty folder, and commands that there are."""

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


def test_the_lines_of_readme_run_from_the_installed_wheel(installed, empty):
    (code,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    command = [sys.executable, "-X", "utf8", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=empty, env=installed)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(code.strip().splitlines()) <= 6 and done.stdout.count("-") >= 4, done.stdout


def commands():
    """Every command line `xicl …` of README and the guides."""
    texts = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "pages").glob("*.md"))]
    found = [line for path in texts for line in re.findall(r"xicl [^`#\n]+", path.read_text(encoding="utf-8"))]
    return [line.split("  ")[0].rstrip(" .,;)") for line in found if "…" not in line]


def test_every_command_of_the_guides_exists_with_its_options():
    helps, wrong = {}, []
    for line in commands():
        words = [word for word in line.split()[1:]]
        name = tuple(words[:2] if words[0] == "ratings" else words[:1])
        if name[0].startswith("-"):
            continue
        if name not in helps:
            command = [sys.executable, "-m", "xicl_study.cli", *name, "--help"]
            helps[name] = subprocess.run(command, capture_output=True, text=True)
        if helps[name].returncode or any(word not in helps[name].stdout for word in words if word.startswith("--")):
            wrong.append(line)
    assert wrong == [] and len(helps) >= 6
