"""What the tests of whole studies share: how a study is run, and what of it is compared."""

import os, subprocess, sys
from xicl_study.recipe.recipe import load_recipe
from xicl_study.study.runner import run_study


def run(recipe, **options):
    overrides = options.pop("overrides", None)
    return run_study(load_recipe(recipe, overrides=overrides), workers=2, quiet=True, **options)


def times(folder):
    """Return the modification times of what the evaluations made."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("runs/**/*.*") if path.is_file()
    }


def steps(outcome):
    return [title for title, _ in outcome.planned]


def xicl(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "xicl_study.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
