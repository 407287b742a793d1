"""Build and try a release, from a copy of what git knows: `make release`. Nothing is uploaded."""

import email, os, re, shutil, subprocess, sys, tarfile, tempfile, zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:(a|b|rc)\d+)?")

SMOKE = """
import importlib, pathlib, pkgutil, sys
import xicl_study
place = pathlib.Path(xicl_study.__file__).parent
assert place.is_relative_to(sys.prefix), f"{place} is not the installed package"
assert (place/"py.typed").is_file(), "the package is not marked as typed"
assert "torch" not in sys.modules, "importing the package loads torch"
for module in pkgutil.walk_packages(xicl_study.__path__, "xicl_study."): importlib.import_module(module.name)
from xicl_study.tasks.languages import language
from xicl_study.models.policy import Policy
from xicl_study.inference.scoring import score_choices
assert language("sw").endonym == "Kiswahili"
assert score_choices(Policy.load("smoke"), ["samaki →"], [[" food", " animals"]]).shape == (1, 2)
print(xicl_study.__version__)
"""


def run(
    *command,  # program and arguments
    folder=None,  # where it runs
    **variables,  # of the environment, on top of this one's
) -> str:
    """Run a command and return what it printed. Raises `SystemExit` with its last lines when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **variables},
    )
    if done.returncode:
        raise SystemExit(
            f"{' '.join(str(part) for part in command)[:200]} failed:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout


def metadata_problems(
    text: str,  # METADATA of a wheel, or PKG-INFO
    version: str,  # that it should have
) -> list[str]:
    """Return what an index would refuse or a reader would miss in a package's metadata."""
    found = email.message_from_string(text)
    problems = [
        f"{name} is missing"
        for name in ("Name", "Version", "Summary", "License-Expression", "Requires-Python", "Description-Content-Type")
        if not found[name]
    ]
    if found["Version"] != version:
        problems.append(f"the version is {found['Version']}, and the package says {version}")
    if not SEMANTIC.fullmatch(found["Version"] or ""):
        problems.append(f"{found['Version']} is no semantic version")
    if len(found.get_payload().strip()) < 500:
        problems.append("the description is empty or short")
    if found["Description-Content-Type"] and not found["Description-Content-Type"].startswith("text/markdown"):
        problems.append("the description is not marked as Markdown")
    if any("@ file:" in line or "git+" in line for line in found.get_all("Requires-Dist", [])):
        problems.append("a requirement is no release of an index")
    return problems


def version_problems() -> list[str]:
    """Return where the version is named differently: package, settings.ini, CHANGELOG."""
    said = re.search(
        r'__version__ = "([^"]+)"', (REPOSITORY / "xicl_study" / "__init__.py").read_text(encoding="utf-8")
    )[1]
    settings = re.search(r"^version = (\S+)", (REPOSITORY / "settings.ini").read_text(encoding="utf-8"), re.MULTILINE)[
        1
    ]
    problems = [] if said == settings else [f"the package says {said}, settings.ini {settings}: run nbdev_export"]
    if not re.search(
        rf"^## {re.escape(said)}\b", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    ):
        problems.append(f"CHANGELOG.md has no section {said}")
    return problems


def build(
    folder: Path,  # gets the archives
) -> tuple[Path, Path]:
    """Build the source archive from what git knows, and the wheel from it, as an index's users would."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in run("git", "ls-files", "-z", folder=REPOSITORY).split("\0"):
        if not name or name.startswith("outputs/") or not (REPOSITORY / name).is_file():
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, source / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source)
    return next((folder / "dist").glob("*.tar.gz")), next((folder / "dist").glob("*.whl"))


def archive_problems(
    sdist: Path,  # the source archive
    wheel: Path,  # the wheel
    version: str,  # that both should have
) -> list[str]:
    """Return what is wrong in the two archives."""
    inside, packed = zipfile.ZipFile(wheel).namelist(), tarfile.open(sdist).getnames()
    problems = metadata_problems(
        zipfile.ZipFile(wheel).read(next(name for name in inside if name.endswith(".dist-info/METADATA"))).decode(),
        version,
    )
    problems += [
        f"the wheel lacks {name}"
        for name in (
            "xicl_study/py.typed",
            "xicl_study/data/manifest.json",
            "xicl_study/recipes/smoke.yaml",
            "xicl_study/workflow/Snakefile",
            "xicl_study/closed_loop/losses.py",
            "xicl_study/notebooks/closed_loop/02_main_result.ipynb",
        )
        if name not in inside
    ]
    problems += [f"the wheel carries {name}" for name in inside if name.startswith(("docs/", "tests/", "outputs/"))]
    problems += [
        f"the source archive lacks {name}"
        for name in (
            "settings.ini",
            "nbs/index.ipynb",
            "tests/checks.sh",
            "docs/build.py",
            "docs/pages/use_the_library.md",
            "docs/results/overview.png",
            "LICENSE",
            "CHANGELOG.md",
        )
        if not any(each.partition("/")[2] == name for each in packed)
    ]
    return problems


def try_wheel(
    wheel: Path,  # the wheel
    folder: Path,  # an empty folder
) -> str:
    """Install the wheel in a new environment that borrows this one's dependencies, use it in an empty folder, and
    return its version.
    """
    run(sys.executable, "-m", "venv", folder / "environment")
    python = folder / "environment" / "bin" / "python"
    borrowed = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip())
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
    # behind the wheel: what it installs comes first
    (site / "zz_borrowed.pth").write_text(str(borrowed) + "\n", encoding="utf-8")
    empty = folder / "empty"
    empty.mkdir()
    said = run(python, "-c", SMOKE, folder=empty, PYTHONPATH="").strip().splitlines()[-1]
    run(python, "-m", "xicl_study.cli", "run", "--recipe", "smoke", "--dry-run", folder=empty, PYTHONPATH="")
    if left := list(empty.iterdir()):
        raise SystemExit(f"using the package left files behind: {left}")
    return said


def main(
    target: Path = REPOSITORY / "dist",  # gets the archives; what was there goes
):
    """Check, build, try; print where the archives are."""
    if problems := version_problems():
        raise SystemExit("\n".join(problems))
    version = re.search(r'"([^"]+)"', (REPOSITORY / "xicl_study" / "__init__.py").read_text(encoding="utf-8"))[1]
    with tempfile.TemporaryDirectory() as scratch:
        sdist, wheel = build(Path(scratch))
        if problems := archive_problems(sdist, wheel, version):
            raise SystemExit("\n".join(problems))
        said = try_wheel(wheel, Path(scratch))
        if said != version:
            raise SystemExit(f"the installed package says {said}, not {version}")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for path in (sdist, wheel):
            shutil.copy(path, target)
            print(f"{target.name}/{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"xicl-study {version} is built and tried; nothing was uploaded.")


if __name__ == "__main__":
    main()
