"""Placeholders: each is filled from the stored tables, and what the tables do not hold is an error."""

import json, sys
import pandas as pd
import pytest
from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "docs"))
from findings import Filler, FindingsError  # noqa: E402

ROWS = [  # experiment, language, method, metric, value, low, high, n
    ("main", "all", "closed_loop", "accuracy", 0.642, 0.6, 0.68, 400),
    ("main", "sw", "closed_loop", "accuracy", 0.4, 0.34, 0.47, 200),
    ("main", "de", "closed_loop", "accuracy", 0.72, 0.66, 0.78, 200),
    ("main", "all", "k = 0.5, dense", "seconds", 2.0, None, None, 400),
    ("main", "all", "k = 8, dense", "seconds", 28.0, None, None, 400),
    ("other", "all", "closed_loop", "accuracy", 0.642, None, None, 400),
    ("other", "all", "base", "chrf", 3.0, 2.0, 4.0, 40),
    ("main", "all", "base", "chrf", 5.0, 4.0, 6.0, 40),
    ("main", "all", "max_r", "chrf", -0.004, -0.2, 0.1, 40),
]


@pytest.fixture
def filler(tmp_path):
    """Two published studies."""
    for name in ("study", "second"):
        folder = tmp_path / name
        folder.mkdir()
        columns = ["experiment", "language", "method", "metric", "value", "low", "high", "n"]
        results = pd.DataFrame(ROWS, columns=columns).assign(study=name, k=4, seed="0")
        if name == "second":
            results["value"] += 0.1
        results.to_parquet(folder / "results.parquet")
        (folder / "recipe.yaml").write_text(
            "name: study\nlanguages: [de, sw]\ntraining: {steps: 352}\n", encoding="utf-8"
        )
        (folder / "environment.json").write_text(json.dumps({"commit": "847da9db682b47"}), encoding="utf-8")
    rows = [("all", 0.076, 0.04, 0.11, 0.001), ("sw", 0.0, -0.08, 0.08, 1.0), ("de", 0.15, 0.08, 0.22, 0.003)]
    compared = pd.DataFrame(rows, columns=["language", "difference", "low", "high", "p_holm"])
    compared = compared.assign(method="closed_loop", baseline="dense", metric="accuracy", p=0.1, n=200)
    compared.to_parquet(tmp_path / "study" / "comparisons.parquet")
    return Filler(tmp_path)


@pytest.mark.parametrize(
    "text,filled",
    [
        ("{closed_loop.accuracy}", "0.64"),
        ("{closed_loop.accuracy as percent} %", "64 %"),
        ("{closed_loop.accuracy.sw as percent.1} of {closed_loop.accuracy.sw.n}", "40.0 of 200"),
        ("{closed_loop.accuracy.interval as percent}", "60 to 68"),
        ("{closed_loop.minus.dense.accuracy as points.1}", "+7.6"),
        ("{closed_loop.minus.dense.accuracy.sw.low as points}", "−8"),
        ("{closed_loop.minus.dense.accuracy.de.p_holm as number.3}", "0.003"),
        ('{"k = 0.5, dense".seconds as number.1}', "2.0"),
        ('{ratio of "k = 8, dense".seconds to "k = 0.5, dense".seconds} times', "14 times"),
        ("{difference of closed_loop.accuracy.high to closed_loop.accuracy as percent}", "4"),
        ('{lowest of "k*".seconds} to {highest of "k*".seconds}', "2 to 28"),
        ("{highest of closed_loop.accuracy.* as percent}", "72"),
        ("{count above 0 of closed_loop.minus.dense.accuracy as word}", "one"),
        ("{count below 0 of closed_loop.minus.dense.accuracy as Word}", "None"),
        ("{languages above 0 of closed_loop.minus.dense.accuracy}", "German"),
        ("{languages around 0 of closed_loop.minus.dense.accuracy}", "Swahili"),
        ("{languages below 0.9 of closed_loop.accuracy}", "Swahili and German"),
        ("{number of closed_loop.accuracy} and {number of recipe.languages as word}", "2 and two"),
        ("{other/base.chrf as signed.1}", "+3.0"),
        ("{max_r.chrf as signed.2}", "0.00"),
        ("{max_r.chrf.interval as number.0}", "−0 to 0"),
        ("{recipe.training.steps} steps", "352 steps"),
        ('{file "recipe.yaml".training.steps}', "352"),
        ("{second: closed_loop.accuracy as percent}", "74"),
        ("No.{holds closed_loop.minus.dense.accuracy.low > 0}", "No."),
        ("No. {holds closed_loop.accuracy < second: closed_loop.accuracy}\n", "No.\n"),
        (
            "in 2024, 95 % of bf16, `k-8` and [a](b/3.md), μ − 2σ",
            "in 2024, 95 % of bf16, `k-8` and [a](b/3.md), μ − 2σ",
        ),
        ("```python\nprint({1: 2})\n```", "```python\nprint({1: 2})\n```"),
    ],
)
def test_a_placeholder_is_filled(filler, text, filled):
    assert filler.fill(text, "study") == filled


@pytest.mark.parametrize(
    "text,message",
    [
        ("{closed_lop.accuracy}", "no method with accuracy 'closed_lop'. Near are: closed_loop"),
        ("{closed_loop.acuracy}", "no metric 'acuracy'. Near are: accuracy"),
        ("{closed_loop.accuracy.fr}", "no language 'fr'"),
        ("{closed_loop.minus.bm25.accuracy}", "no method with accuracy 'closed_loop minus bm25'"),
        ("{closed_loop}", "is no method.metric"),
        ("{base.chrf}", "put the experiment before it: other/base or main/base"),
        ("{main/base.accuracy}", "no method with accuracy 'base'"),
        ("{third: closed_loop.accuracy}", "no study 'third'"),
        ("{second: closed_loop.minus.dense.accuracy}", "has no comparisons.parquet"),
        ("{recipe.training.stepps}", "no value 'stepps'. Near are: steps"),
        ("{measured.minutes}", "has no measured.yaml"),
        ("{closed_loop.accuracy as procent}", "'procent' is no form"),
        ('{"k = 8, dense".seconds.low}', "holds no number there"),
        ("{holds closed_loop.accuracy > 0.7}", "it is not so (0.642 and 0.7); write the text anew"),
        ("{}", "is no path"),
        ("It is 64 % now.", "the number 64 in “It is 64 % now.” is no placeholder"),
        ("{closed_loop.accuracy} of 3,000 items", "the number 3,000"),
    ],
)
def test_what_the_tables_do_not_hold_is_an_error(filler, text, message):
    with pytest.raises(FindingsError) as error:
        filler.fill(text, "study", "findings.md")
    assert message in str(error.value) and str(error.value).startswith("findings.md: ")


def test_a_text_without_a_study_says_so(filler):
    with pytest.raises(FindingsError, match="names no study"):
        filler.fill("{closed_loop.accuracy}")


def test_a_rerun_changes_the_text_and_refuses_what_is_no_longer_so(filler):
    text = "{closed_loop.accuracy as percent} %{holds closed_loop.accuracy > 0.5}"
    assert filler.fill(text, "study") == "64 %"
    path = filler.published / "study" / "results.parquet"
    results = pd.read_parquet(path)
    results.loc[results.metric == "accuracy", "value"] -= 0.3
    results.to_parquet(path)
    assert Filler(filler.published).fill("{closed_loop.accuracy as percent} %", "study") == "34 %"
    with pytest.raises(FindingsError, match="it is not so"):
        Filler(filler.published).fill(text, "study")


def test_what_was_measured_by_hand_belongs_to_one_run(filler):
    path = filler.published / "study" / "measured.yaml"
    path.write_text("commit: 847da9db682b\nminutes: 99\n", encoding="utf-8")
    assert filler.fill("{measured.minutes} minutes", "study") == "99 minutes"
    path.write_text("commit: '0000000'\nminutes: 99\n", encoding="utf-8")
    with pytest.raises(FindingsError, match="written for the commit 0000000, and the study was made at 847da9db682b"):
        filler.fill("{measured.minutes} minutes", "study")


def test_a_findings_file_has_its_parts(tmp_path):
    from results import read_findings

    parts = "---\nfigure: a.png\ntables: []\n---\n\n# Why?\n\nSo.\n\n## What was asked\n\na\n\n## What was found\n\nb\n"
    (tmp_path / "findings.md").write_text(parts + "\n## How sure, and what would not be seen\n\nc\n", encoding="utf-8")
    found = read_findings(tmp_path)
    assert (found.question, found.answer, found.figure, found.tables) == ("Why?", "So.", "a.png", ())
    (tmp_path / "findings.md").write_text(parts, encoding="utf-8")
    with pytest.raises(FindingsError, match="What was asked, What was found, How sure"):
        read_findings(tmp_path)
    with pytest.raises(FindingsError, match="has no findings.md"):
        read_findings(tmp_path / "absent")
