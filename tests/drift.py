"""Do notebooks, exported modules, README and results say the same? Prints each difference; exit code 1 for any."""

import filecmp, json, re, shutil, subprocess, sys, tempfile
from pathlib import Path
from urllib.parse import unquote
from outputs import is_library, output_problems
from readme import REPOSITORY, texts

CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
MARKER = re.compile(r"^\s*\"?`?(?:<{7}|>{7}) ", re.MULTILINE)


def copy_of_repository(
    folder: Path,  # an empty folder
) -> Path:
    """Copy what nbdev reads and writes, so that nothing in the work tree changes."""
    for name in ("nbs", "xicl_study", "settings.ini", "pyproject.toml", "README.md"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "outputs")
            )
        elif source.exists():
            shutil.copy(source, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def run_nbdev(
    command: str,  # nbdev_export or nbdev_clean
    folder: Path,  # a copy of the repository
):
    """Run one of nbdev's commands in a copy."""
    program = f"from nbdev.{'doclinks' if command == 'nbdev_export' else 'clean'} import {command}; {command}()"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, env=None)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr}")


def export_drift() -> list[str]:
    """Return the modules that differ from what the notebooks export."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of_repository(Path(scratch))
        for path in (folder / "xicl_study").rglob("*.py"):
            if path != folder / "xicl_study" / "__init__.py":
                path.unlink()  # so that a module whose notebook is gone is found too
        run_nbdev("nbdev_export", folder)
        names = {
            path.relative_to(root / "xicl_study").as_posix()
            for root in (folder, REPOSITORY)
            for path in (root / "xicl_study").rglob("*.py")
        }
        same = lambda name: (
            (folder / "xicl_study" / name).is_file()
            and (REPOSITORY / "xicl_study" / name).is_file()
            and filecmp.cmp(folder / "xicl_study" / name, REPOSITORY / "xicl_study" / name, shallow=False)
        )
        return [
            f"xicl_study/{name} differs from its notebook: run nbdev_export" for name in sorted(names) if not same(name)
        ]


def clean_drift() -> list[str]:
    """Return the notebooks that are not clean: counts, metadata, and outputs other than small texts of the library."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of_repository(Path(scratch))
        run_nbdev("nbdev_clean", folder)
        found = []
        for path in sorted((folder / "nbs").rglob("*.ipynb")):
            name = path.relative_to(folder)
            notebook = json.loads(path.read_text(encoding="utf-8"))
            if path.read_text(encoding="utf-8") != (REPOSITORY / name).read_text(encoding="utf-8"):
                found.append(f"{name} is not clean: run nbdev_clean")
            elif is_library(path, folder / "nbs"):
                found += [f"{name} holds {problem}: run make outputs" for problem in output_problems(notebook)]
            elif any(cell.get("outputs") for cell in notebook["cells"]):
                found.append(f"{name} holds outputs: clear them")
        return found


def marker_drift(
    folder: Path = REPOSITORY,  # a copy of the repository
) -> list[str]:
    """Return the files in which a merge has left its markers; nbdev's stand in a cell of their own."""
    found = []
    for pattern in ("nbs/**/*.ipynb", "xicl_study/**/*.py", "docs/**/*.md", "*.md"):
        for path in sorted(folder.glob(pattern)):
            if ".ipynb_checkpoints" not in path.parts and MARKER.search(path.read_text(encoding="utf-8")):
                found.append(f"{path.relative_to(folder)} holds markers of a merge: choose, then run nbdev_export")
    return found


def link_drift(
    folder: Path = REPOSITORY,  # a copy of the repository
) -> list[str]:
    """Return the links of notebooks and texts that lead to no file: a notebook that was renumbered, say."""
    found = []
    for pattern in ("nbs/**/*.ipynb", "docs/**/*.md", "outputs/published/*/findings.md", "data/README.md", "*.md"):
        for path in sorted(folder.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".ipynb":
                cells = json.loads(text)["cells"]
                text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
            for target in LINK.findall(CODE.sub("", text)):
                if not target.startswith("#") and ":" not in target and not (path.parent / unquote(target)).exists():
                    found.append(f"{path.relative_to(folder)} links to {target}, which is not there")
    return found


def readme_drift() -> list[str]:
    """Return the texts that are not what the notebooks give."""
    return [
        f"{path.relative_to(REPOSITORY)} differs from the notebooks: run make readme"
        for path, text in texts().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def results_drift() -> list[str]:
    """Return the pages of results that are not what the stored tables give."""
    from results import changes

    return changes()


if __name__ == "__main__":
    # a notebook with markers is no JSON, so the other checks could not read it
    problems = marker_drift() or [*export_drift(), *clean_drift(), *link_drift(), *readme_drift(), *results_drift()]
    print("\n".join(problems) or "no drift")
    sys.exit(bool(problems))
