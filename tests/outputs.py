"""Run library notebooks and keep their small text outputs, so that a code host shows what they print: `make outputs`.

    python tests/outputs.py                              all library notebooks
    python tests/outputs.py nbs/01_errors.ipynb          some

Kept are printed lines and tables as text. Pictures, HTML, widgets, warnings, addresses, times and folders of the
machine are not; tests/drift.py refuses them.
"""

import argparse, json, os, re, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = REPOSITORY / "nbs"
OTHERS = ("tutorials", "experiments", "data")  # the site shows the first with their pictures; a study runs the second
LARGEST = 20_000  # bytes of outputs in a notebook
LONGEST = 40  # lines of one output
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")
BAR = re.compile(r"^.*(?:\d+%\|.*|\d+(?:\.\d+)?(?:it|s)/(?:s|it)\b.*)$", re.MULTILINE)
TIME = re.compile(r"(?<![\w.-])\d[\d.,]*(?=\s?(?:ms|s|seconds?|minutes?|min)\b)")
# folders of a machine, down to the first character that no path has
FOLDER = re.compile(r"(?:/(?:home|root|work|Users|tmp|var|private)|[A-Z]:\\Users)(?:[/\\][\w.@+~-]+)+/?")
SKIPPED = re.compile(
    r"^#\|\s*(?:eval:\s*false|notest|slow)\b", re.MULTILINE | re.IGNORECASE
)  # as nbdev_test skips them


def is_library(
    path: Path,  # a notebook below nbs/
    folder: Path = NOTEBOOKS,  # nbs/, or a copy of it
) -> bool:
    """Tell whether a notebook is one of the library, whose outputs are kept."""
    inside = path.relative_to(folder)
    return inside.name != "index.ipynb" and inside.parts[0] not in OTHERS and ".ipynb_checkpoints" not in inside.parts


def plain_text(
    text: str,  # what a cell printed
) -> str:
    """Return what is kept of a text: no colours, bars, addresses, times or folders of the machine, and not too long."""
    text = COLOURS.sub("", text)
    text = "\n".join(line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n"))
    text = ADDRESS.sub("", BAR.sub("", text)).replace(str(REPOSITORY), ".")
    text = TIME.sub("…", FOLDER.sub("…", text))
    lines = re.sub(r"\n{3,}", "\n\n", text).strip("\n").split("\n")
    if len(lines) > LONGEST:
        lines = [*lines[:LONGEST], f"… {len(lines) - LONGEST} more lines"]
    return "\n".join(lines)


def joined(
    text: str | list[str],  # as notebooks hold it
) -> str:
    """Return a text in one piece."""
    return "".join(text) if isinstance(text, list) else text


def text_outputs(
    outputs: list[dict],  # of an executed cell
) -> list[dict]:
    """Return what is kept of a cell's outputs: one text for what was printed, one for each value that was shown."""
    kept = []
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            text, shown = joined(output["text"]), {"output_type": "stream", "name": "stdout"}
        elif output["output_type"] in ("execute_result", "display_data"):
            text, shown = joined(output["data"].get("text/plain", "")), {"output_type": "stream", "name": "stdout"}
            if re.fullmatch(r"(?:<.*>|None|\s*)", text, re.DOTALL) or any("widget" in kind for kind in output["data"]):
                continue  # a picture or a control
        else:
            continue
        if text := plain_text(text):
            kept.append({**shown, "text": (text + "\n").splitlines(keepends=True)})
    return kept


def size_of(
    cells: list[dict],  # of a notebook
) -> int:
    """Return the bytes of all outputs."""
    return sum(len(json.dumps(cell.get("outputs", []), ensure_ascii=False).encode()) for cell in cells)


def executed(
    path: Path,  # a notebook
) -> list[list[dict]]:
    """Run a notebook as nbdev_test does and return each cell's outputs. Raises `SystemExit` with the cell's error."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and SKIPPED.search(cell.source):
            cell.source = ""
    environment = {**os.environ, "IN_TEST": "1", "XICL_WIDGETS": "off", "COLUMNS": "100"}
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        store_widget_state=True,  # a widget that takes outputs writes them there; the file gets none of it
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute(env=environment, stderr=subprocess.DEVNULL)  # the kernel warns of its own
    except CellExecutionError as error:
        raise SystemExit(f"{path.name} could not be run: {error.ename}: {error.evalue}") from None
    return [cell.get("outputs", []) for cell in notebook.cells]


def with_outputs(
    notebook: dict,  # as it stands in its file
    outputs: list[list[dict]],  # of each cell
) -> dict:
    """Return a notebook with the text outputs of a run; the largest are cut where all of them are too large."""
    cells = [
        {**cell, "outputs": text_outputs(found), "execution_count": None} if cell["cell_type"] == "code" else cell
        for cell, found in zip(notebook["cells"], outputs)
    ]
    while size_of(cells) > LARGEST:
        largest = max((output for cell in cells for output in cell.get("outputs", [])), key=lambda one: len(str(one)))
        half = len(largest["text"]) // 2
        largest["text"] = [*largest["text"][:half], "… cut\n"] if half else ["… cut\n"]
    return {**notebook, "cells": cells}


def refresh(
    path: Path,  # a notebook
) -> int:
    """Run a notebook, keep its text outputs in its file, and return their bytes."""
    found = executed(path)
    notebook = with_outputs(json.loads(path.read_text(encoding="utf-8")), found)
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    made = path.with_name(f".{path.name}.part")
    made.write_text(text, encoding="utf-8")
    made.replace(path)
    return size_of(notebook["cells"])


def output_problems(
    notebook: dict,  # a library notebook
) -> list[str]:
    """Return what in a notebook's outputs is not to be kept."""
    problems = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            kinds = set(output.get("data", {})) - {"text/plain"}
            text = joined(output.get("text", output.get("data", {}).get("text/plain", "")))
            if output["output_type"] == "error":
                problems.append(f"an error: {output.get('ename')}")
            elif output.get("name") == "stderr":
                problems.append("warnings")
            elif kinds:
                problems.append(f"{', '.join(sorted(kinds))}")
            for what, pattern in (("an address", ADDRESS), ("a folder of the machine", FOLDER), ("a time", TIME)):
                if found := pattern.search(text):
                    problems.append(f"{what}: {found[0]}")
            if output.get("execution_count") is not None:
                problems.append("an execution count")
        if cell.get("execution_count") is not None:
            problems.append("an execution count")
    if (size := size_of(notebook["cells"])) > LARGEST:
        problems.append(f"{size:,} bytes of outputs, {LARGEST:,} at most")
    return list(dict.fromkeys(problems))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all library notebooks")
    parser.add_argument("--workers", type=int, default=2, help="notebooks side by side")
    given = parser.parse_args()
    wanted = given.notebooks or [path for path in sorted(NOTEBOOKS.rglob("*.ipynb")) if is_library(path)]
    if missing := [str(path) for path in wanted if not path.is_file()]:
        sys.exit(f"There is no notebook {', '.join(missing)}.")
    failed = 0
    with ThreadPoolExecutor(given.workers) as pool:
        for path, job in [(path, pool.submit(refresh, path)) for path in wanted]:
            try:
                print(f"{path}: {job.result() / 1000:.1f} KB", flush=True)
            except SystemExit as error:
                failed += 1
                print(error, file=sys.stderr)
    sys.exit(bool(failed))
