"""Run the tutorials with their own models and keep them with their outputs, for the site: `make tutorials`."""

import argparse, base64, os, subprocess, sys, time
from pathlib import Path
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from xicl_study.report.style import in_256_colours

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))
from outputs import FOLDER  # noqa: E402

TUTORIALS = REPOSITORY / "nbs" / "tutorials"
KEPT = REPOSITORY / "outputs" / "published" / "tutorials"


def without_traces(
    notebook: nbformat.NotebookNode,  # an executed notebook
) -> nbformat.NotebookNode:
    """Return a notebook without times, warnings, folders of the machine, and what only a running kernel needs."""
    notebook.metadata = {"kernelspec": notebook.metadata.get("kernelspec", {})}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if not (output.output_type == "stream" and output.name == "stderr")
            ]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = FOLDER.sub("…", output.text)
    return notebook


def in_few_colours(
    notebook: nbformat.NotebookNode,  # an executed notebook
) -> nbformat.NotebookNode:
    """Return a notebook whose pictures have 256 colours, as a study's figures have."""
    for output in (
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ):
        output.data["image/png"] = (
            base64.b64encode(in_256_colours(base64.b64decode(output.data["image/png"]))).decode() + "\n"
        )
    return notebook


def run_tutorial(
    path: Path,  # of a tutorial
    folder: Path,  # gets it with its outputs
    policy: str,  # a model's name; empty for the tutorial's own
) -> float:
    """Run a tutorial, keep it, and return the seconds it took. Raises `SystemExit` with the cell's error."""
    notebook, started = nbformat.read(path, as_version=4), time.perf_counter()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "XICL_TUTORIAL_POLICY")
    } | {"XICL_WIDGETS": "off"}
    if policy:
        environment["XICL_TUTORIAL_POLICY"] = policy
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute(env=environment, stderr=subprocess.DEVNULL)  # the kernel warns of its own
    except CellExecutionError as error:
        raise SystemExit(f"{path.name} could not be run: {error.ename}: {error.evalue}") from None
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f".{path.name}"
    nbformat.write(in_few_colours(without_traces(notebook)), made)
    made.replace(folder / path.name)
    return time.perf_counter() - started


def is_current(
    path: Path,  # of a tutorial
    kept: Path,  # the one with outputs
) -> bool:
    """Tell whether a kept tutorial has the cells of the present one."""
    if not kept.is_file():
        return False
    return [cell.source for cell in nbformat.read(path, as_version=4).cells] == [
        cell.source for cell in nbformat.read(kept, as_version=4).cells
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tutorials", nargs="*", help="numbers or names (default: those that were changed)")
    parser.add_argument("--folder", type=Path, default=KEPT, help="where they are kept")
    parser.add_argument("--policy", default="", help="another model than the tutorial's own")
    given = parser.parse_args()
    found = sorted(TUTORIALS.glob("*.ipynb"))
    named = [path for path in found if path.stem in given.tutorials or path.stem.split("_")[0] in given.tutorials]
    wanted = named if given.tutorials else [path for path in found if not is_current(path, given.folder / path.name)]
    if given.tutorials and not wanted:
        sys.exit(
            f"There is no tutorial {', '.join(given.tutorials)}. Known are {', '.join(path.stem for path in found)}."
        )
    for path in wanted:
        print(f"{path.stem}: {run_tutorial(path, given.folder, given.policy):.0f} s", flush=True)
    print(f"{len(wanted)} run, {len(found) - len(wanted)} left as they are.")
