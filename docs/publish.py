"""Copy the small parts of a finished study to outputs/published/: what README, docs/results and the site show."""

import re, shutil, sys, tempfile
from pathlib import Path
from urllib.parse import unquote
from xicl_study.recipe.recipe import load_recipe

REPOSITORY = Path(__file__).resolve().parent.parent
KEPT = (
    "recipe.yaml",
    "environment.json",
    "failures.json",
    "results.parquet",
    "comparisons.parquet",
    "report.html",
    "from_predictions.json",
    "figures/*",
    "training/*/*/log.parquet",
    "training/*/*/training.json",
    "training/*/notebook.ipynb",
    "human/report/**/*",
    "runs/*/*/*/metrics.json",
    "runs/*/*/*/findings.json",
    "runs/*/*/*/results.parquet",
    "runs/*/*/*/notebook.ipynb",
    "runs/*/*/*/sheets/*",
    "runs/*/*/*/*/log.parquet",
    "runs/*/*/*/*/training.json",
)
LEFT_OUT = ("key.csv",)  # who wrote what on a rating sheet
WRITTEN = ("findings.md", "measured.yaml")  # by hand, beside the published run


def wanted(
    study: Path,  # a finished study's folder
) -> list[Path]:
    """Return the files to publish.

    Of notebooks that repeat (a training each, a language each, a seed each) an experiment keeps the first; the main
    result keeps one of every language.
    """
    found = sorted(
        {path for pattern in KEPT for path in study.glob(pattern) if path.is_file() and path.name not in LEFT_OUT}
    )
    # runs/<experiment>/<language>/<seed>
    depth = 3 if load_recipe(study / "recipe.yaml").experiment == "main_result" else 2
    seen, chosen = set(), []
    for path in found:
        stage = path.relative_to(study).parts[:depth]
        if path.name == "notebook.ipynb" and stage in seen:
            continue
        if path.name == "notebook.ipynb":
            seen.add(stage)
        chosen.append(path)
    return chosen


def without_dead_links(
    text: str,  # a report
    folder: Path,  # where it lies
) -> str:
    """Return a report in which a link to a file that is not published is plain text."""

    def change(match):
        return match[0] if (folder / unquote(match[1])).is_file() else match[2]

    return re.sub(r'<a href="([^"#:]+)">([^<]*)</a>', change, text)


def publish(
    study: Path,  # a finished study's folder
    target: Path,  # outputs/published/<study>; what is there is replaced, save for what was written by hand
) -> int:
    """Copy what is published and return its size in bytes. Raises `SystemExit` when the study is not finished."""
    if not (study / "report.html").is_file():
        raise SystemExit(f"{study} has no report. Finish the study first: xicl run --recipe {study.name}")
    written = {name: (target / name).read_text(encoding="utf-8") for name in WRITTEN if (target / name).is_file()}
    shutil.rmtree(target, ignore_errors=True)
    for path in wanted(study):
        goal = target / path.relative_to(study)
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, goal)
    for name, text in written.items():
        (target / name).write_text(text, encoding="utf-8")
    report = target / "report.html"
    report.write_text(without_dead_links(report.read_text(encoding="utf-8"), target), encoding="utf-8")
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def redraw(
    target: Path,  # outputs/published/<study>
) -> int:
    """Draw the figures and the report of a published study again from its stored tables; return its size in bytes."""
    from xicl_study.study.steps import run_step

    with tempfile.TemporaryDirectory() as scratch:
        study = Path(scratch) / target.parent.name / target.name  # the page names the folder that it lies in
        shutil.copytree(target, study)
        for step in ("figures", "report"):
            run_step(step, folder=study)
        return publish(study, target)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--redraw"]:
        published = REPOSITORY / "outputs" / "published"
        every = sorted(path.parent.name for path in published.glob("*/results.parquet"))
        for name in sys.argv[2:] or every:
            print(f"outputs/published/{name}: {redraw(published / name) / 1e6:.1f} MB", flush=True)
        sys.exit()
    name = sys.argv[1]
    size = publish(REPOSITORY / "outputs" / name, REPOSITORY / "outputs" / "published" / name)
    print(f"outputs/published/{name}: {size / 1e6:.1f} MB")
    print("Read findings.md there, measure again for measured.yaml, then: make results")
