"""The report: escaped, self-contained, and whole whatever is missing."""

import html.parser
import shutil
import pytest
from demo_tables import CORE_METHODS, METHODS, demo_predictions, write_demo_study
from xicl_study.evaluation.means import results_table
from xicl_study.report.accuracy_figures import plot_accuracy_by_method
from xicl_study.report.main_figures import study_figures
from xicl_study.report.style import png_bytes
from xicl_study.report.main_page import FROM_PREDICTIONS, write_report
from xicl_study.errors import DataError
from xicl_study.files import read_json, write_json, write_parquet

ATTACK = "<script>alert('x')</script><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Collects the tags of a page and checks that they are balanced."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.source = [], [], [], text
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folder):
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "demo"
    predictions = demo_predictions(("de", "sw", "ar"), CORE_METHODS, n_items=30)
    first = predictions.index[(predictions.method == "closed_loop") & (predictions["item"] == "item-000")]
    for index in first:
        predictions.at[index, "demonstrations"] = [{"input": ATTACK, "output": "\u202e=cmd", "language": "sw"}]
        predictions.at[index, "prediction"] = ATTACK
    write_demo_study(
        folder,
        ("de", "sw", "ar"),
        CORE_METHODS,
        predictions,
        failures=[{"step": f"evaluate {ATTACK}", "language": "yo", "error": ATTACK}],
    )
    study_figures(folder)
    return folder


@pytest.fixture
def copy(study, tmp_path):
    return shutil.copytree(study, tmp_path / "demo", ignore=shutil.ignore_patterns(FROM_PREDICTIONS))


def test_generated_text_is_escaped(study):
    page = page_of(study)
    assert (
        len(page.all("script")) == 1
        and page.source.count("<script>") == 1
        and all("onerror" not in attributes for _, attributes in page.tags)
    )
    assert "".join(page.text).count("alert('x')") >= 3, "the text itself is still there to read"
    assert any(attributes.get("dir") == "auto" and attributes.get("lang") == "ar" for attributes in page.all("bdi"))


def test_the_page_loads_nothing(study):
    page = page_of(study)
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            target = attributes.get(name, "")
            assert not target.startswith(("http:", "https:", "//", "javascript:")), target
    assert (
        not page.all("link")
        and not page.all("iframe")
        and all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    )
    policy = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy and "default-src 'none'" in policy[0]
    style = write_report(study).read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style


def test_figures_have_texts_and_links_have_targets(study):
    page = page_of(study)
    assert len(page.all("img")) == 6 and all(len(image["alt"]) > 20 for image in page.all("img"))
    local = [link["href"] for link in page.all("a") if not link["href"].startswith("#")]
    assert (
        local and all((study / target).is_file() for target in local) and not any("key" in target for target in local)
    )
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"][1:] for link in page.all("a") if link["href"].startswith("#")} <= anchors
    assert page.all("html")[0]["lang"] == "en" and any(meta.get("name") == "viewport" for meta in page.all("meta"))


def test_numbers_are_those_of_the_tables(study):
    from xicl_study.files import read_parquet

    text, results = " ".join(page_of(study).text), read_parquet(study / "results.parquet")
    for row in results[results.metric == "accuracy"].itertuples():
        assert f"{100 * row.value:.1f}" in text
    assert (
        "xicl run --recipe laptop --languages de" not in text and "xicl run --recipe laptop --languages en,de" in text
    )
    assert "Swahili (sw) †" in text and "0123456789ab" in text


@pytest.mark.parametrize(
    "part, note",
    [
        ("results.parquet", "There are no results"),
        ("comparisons.parquet", "There are no comparisons"),
        ("recipe.yaml", "The recipe is missing"),
        ("environment.json", "The environment was not recorded"),
        ("figures", "There are no figures"),
        ("runs", "There are no self-written demonstrations"),
        ("training", ""),
        ("failures.json", ""),
        ("figures/differences.png", "differences.png"),
    ],
)
@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_missing_and_damaged_parts_leave_a_note(copy, part, note, how):
    target = copy / part
    if how == "damaged" and target.is_file():
        target.write_bytes(b"\xff{not: [whole" if target.suffix != ".png" else b"")
    elif target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    if (how, part) == ("damaged", "figures/differences.png"):
        note = ""
    page = page_of(copy)
    assert note in " ".join(page.text)


def test_an_empty_folder_gives_a_page_and_no_folder_an_error(tmp_path):
    assert "There are no results" in " ".join(page_of(tmp_path).text)
    with pytest.raises(DataError, match="Run the study first"):
        write_report(tmp_path / "nothing")


def test_older_tables_leave_notes(copy):
    from xicl_study.files import read_parquet

    write_parquet(copy / "results.parquet", read_parquet(copy / "results.parquet").drop(columns="low"))
    for path in copy.glob("runs/*/*/*/predictions.parquet"):
        write_parquet(path, read_parquet(path).drop(columns=["demonstrations", "correct"]))
    write_json(copy / "failures.json", {"not": "a list"})
    write_json(copy / "figures" / "captions.json", ["not", "a", "mapping"])
    assert "Parts that could not be read" in " ".join(page_of(copy).text)


def test_missing_languages_and_methods_are_named(tmp_path):
    predictions = demo_predictions(("de", "sw", "ar"), CORE_METHODS, n_items=20)
    holed = predictions[
        (predictions.language != "ar") & ~((predictions.language == "sw") & (predictions.method == "dense"))
    ]
    write_demo_study(
        tmp_path,
        ("de", "sw", "ar", "yo"),
        CORE_METHODS,
        holed,
        failures=[{"step": "evaluate", "language": "ar", "error": "no memory"}],
    )
    text = " ".join(page_of(tmp_path).text)
    assert "Arabic (ar) † has no results" not in text and "Arabic (ar) has no results: its run failed" in text
    assert "Yoruba (yo) has no results: it was not run" in text and "has no results in Swahili (sw)" in text


def test_every_method_and_only_baselines(tmp_path):
    write_demo_study(tmp_path / "all", ("de", "sw"), tuple(METHODS), n_items=20)
    assert "This control was not run" not in " ".join(page_of(tmp_path / "all").text)
    write_demo_study(tmp_path / "few", ("de", "sw"), ("zero_shot", "bm25"), n_items=20, log=False)
    assert len(study_figures(tmp_path / "few")) == 3
    assert "There are no comparisons" in " ".join(page_of(tmp_path / "few").text)


def test_figures_are_the_same_bytes_and_leave_no_state():
    import matplotlib.pyplot

    results = results_table(demo_predictions(("de", "sw"), CORE_METHODS, n_items=20), "a", "b", n_resamples=100)
    before = dict(matplotlib.rcParams)
    first = png_bytes(plot_accuracy_by_method(results))
    matplotlib.rcParams["font.size"] = 20
    try:
        assert png_bytes(plot_accuracy_by_method(results)) == first, "settings from outside do not change a figure"
    finally:
        matplotlib.rcParams["font.size"] = before["font.size"]
    assert not matplotlib.pyplot.get_fignums() and dict(matplotlib.rcParams) == before
    assert b"tEXt" not in first and b"tIME" not in first


def test_captions_match_the_files(study):
    captions = read_json(study / "figures" / "captions.json")
    assert {each["file"] for each in captions["figures"]} == {
        path.name for path in (study / "figures").glob("*.png")
    } and captions["skipped"] == []


def test_markdown_tables_hold_the_stored_numbers(tmp_path):
    from demo_tables import write_demo_study
    from xicl_study.report.main_tables import markdown_tables
    from xicl_study.files import read_parquet

    folder = write_demo_study(tmp_path) or tmp_path
    folder = (
        folder
        if (folder / "results.parquet").is_file()
        else next(path.parent for path in tmp_path.rglob("results.parquet"))
    )
    text, results = markdown_tables(folder), read_parquet(folder / "results.parquet")
    row = results[
        (results.metric == "accuracy") & (results.method == "closed_loop") & (results.language == "all")
    ].iloc[0]
    line = next(line for line in text.splitlines() if line.startswith("| Closed loop |"))
    assert f"{100 * row.value:.1f} (" in line and "closed loop minus" in text
