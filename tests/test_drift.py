"""Notebooks keep small texts and nothing else, and two branches that touch one notebook come together."""

import json, os, subprocess, sys
import nbformat.v4 as v4
import pytest
from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests"))
import drift  # noqa: E402
from outputs import LARGEST, is_library, output_problems, plain_text, refresh, with_outputs  # noqa: E402

SETTINGS = (REPOSITORY / "settings.ini").read_text(encoding="utf-8")


def notebook(*cells):
    """A clean notebook of (kind, source) cells with ids that do not change."""
    made = v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    )
    for number, (kind, source) in enumerate(cells):
        cell = v4.new_markdown_cell(source) if kind == "markdown" else v4.new_code_cell(source)
        made.cells.append({**cell, "id": f"cell{number:04}"})
    return json.loads(json.dumps(made))


def write(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(text, **data):
    return {"output_type": "execute_result", "execution_count": 3, "metadata": {}, "data": {"text/plain": text, **data}}


@pytest.mark.parametrize(
    "text,kept",
    [
        ("3 languages\n", "3 languages"),
        ("saved in /home/anna/study/outputs/x.parquet.", "saved in …"),
        (f"{REPOSITORY}/data/languages.json", "./data/languages.json"),
        ("<Policy object at 0x7f3a2b1c9d10>", "<Policy object>"),
        ("took 3.25 s, then 12 ms and 2 minutes", "took … s, then … ms and … minutes"),
        ("\x1b[31mwrong\x1b[0m", "wrong"),
        ("a\r 10%|█   | 1/10\rdone", "done"),
        (" 50%|█████     | 5/10 [00:01<00:01, 4.9it/s]", ""),
        ("α = 0.3, 2 samples, k-8s", "α = 0.3, 2 samples, k-8s"),
    ],
)
def test_a_text_is_kept_without_the_machine(text, kept):
    assert plain_text(text) == kept
    made = with_outputs(notebook(("code", "x")), [[stream(text)]])
    assert output_problems(made) == []


def test_only_small_texts_are_kept():
    cells = [("code", "a"), ("markdown", "b"), ("code", "c")]
    picture = shown("<Figure size 640x480>", **{"image/png": "AAAA"})
    table = shown("  n\na 1", **{"text/html": "<table></table>"})
    made = with_outputs(notebook(*cells), [[picture, stream("warn", "stderr"), table], [], [shown("None")]])
    assert [cell.get("outputs") for cell in made["cells"]] == [
        [{"output_type": "stream", "name": "stdout", "text": ["  n\n", "a 1\n"]}],
        None,
        [],
    ]
    long = with_outputs(notebook(*[("code", "a")] * 6), [[stream("wörter " * 900 + "\n")] for _ in range(6)])
    assert 0 < len(json.dumps(long["cells"][0]["outputs"])) and output_problems(long) == []


@pytest.mark.parametrize(
    "outputs,problem",
    [
        ([shown("x", **{"image/png": "AAAA"})], "image/png"),
        ([shown("x")], "an execution count"),
        ([stream("in /root/study")], "a folder of the machine"),
        ([stream("done in 3 s")], "a time"),
        ([stream("<object at 0x7f3a2b1c9d10>")], "an address"),
        ([stream("careful", "stderr")], "warnings"),
        ([{"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}], "an error"),
        ([stream("x" * (LARGEST + 1))], "bytes of outputs"),
    ],
)
def test_other_outputs_are_refused(outputs, problem):
    made = notebook(("code", "x"))
    made["cells"][0]["outputs"] = outputs
    assert any(problem in found for found in output_problems(made))


def test_a_notebook_is_run_and_keeps_its_cells(tmp_path):
    path, source = tmp_path / "01_a.ipynb", "import sys\nprint('samaki', 2)\nprint('slow', file=sys.stderr)\n[1, 2]"
    write(path, notebook(("markdown", "# a"), ("code", "#| slow\nraise ValueError"), ("code", source)))
    before = json.loads(path.read_text(encoding="utf-8"))
    assert refresh(path) > 0
    after = json.loads(path.read_text(encoding="utf-8"))
    assert [cell["source"] for cell in after["cells"]] == [cell["source"] for cell in before["cells"]]
    assert [output["text"] for output in after["cells"][2]["outputs"]] == [["samaki 2\n"], ["[1, 2]\n"]]
    assert after["cells"][1]["outputs"] == [] and output_problems(after) == []
    write(path, notebook(("code", "1 / 0")))
    with pytest.raises(SystemExit, match="01_a.ipynb could not be run: ZeroDivisionError"):
        refresh(path)


def test_outputs_are_those_of_the_library_alone():
    library = {
        path.relative_to(REPOSITORY / "nbs").as_posix()
        for path in (REPOSITORY / "nbs").rglob("*.ipynb")
        if is_library(path)
    }
    assert "01_errors.ipynb" in library and "closed_loop/02_losses.ipynb" in library
    assert not [name for name in library if name.startswith(("tutorials", "experiments", "data", "index"))]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small nbdev project in a git repository that merges as `make merge-driver` says."""
    folder = tmp_path / "project"
    (folder / "xicl_study").mkdir(parents=True)
    (folder / "xicl_study" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "settings.ini").write_text(SETTINGS, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (folder / ".gitattributes").write_text(
        (REPOSITORY / ".gitattributes").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*command, ok=True):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert not ok or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    run("git", "init", "-q", "-b", "main")
    for name, value in (("user.name", "a"), ("user.email", "a@example.org")):
        run("git", "config", name, value)
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8").split("merge-driver:\n")[1].split("\n\n")[0]
    for line in makefile.splitlines():
        run("sh", "-c", line.strip())
    cells = [("markdown", "# a"), ("code", "#| default_exp a"), ("code", "#| export\ndef one():\n    return 1")]
    write(folder / "nbs" / "01_a.ipynb", notebook(*cells, ("code", "#| export\ndef two():\n    return 2")))
    return folder, run


def edit(project, branch, old, new):
    """Change the notebook's source on a branch of its own, export it, and commit both."""
    folder, run = project
    run("git", "checkout", "-q", "-b", branch, "main")
    path = folder / "nbs" / "01_a.ipynb"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    export(project)
    run("git", "commit", "-qam", branch)


def export(project):
    folder, run = project
    run(sys.executable, "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()")
    run("git", "add", "-A")


def begin(project):
    export(project)
    project[1]("git", "commit", "-qm", "begin")


def test_two_branches_that_edit_other_cells_of_a_notebook_merge(project):
    folder, run = project
    begin(project)
    edit(project, "first", "return 1", "return 10")
    edit(project, "second", "return 2", "return 20")
    assert run("git", "merge", "--no-edit", "first").returncode == 0
    export(project)
    module = (folder / "xicl_study" / "a.py").read_text(encoding="utf-8")
    assert "return 10" in module and "return 20" in module and drift.marker_drift(folder) == []


def test_two_branches_that_edit_the_same_cell_leave_both_to_choose_from(project):
    folder, run = project
    begin(project)
    edit(project, "first", "return 1", "return 10")
    edit(project, "second", "return 1", "return 11")
    merged = run("git", "merge", "--no-edit", "first", ok=False)
    assert merged.returncode != 0
    path = folder / "nbs" / "01_a.ipynb"
    made = json.loads(path.read_text(encoding="utf-8"))  # both versions stand in cells: it opens in JupyterLab
    sources = ["".join(cell["source"]) for cell in made["cells"]]
    assert sum("return 10" in source for source in sources) == sum("return 11" in source for source in sources) == 1
    assert drift.marker_drift(folder) == ["nbs/01_a.ipynb holds markers of a merge: choose, then run nbdev_export"]
    marks = ("<" * 7, "=" * 7, ">" * 7)
    chosen = [
        cell
        for cell, source in zip(made["cells"], sources)
        if "return 10" not in source and not source.strip("`").startswith(marks)
    ]
    write(path, {**made, "cells": chosen})
    export(project)
    run("git", "commit", "-qm", "merged")
    module = (folder / "xicl_study" / "a.py").read_text(encoding="utf-8")
    assert "return 11" in module and "return 10" not in module and drift.marker_drift(folder) == []


def test_a_link_to_a_notebook_that_was_renumbered_is_found(tmp_path):
    text = "[a](02_b.ipynb) [b](03_b.ipynb#x) [c](https://example.org) [d](#here) `[e](f.ipynb)` [g](sub)"
    write(tmp_path / "nbs" / "01_a.ipynb", notebook(("markdown", text), ("code", "x = [1](2)")))
    write(tmp_path / "nbs" / "03_b.ipynb", notebook(("markdown", "# b")))
    (tmp_path / "nbs" / "sub").mkdir()
    assert drift.link_drift(tmp_path) == ["nbs/01_a.ipynb links to 02_b.ipynb, which is not there"]


def test_a_marker_in_a_module_is_found(project):
    folder, _ = project
    begin(project)
    (folder / "xicl_study" / "a.py").write_text(
        f"{'<' * 7} HEAD\na = 1\n{'=' * 7}\na = 2\n{'>' * 7} b\n", encoding="utf-8"
    )
    assert drift.marker_drift(folder) == ["xicl_study/a.py holds markers of a merge: choose, then run nbdev_export"]
