"""Rating sheets there and back: what people and their programs do to a file, and what the estimates make of it."""

import json, shutil, subprocess
import pandas as pd
import pytest
from openpyxl import load_workbook
from demo_tables import demo_predictions
from test_cli import xicl
from xicl_study.errors import StudyError
from xicl_study.files import write_parquet
from xicl_study.human_evaluation.cells import write_table
from xicl_study.human_evaluation.import_ratings import import_files, import_lines, read_ratings, save_import
from xicl_study.human_evaluation.panel_design import PanelDesign
from xicl_study.human_evaluation.panels import rater_rows, read_panel_key, write_panel
from xicl_study.human_evaluation.power import items_needed, PowerAssumptions
from xicl_study.human_evaluation.questionnaire import DIMENSIONS
from xicl_study.human_evaluation.report import write_rating_report
from xicl_study.human_evaluation.simulated_raters import (
    fill_sheets,
    FILLED_FORMS,
    simulated_ratings,
    SimulatedRater,
    SimulatedWorld,
)
from xicl_study.human_evaluation.workbook import write_workbook

SYSTEMS = ("dense", "self_generated", "closed_loop")
WORLD = SimulatedWorld({"dense": 2.6, "self_generated": 3.1, "closed_loop": 3.7})
CAREFUL = (SimulatedRater(0, 0.5), SimulatedRater(0.3, 0.5))


def write_study(folder, languages=("ar", "de"), seed=0):
    table = demo_predictions(languages, SYSTEMS, n_items=30, seed=seed)
    for code, part in table.groupby("language"):
        write_parquet(folder / "runs" / "main_result" / code / "0" / "predictions.parquet", part)
    write_panel(folder, PanelDesign(raters=2, overlap=0.4, items=12, seed=seed))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("made"))


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


@pytest.fixture
def filled(study):
    """What rater ar-1 sees, every score 4."""
    return rater_rows(read_panel_key(study), "ar-1").assign(**dict.fromkeys(DIMENSIONS, "4"))


def imported(study, rows, name="ar-1.csv", **options):
    write_table(study / name, rows)
    return import_files([study / name], study, **options)


def every_row_is_accounted_for(found, rows, key, rater="ar-1"):
    """Each row and dimension of the file has a status; each row of the sheet is in the log."""
    assert (
        found.log.status.isin(["taken", "refused", "unanswered", "missing"]).all()
        and (found.log.reason[found.log.status.isin(["refused", "missing"])] != "").all()
    )
    assert set(key[key.rater == rater]["row"]) <= set(found.log["row"])
    in_files = found.log[found.log.status != "missing"]
    assert len(in_files) == sum(3 if name in set(key["row"]) else 1 for name in rows["row"].str.strip().str.lower())
    assert (found.log.status == "taken").sum() == len(found.ratings)


@pytest.mark.parametrize("form", FILLED_FORMS)
def test_round_trip(study, form):
    paths = fill_sheets(study, form, WORLD, CAREFUL)
    found = import_files(paths, study)
    assert set(found.log.status) == {"taken"} and found.ratings.simulated.all() and not found.notes
    expected = simulated_ratings(read_panel_key(study), WORLD, CAREFUL)
    assert found.ratings.drop(columns="file").equals(expected.drop(columns="file")[found.ratings.columns.drop("file")])
    save_import(found, study)
    report = write_rating_report(study, n_resamples=200)
    means = report.tables["means"].query("language == 'all' and dimension == 'overall'").set_index("system").value
    assert means.closed_loop > means.self_generated > means.dense and report.simulated
    assert all("simulated" in path.name for path in [*paths, *report.folder.iterdir()])
    assert "SIMULATED" in (report.folder / "simulated-report.md").read_text(encoding="utf-8")[:40]
    assert report.tables["agreement"].alpha.notna().all() and len(report.figures) == 6


@pytest.mark.parametrize(
    "change, status, part",
    [
        (lambda rows: rows[5:], "missing", "is not in the file"),
        (lambda rows: pd.concat([rows, rows[:4]]), "refused", "one is kept"),
        (lambda rows: pd.concat([rows, rows[:4].assign(fluency="1")]), "refused", "none is taken"),
        (lambda rows: rows.assign(row=["zzzzzz", *rows["row"][1:]]), "refused", "not in this study's key"),
        (lambda rows: rows.assign(row=["", *rows["row"][1:]]), "refused", "the row name is empty"),
        (lambda rows: rows.assign(fluency="four"), "refused", "not a whole number from 1 to 5: 'four'"),
        (lambda rows: rows.assign(fluency="7"), "refused", "out of the range 1 to 5: 7"),
        (lambda rows: rows.assign(relevance="4.5"), "refused", "not a whole number"),
        (
            lambda rows: rows.assign(examples=rows.examples[::-1].tolist()),
            "refused",
            "the text under examples is not the one",
        ),
        (lambda rows: rows.assign(relevance=["", *rows.relevance[1:]]), "unanswered", ""),
        (lambda rows: rows.drop(columns="relevance"), "unanswered", "the column is gone"),
    ],
)
def test_what_people_do_to_rows(study, filled, change, status, part):
    rows = change(filled)
    found = imported(study, rows)
    every_row_is_accounted_for(found, rows, read_panel_key(study))
    reasons = found.log[found.log.status == status].reason
    assert len(reasons) and part in " ".join(reasons)
    assert len(found.ratings) and all("\n" not in line for line in import_lines(found))


def test_order_case_and_digits_do_not_matter(study, filled):
    plain = imported(study, filled).ratings
    changed = filled.sample(frac=1, random_state=0).assign(
        row=lambda rows: " " + rows["row"].str.upper(), fluency="٤", relevance="4,0", semantic_correctness="4.0"
    )
    found = imported(study, changed)
    assert found.ratings.equals(plain) and set(found.log.status) == {"taken"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(study, filled, encoding, separator):
    (study / "a.csv").write_bytes(filled.to_csv(index=False, sep=separator).encode(encoding, "replace"))
    found = import_files([study / "a.csv"], study)
    assert len(found.ratings) == 3 * len(filled) and set(found.log.status) == {"taken"}
    assert any(encoding[:6] in note for note in found.notes) == (encoding != "utf-8")
    assert ("letters of the text were lost" in " ".join(found.log.reason)) == (encoding == "cp1252")


def test_files_that_cannot_be_used(study, filled):
    write_workbook(study / "whole.xlsx", filled, ["title"])
    files = {
        "empty.csv": b"",
        "blank.csv": b"\xef\xbb\xbf\r\n",
        "cut.xlsx": (study / "whole.xlsx").read_bytes()[:4000],
        "old.xls": b"\xd0\xcf\x11\xe0rest",
        "photo.csv": b"\x89PNG\r\n",
        "list.csv": b"name,phone\nAmina,1\n",
        "cut.json": b'[{"data": ',
        "min.json": b'[{"fluency_0": 4}]',
        "heading.csv": ",".join(filled.columns).encode(),
        "zeros.xlsx": b"\0" * 50,
    }
    for name, content in files.items():
        (study / name).write_bytes(content)
    found = import_files([*(study / name for name in files), study / "absent.csv", study / "whole.xlsx"], study)
    assert found.refused_files == len(files) + 1 and len(found.ratings) == 3 * len(filled), (
        "the good file is taken all the same"
    )
    for name in [*files, "absent.csv"]:
        assert sum(name in note for note in found.notes) == 1 and all("\n" not in note for note in found.notes)


def test_a_sheet_of_another_study(study, tmp_path):
    other = write_study(tmp_path / "other", seed=5)
    found = import_files(fill_sheets(other, "xlsx", WORLD), study)
    assert (
        found.refused_files == 4
        and not len(found.ratings)
        and all("belongs to another study" in note for note in found.notes)
    )
    assert len(found.log) and (found.log.status == "refused").all()


def test_workbook_saved_by_libreoffice(study, filled):
    write_workbook(study / "ar-1.xlsx", filled, ["title"], "rtl")
    if shutil.which("soffice"):
        command = [
            "soffice",
            "--headless",
            f"-env:UserInstallation=file://{study}/profile",
            "--convert-to",
            "xlsx",
            "--outdir",
            str(study / "office"),
            str(study / "ar-1.xlsx"),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    else:
        book = load_workbook(study / "ar-1.xlsx")
        for line in book["ratings"].iter_rows(min_row=2):
            for cell in line:
                if isinstance(cell.value, int):
                    cell.value = float(cell.value)
        (study / "office").mkdir()
        book.save(study / "office" / "ar-1.xlsx")
    found = import_files([study / "office" / "ar-1.xlsx"], study)
    assert len(found.ratings) == 3 * len(filled) and set(found.log.status) == {"taken"}


def test_numbers_as_text_and_other_pages_first(study, filled):
    write_workbook(study / "a.xlsx", filled, ["title"])
    book = load_workbook(study / "a.xlsx")
    for cell in book["ratings"]["G"][1:]:
        cell.value = str(cell.value)
    book["ratings"].insert_rows(1)
    book.move_sheet("ratings", -1)
    book.save(study / "a.xlsx")
    assert len(import_files([study / "a.xlsx"], study).ratings) == 3 * len(filled)


def test_label_studio_skipped_and_double_annotations(study):
    (path,) = [path for path in fill_sheets(study, "json", WORLD, CAREFUL) if "ar-1" in path.name]
    tasks = json.loads(path.read_text(encoding="utf-8"))
    tasks[0]["annotations"][0]["was_cancelled"] = True
    tasks[1]["annotations"] *= 2
    del tasks[2]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    found = import_files([path], study)
    assert set(found.log.status) == {"taken", "unanswered", "refused", "missing"}
    assert "one is kept" in " ".join(found.log.reason)


def test_one_rater_only(study, filled):
    save_import(imported(study, filled.assign(fluency=[str(1 + number % 5) for number in range(len(filled))])), study)
    with pytest.raises(StudyError, match="all raters failed the attention checks"):
        write_rating_report(study, n_resamples=100)
    report = write_rating_report(study, keep_failed=True, n_resamples=100)
    said = " ".join(report.notes)
    assert (
        "one rater only" in said
        and "No ratings in German (de) yet." in said
        and "Nothing came back from ar-2" in said
        and not report.simulated
    )
    assert report.tables["agreement"].note.eq("one rater only").all() and "Figure agreement was not drawn" in said


def test_rows_of_the_log_keep_their_reason_in_a_file(study, filled):
    found = imported(study, filled.assign(fluency="=1+1"))
    save_import(found, study)
    text = (study / "human" / "import.csv").read_text(encoding="utf-8-sig")
    assert (
        text.count("\n") == len(found.log) + 1
        and "not a whole number" in text
        and not any(f',"{sign}' in text for sign in "=+-@")
    )


def test_damaged_parts_of_a_study(study, filled):
    save_import(imported(study, filled), study)
    path = study / "human" / "ratings.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StudyError, match="half written"):
        read_ratings(study)
    (study / "human" / "key.csv").write_text("row,rater\na,b\n", encoding="utf-8")
    with pytest.raises(StudyError, match="Make the sheets again with this version"):
        imported(study, filled)
    (study / "runs" / "main_result" / "de" / "0" / "predictions.parquet").write_bytes(b"half")
    panel = write_panel(study, PanelDesign(items=8), force=True) if not (study / "human" / "key.csv").unlink() else None
    assert (
        panel.sheets.language.eq("ar").all() and panel.notes[0].startswith("de: ") and "half written" in panel.notes[0]
    )


def test_power_falls_with_more_systems_and_grows_with_correlation():
    assert (
        items_needed(PowerAssumptions(), 2)
        < items_needed(PowerAssumptions(), 3)
        < items_needed(PowerAssumptions(0.25), 3)
    )
    assert items_needed(PowerAssumptions(correlation=0.6), 3) < items_needed(PowerAssumptions(), 3)


def test_the_command_line_there_and_back(study):
    said = xicl("sheets", str(study), "--items", "10", "--force")
    assert said.returncode == 0 and "standard deviation of 1 points" in said.stdout and "ar-2" in said.stdout, (
        said.stderr
    )
    assert xicl("ratings", "simulate", "--study", str(study), "--form", "csv").returncode == 0
    files = sorted(map(str, (study / "human" / "simulated").glob("*.csv")))
    (study / "empty.csv").write_bytes(b"")
    said = xicl("ratings", "import", *files, str(study / "empty.csv"), "--study", str(study))
    assert (
        said.returncode == 1
        and "empty.csv is empty" in said.stdout
        and said.stderr.startswith("xicl: 1 of 5 file(s)")
        and "Traceback" not in said.stderr
    )
    said = xicl("ratings", "report", "--study", str(study))
    assert said.returncode == 0 and said.stdout.startswith("SIMULATED RATINGS") and "closed_loop" in said.stdout
    for arguments, part in (
        (("sheets", "nowhere"), "no predictions in nowhere"),
        (("sheets", str(study), "--raters", "1"), "--raters must be 2 or more"),
        (("sheets", str(study), "--items", "5"), "add --force"),
        (("ratings", "report", "--study", "nowhere"), "xicl ratings import"),
        (("ratings", "import", "a.csv", "--study", "nowhere"), "xicl sheets"),
        (("ratings", "simulate", "--study", str(study), "--form", "pdf"), "--form must be one of"),
    ):
        said = xicl(*arguments)
        assert said.returncode == 1 and part in said.stderr and said.stderr.count("\n") == 1, said
