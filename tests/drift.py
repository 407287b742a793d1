"""Do the notebooks, the exported modules and the README say the same? Prints each difference; exit code 1 when there is one."""

import filecmp, json, shutil, subprocess, sys, tempfile
from pathlib import Path
from readme import REPOSITORY, readme_text


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
    """Return the notebooks that are not clean: outputs, execution counts, or metadata."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of_repository(Path(scratch))
        run_nbdev("nbdev_clean", folder)
        found = []
        for path in sorted((folder / "nbs").rglob("*.ipynb")):
            name = path.relative_to(folder)
            if path.read_text(encoding="utf-8") != (REPOSITORY / name).read_text(encoding="utf-8"):
                found.append(f"{name} is not clean: run nbdev_clean")
            elif any(cell.get("outputs") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]):
                found.append(f"{name} holds outputs: clear them")
        return found


def readme_drift() -> list[str]:
    """Return a line when README.md is not what nbs/index.ipynb gives."""
    path = REPOSITORY / "README.md"
    same = path.is_file() and path.read_text(encoding="utf-8") == readme_text()
    return [] if same else ["README.md differs from nbs/index.ipynb: run make readme"]


if __name__ == "__main__":
    problems = [*export_drift(), *clean_drift(), *readme_drift()]
    print("\n".join(problems) or "no drift")
    sys.exit(bool(problems))
