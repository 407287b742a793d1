"""The house stands: what `make house` counts, and what must hold."""

import re, subprocess, sys
import pytest
from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests"))
from house import CELL, README_BYTES, ROOMS, House, body_lines, code_cells, room_of  # noqa: E402


@pytest.fixture(scope="module")
def house():
    return House(REPOSITORY)


def test_every_module_is_in_a_room_and_no_import_goes_up(house):
    assert {room_of(module) for module in house.modules} <= set(ROOMS)
    assert house.upward_edges() == [] and house.circles() == []


def test_notebooks_are_numbered_as_their_modules_are_named(house):
    numbers = []
    for path in house.notebooks:
        inside = path.relative_to(REPOSITORY / "nbs")
        if inside.parts[0] in ("tutorials", "data") or path.name == "index.ipynb":
            continue
        assert re.fullmatch(r"\d\d_[a-z][a-z0-9_]*\.ipynb", path.name), f"{inside} has no number of two digits"
        numbers.append((path.parent, path.name[:2]))
        exported = [
            line.split()[-1] for cell in code_cells(path) for line in cell.splitlines() if "| default_exp" in line
        ]
        module = ".".join([*inside.parts[:-1], path.stem[3:]])
        assert exported == ([] if inside.parts[0] == "experiments" else [module]), f"{inside} exports another module"
    assert len(numbers) == len(set(numbers)), "two notebooks of a room have one number"


def test_every_import_of_the_package_leads_somewhere(house):
    rooms = {room_of(module) for module in house.modules}
    lost = {
        f"{module}: {base}.{name}"
        for module, base, name in house.imports
        if base not in house.modules and not (base == "" and (name in rooms or name == "__version__"))
    }
    assert lost == set()


def test_names_are_public_and_stand_once(house):
    assert house.private_imports() == [] and house.doubled_names() == []


def test_cells_and_functions_fit_a_screen(house):
    assert house.long_cells() == [] and house.long_bodies() == []
    lengths = [length for _, length in house.export_cells]
    assert sum(length <= CELL for length in lengths) >= 0.9 * len(lengths)


def test_nothing_is_cut_on_the_site_and_readme_is_read(house):
    assert house.wide_lines() == []
    assert len((REPOSITORY / "README.md").read_bytes()) <= README_BYTES


def test_readme_shows_every_room():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    folders = {name for name in ROOMS if (REPOSITORY / "xicl_study" / name).is_dir()}
    assert {name for name in folders if f"{name}/" not in text} == set()


def test_nothing_is_unused(house):
    pytest.importorskip("vulture", reason="vulture is not installed: pip install -c constraints.txt -e '.[dev]'")
    assert house.unused() == []


def test_the_house_is_printed_beside_an_earlier_one(tmp_path):
    (tmp_path / "xicl_study").mkdir()
    (tmp_path / "xicl_study" / "a.py").write_text("from .b import _hidden\ndef f():\n    return _hidden\n")
    (tmp_path / "xicl_study" / "b.py").write_text("from xicl_study.a import f\n_hidden = 1\ndef f(): pass\n")
    (tmp_path / "nbs").mkdir()
    cell = {"cell_type": "code", "source": ["#| export\n", *["value = 1\n"] * 61]}
    (tmp_path / "nbs" / "a.ipynb").write_text(f'{{"cells": [{str(cell).replace(chr(39), chr(34))}]}}')
    (tmp_path / "README.md").write_text("# a\n")
    earlier = House(tmp_path)
    assert earlier.circles() == ["a → b → a"] and earlier.private_imports() == ["a imports b._hidden"]
    assert earlier.doubled_names() == ["f: a, b"] and earlier.long_cells() == ["a.ipynb: 61 lines"]
    command = [sys.executable, str(REPOSITORY / "tests" / "house.py"), str(tmp_path), str(REPOSITORY)]
    printed = subprocess.run(command, capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    rows = dict(
        line.rsplit(None, 2)[::2] for line in printed.stdout.splitlines() if line.startswith(("circles", "edges"))
    )
    assert rows["circles"] == "0" if "circles" in rows else True
    gone = subprocess.run([*command[:2], "no-such-place"], capture_output=True, text=True)
    assert gone.returncode == 1 and "neither a folder nor a git revision" in gone.stderr


@pytest.mark.parametrize(
    "source,expected",
    [
        ('def f(\n    a,\n):\n    """Say."""\n    return a\n', (1, False)),
        ('def f():\n    """Say."""\n    # one piece: why\n    return 1\n', (2, True)),
        ("# why it is long\ndef f():\n    return 1\n", (1, True)),
        ("# %% ../nbs/a.ipynb\ndef f():\n    return 1\n", (1, False)),
    ],
)
def test_a_body_is_counted_without_signature_and_docstring(source, expected):
    import ast

    node = ast.parse(source).body[0]
    assert body_lines(node, source.splitlines()) == expected
