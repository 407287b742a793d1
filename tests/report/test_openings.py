"""Reports say the answer first: at most five sentences from the tables and one figure, then what is folded."""

import re
import shutil
import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY
from demo_tables import CORE_METHODS, demo_predictions, write_demo_study
from xicl_study.files import read_parquet, write_json, write_parquet
from xicl_study.recipe.recipe import load_recipe
from xicl_study.report.experiment_page import write_experiment_report
from xicl_study.report.main_page import FROM_PREDICTIONS, write_report
from xicl_study.report.openings import QUESTIONS, study_opening
from xicl_study.study import plan
from xicl_study.study.experiments import EXPERIMENTS

PUBLISHED = sorted(path.parent for path in (REPOSITORY / "outputs" / "published").glob("*/results.parquet"))
COMPUTED = ("wide", "embedding_quality", "convergence", "croco_pairs")  # rows that no stored interval decides


def tables_of(folder):
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    comparisons = folder / "comparisons.parquet"
    stored = read_parquet(comparisons) if comparisons.is_file() else None
    return read_parquet(folder / "results.parquet"), recipe, stored


def opening_of(page):
    """The text of a page's opening, paragraph by paragraph, and where it ends."""
    end = page.index("</section>")
    found = page[page.index('<section class="opening"') : end]
    return [re.sub("<[^>]+>", "", each).strip() for each in re.findall(r"<p[ >].*?</p>", found, re.DOTALL)], end


def test_every_experiment_has_a_question():
    stages = {name for names in EXPERIMENTS.values() for name in names} - {"train", "evaluate"}
    assert stages | {"main_result"} == set(QUESTIONS)


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_studies_open_with_what_was_asked_and_found(folder):
    results, recipe, comparisons = tables_of(folder)
    for experiment in dict.fromkeys(results.experiment):
        opening = study_opening(results, recipe, comparisons, experiment)
        headings = [heading for heading, _ in opening.sentences]
        assert 4 <= len(headings) <= 5 and list(dict.fromkeys(headings)) == ["Asked", "Found", "How sure", "Not shown"]
        assert opening.sentences[0][1].endswith("?")
        assert all(sentence.endswith(".") and "nan" not in sentence for _, sentence in opening.sentences[1:])
        assert not re.search(r"_vs_|_rate|trained_|zero_shot|[{}]", str(opening)), "plain words only"
        assert len(opening.found.rows) or opening.found.sentences, "the rows of the table answer it"
        if opening.question.claims:
            row = opening.found.rows[opening.found.rows.method == opening.question.claims[0].method]
            value = (row if len(row) else opening.found.rows).value.iloc[0] * opening.question.unit.scale
            assert f"{abs(value):.{opening.question.unit.digits}f}" in opening.sentences[1][1], (
                "its number is the table's"
            )


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_an_interval_over_zero_shows_nothing(folder):
    results, recipe, comparisons = tables_of(folder)
    blurred = results.assign(
        low=results.low.where(results.low.isna(), -9), high=results.high.where(results.low.isna(), 9)
    )
    if comparisons is not None:
        comparisons = comparisons.assign(low=-9, high=9)
    for experiment in set(results.experiment) - set(COMPUTED):
        found = [
            said for head, said in study_opening(blurred, recipe, comparisons, experiment).sentences if head == "Found"
        ]
        shown = [said for said in found if re.search(r"not shown|For none of|cannot be told|is not shown to be", said)]
        assert shown == found, f"{experiment} says more than its table: {set(found) - set(shown)}"


def test_one_language_and_languages_that_failed():
    folder = next(folder for folder in PUBLISHED if folder.name == "croco_on_policy")
    results, recipe, _ = tables_of(folder)
    alone = study_opening(results[results.language == "de"], recipe)
    assert "in German (de)" in str(alone) and "languages)" not in str(alone)
    lost = study_opening(results[results.language != "hi"], recipe, missing=["hi"])
    assert "Hindi (hi) has no results" in lost.sentences[-1][1] and "in 6 languages" in str(lost)


def test_a_recipe_of_ones_own():
    rows = pd.DataFrame(
        [("honesty", code, "mine", "honesty_vs_base", 0.2, 0.1, 0.3, 40) for code in ("sw", "all")],
        columns=["experiment", "language", "method", "metric", "value", "low", "high", "n"],
    )
    mine = study_opening(
        rows, {"experiment": "honesty", "description": "Is a tuned model more honest?", "policy": "mine"}
    )
    assert mine.sentences[0][1] == "Is a tuned model more honest?" and "is shown to be better" in str(mine)
    replaced = study_opening(rows.assign(experiment="ablation"), {"experiment": "ablation"})
    assert replaced.sentences[0][1] == QUESTIONS["ablation"].asked, "a notebook of one's own in an experiment's place"
    assert "+0.200 (95 % interval +0.100 to +0.300)" in str(replaced)


@pytest.mark.parametrize("name", ["low_resource", "convergence"])
def test_a_published_folder_is_drawn_again(name, tmp_path):
    folder = shutil.copytree(REPOSITORY / "outputs" / "published" / name, tmp_path / name)
    page = write_experiment_report(folder).read_text(encoding="utf-8")
    sentences, end = opening_of(page)
    assert 3 <= len(sentences) <= 5 and page.index("<details") > end
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(set(pictures)) == len(pictures) and page.index("<img") < end, "one figure opens, and is not shown twice"
    found = re.search(r"<li>(.*?)</li>", page)
    assert found and found.start() > page.index("<details"), "what the notebook kept stands below, folded"


def test_a_published_main_result_keeps_its_samples(tmp_path):
    predictions = demo_predictions(("de", "sw"), (*CORE_METHODS, "untrained_with_trained_demonstrations"), n_items=20)
    folder = write_demo_study(tmp_path / "demo", ("de", "sw"), CORE_METHODS, predictions)
    first = write_report(folder).read_text(encoding="utf-8")
    for path in folder.rglob("predictions.parquet"):
        path.unlink()
    again = write_report(folder).read_text(encoding="utf-8")
    assert "There are no self-written demonstrations" not in again and opening_of(again) == opening_of(first)
    transfer = "The untrained policy with the trained policy&#39;s demonstrations minus"
    assert first.count(transfer) == again.count(transfer) > 0
    (folder / FROM_PREDICTIONS).unlink()
    assert "its answers are not here to compare them" in write_report(folder).read_text(encoding="utf-8")


def test_a_study_that_failed_says_what_it_has(tmp_path):
    write_parquet(tmp_path / "results.parquet", pd.DataFrame(columns=["experiment", "language", "method", "metric"]))
    write_json(tmp_path / "failures.json", [{"step": "ablation", "error": "no memory", "language": "de"}])
    page = write_experiment_report(tmp_path).read_text(encoding="utf-8")
    assert "What failed: 1\nstep" in page and "There are no results in this study yet." in page


def test_a_changed_template_draws_the_page_again(monkeypatch, tmp_path):
    recipe = load_recipe("smoke")
    before = plan.plan_study(recipe).code
    (tmp_path / "main.html").write_text("another page", encoding="utf-8")
    monkeypatch.setattr(plan, "template_files", lambda: [tmp_path / "main.html"])
    after = plan.plan_study(recipe).code
    assert {step for step in before if before[step] != after[step]} == {"report"}
