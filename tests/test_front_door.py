"""The package's front door: what `import xicl_study` loads, what it offers, and the page that shows each name."""

import ast, os, re, subprocess, sys
import pytest
import xicl_study
from conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "pages" / "front_door.md"
INIT = REPOSITORY / "xicl_study" / "__init__.py"
HEAVY = ("torch", "transformers", "pandas", "numpy", "matplotlib", "yaml", "snakemake", "papermill")


def examples():
    """Name -> its lines on the page."""
    return dict(re.findall(r"^### `(\w+)`\n.*?```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE))


def said_by(program, folder=None):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8", cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_import_loads_nothing():
    listed = said_by("import sys, xicl_study; print(*sorted(name for name in sys.modules if '.' not in name))").split()
    assert not set(HEAVY) & set(listed)
    inside = said_by("import sys, xicl_study; print(*(name for name in sys.modules if name.startswith('xicl_study')))")
    assert inside.split() == ["xicl_study"]


def test_the_names_are_listed_and_found():
    assert 18 <= len(xicl_study.__all__) <= 24 and xicl_study.__all__ == sorted(xicl_study.__all__)
    assert set(xicl_study.__all__) <= set(dir(xicl_study))
    for name in xicl_study.__all__:
        assert getattr(xicl_study, name).__name__ == name
    assert xicl_study.Policy is xicl_study.Policy and "Policy" in vars(xicl_study), "asked for once"
    with pytest.raises(AttributeError, match="has no attribute 'Polcy'"):
        xicl_study.Polcy
    with pytest.raises(ImportError, match="cannot import name 'Polcy'"):
        from xicl_study import Polcy  # noqa: F401


def test_editors_and_type_checkers_see_the_same_names():
    tree = ast.parse(INIT.read_text(encoding="utf-8"))
    seen = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            seen |= {alias.name: node.module for alias in node.names if alias.name in xicl_study.__all__}
    assert seen == xicl_study._PLACES
    for name, module in seen.items():
        source = ast.parse((REPOSITORY / "xicl_study" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", "") for node in source.body}, f"{name} is not defined in {module}"


def test_the_page_shows_each_name_in_three_statements():
    found = examples()
    assert sorted(found) == xicl_study.__all__
    for name, code in found.items():
        assert len(ast.parse(code).body) <= 3 and len(code.split("\n\n")) <= 2, name
        assert f"xs.{name}" in code and max(map(len, code.splitlines())) <= 88, name


def test_the_examples_run(tmp_path):
    program = "\n".join(["import xicl_study as xs", *examples().values()])
    shown = said_by(program, tmp_path)
    assert "Kiswahili" in shown and "prepare" in shown and "Did you mean laptop" in shown
    assert not (tmp_path / "outputs").exists() and os.listdir(tmp_path) == ["candidates"]
