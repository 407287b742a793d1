"""Rating sheets: no formula, no name of a system, and a key that joins back."""

import re
import zipfile
import pytest
from hypothesis import example, given, settings, strategies as st
from openpyxl import load_workbook
from conftest import REPOSITORY
from demo_tables import NAMES, demo_predictions
from xicl_study.errors import DataError
from xicl_study.human_evaluation.cells import FORMULA_SIGNS, neutralise, printable, read_table, restore, write_table
from xicl_study.human_evaluation.questionnaire import DIMENSIONS, rater_instructions, shown_examples, SHUFFLED
from xicl_study.human_evaluation.sheet_writer import read_key, Sheet, write_sheet
from xicl_study.human_evaluation.sheets import blinded_rows, write_sheets
from xicl_study.human_evaluation.workbook import write_workbook
from xicl_study.tasks.languages import language as find_language

TEXTS = st.text(st.characters(codec=None), max_size=40) | st.builds(
    lambda space, sign, rest: space + sign + rest,
    st.text("\t\r\n \u00a0\u200b\ufeff'", max_size=4),
    st.sampled_from(FORMULA_SIGNS),
    st.text(max_size=10),
)
SYSTEMS = ("zero_shot", "dense", "self_generated", "closed_loop")


@pytest.fixture(scope="module")
def predictions():
    return demo_predictions(("de", "ar", "am"), SYSTEMS, n_items=30)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("=1+1")
@example("\ufeff=1")
@example("\r\n@x")
@example("'=2")
@example("''")
@example("\ud800=")
def test_no_text_stays_a_formula_and_none_is_lost(text):
    cell = neutralise(text)
    bare = cell.lstrip("\t\r\n \u00a0\u200b\ufeff")
    assert not bare[:1] or bare[0] not in FORMULA_SIGNS
    assert cell[:1] not in ("\t", "\r", "\n")
    assert restore(cell) == printable(text)
    cell.encode("utf-8")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_any_text_passes_through_csv_and_xlsx(tmp_path_factory, texts):
    import pandas as pd

    folder = tmp_path_factory.mktemp("sheet")
    rows = pd.DataFrame(
        [
            {
                "row": f"r{number}",
                "query": printable(query),
                "examples": shown_examples([{"input": query, "output": answer}]),
                "answer": printable(answer),
            }
            for number, (query, answer) in enumerate(texts)
        ]
    )
    rows = rows.assign(**{name: "" for name in (*DIMENSIONS, "comment")})[list(SHUFFLED.columns)]
    write_table(folder / "sheet.csv", rows)
    assert read_table(folder / "sheet.csv").equals(rows)
    write_workbook(folder / "sheet.xlsx", rows, ["=title"], "rtl")
    book = load_workbook(folder / "sheet.xlsx")
    cells = [cell for page in book for line in page.iter_rows() for cell in line]
    assert not any(cell.data_type == "f" for cell in cells) and not any(
        str(cell.value or "")[:1] in FORMULA_SIGNS for cell in cells if cell.value
    )


@pytest.mark.parametrize("language", ["de", "ar", "am"])
def test_sheets_are_blind_and_whole(predictions, tmp_path, language):
    sheets = write_sheets(
        predictions,
        tmp_path,
        language,
        systems=SYSTEMS,
        items=12,
        seed=4,
        task_description="Sort short names by subject.",
    )
    key, rows = read_key(sheets.key), read_table(sheets.csv)
    seen = [sheets.csv.read_text(encoding="utf-8-sig"), sheets.instructions.read_text(encoding="utf-8")]
    with zipfile.ZipFile(sheets.xlsx) as archive:
        seen += [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    for text in seen:
        assert not any(re.search(rf"\b{name}\b", text) for name in (*SYSTEMS, "closed", "untrained", "trained")), (
            "a system's name is in the sheet"
        )
    assert len(rows) == len(key) == sheets.n_rows == 48 and (key.groupby("item").system.nunique() == 4).all()
    joined = rows.merge(key, on="row", validate="one_to_one")
    source = predictions[predictions.language == language].set_index(["method", "item"])
    for row in joined.itertuples():
        truth = source.loc[(row.system, row.item)]
        assert (row.query, row.examples, row.answer) == (
            truth.input,
            shown_examples(truth.demonstrations),
            truth.prediction,
        )
    assert "gold" not in rows.columns and (rows[list(DIMENSIONS)] == "").all().all()


def test_row_names_say_nothing(predictions, tmp_path):
    _, key = blinded_rows(predictions, "de", SYSTEMS, items=30, seed=0)
    by_name = key.sort_values("row", ignore_index=True)
    for column in ("system", "item"):
        neighbours = (by_name[column] == by_name[column].shift()).mean()
        expected = 1 / key[column].nunique()
        assert neighbours < expected + 0.2, f"sorted by name, rows of one {column} stand together"
    assert key["row"].str.fullmatch(r"[a-z2-9]{6}").all() and key["row"].is_unique
    assert not set(key["row"]) & set(blinded_rows(predictions, "ar", SYSTEMS, items=30, seed=0)[1]["row"])


def test_workbook_has_lists_headings_and_direction(predictions, tmp_path):
    for language, right_to_left in (("ar", True), ("am", False)):
        sheets = write_sheets(predictions, tmp_path / language, language, items=10)
        book = load_workbook(sheets.xlsx)
        assert book.sheetnames == ["instructions", "ratings"]
        page = book["ratings"]
        (rule,) = page.data_validations.dataValidation
        assert rule.type == "list" and rule.formula1 == '"1,2,3,4,5"' and str(rule.sqref) == f"E2:G{sheets.n_rows + 1}"
        assert page.freeze_panes == "B2" and bool(page.sheet_view.rightToLeft) == right_to_left
        assert page["C2"].alignment.wrap_text and [cell.value for cell in page[1]][:4] == [
            "row",
            "query",
            "examples",
            "answer",
        ]
        assert "1 to 5" in " ".join(str(cell.value) for cell in book["instructions"]["A"])
        assert page["B2"].value in NAMES[language]


def test_same_items_in_every_language_and_a_seed_repeats(predictions, tmp_path):
    items = [set(blinded_rows(predictions, code, items=8)[1]["item"]) for code in ("de", "ar", "am")]
    assert items[0] == items[1] == items[2]
    first, second = (write_sheets(predictions, tmp_path / name, "de", items=8, seed=9) for name in ("a", "b"))
    assert first.csv.read_bytes() == second.csv.read_bytes() and first.key.read_bytes() == second.key.read_bytes()


def test_what_cannot_be_rated_gives_one_clear_line(predictions, tmp_path):
    with pytest.raises(DataError, match="no predictions in yo"):
        blinded_rows(predictions, "yo")
    early, late = predictions["item"] < "item-010", predictions["item"] > "item-020"
    apart = predictions[((predictions.method == "dense") & early) | ((predictions.method == "closed_loop") & late)]
    with pytest.raises(DataError, match="no item was answered by all"):
        blinded_rows(apart, "de")
    with pytest.raises(DataError, match="Say for which language"):
        write_sheets(predictions, tmp_path)
    (tmp_path / "key.csv").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(DataError, match="not a whole csv"):
        read_key(tmp_path / "key.csv")
    (tmp_path / "key.csv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="not a whole csv"):
        read_key(tmp_path / "key.csv")


def workbook_parts(path):
    """The files inside a workbook, without the times at which it was saved."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: re.sub(rb"<dcterms:(created|modified)[^>]*>[^<]*<", b"<", archive.read(name))
            for name in archive.namelist()
        }


@pytest.mark.parametrize("language", ["ar", "hi", "zh"])
def test_published_sheets_are_written_again_to_the_byte(tmp_path, language):
    """What was sent out must be what this version writes, or filled sheets and keys drift apart."""
    published = REPOSITORY / "outputs" / "published" / "laptop" / "runs" / "main_result" / language / "0" / "sheets"
    files = {"xlsx": tmp_path / "sheet.xlsx", "csv": tmp_path / "sheet.csv", "txt": tmp_path / "instructions.txt"}
    paragraphs = (published / "instructions.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n\n")
    write_sheet(Sheet(read_table(published / "sheet.csv"), find_language(language), paragraphs), files)
    for form in ("csv", "txt"):
        assert files[form].read_bytes() == (published / files[form].name).read_bytes()
    assert workbook_parts(files["xlsx"]) == workbook_parts(published / "sheet.xlsx")
    expected = rater_instructions(find_language(language).name, SHUFFLED, "x", len(read_table(published / "sheet.csv")))
    assert paragraphs[2:] == expected[2:], "the instructions are the same too, but for the task"
