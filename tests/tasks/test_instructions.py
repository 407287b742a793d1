"""Prompts: what ships, and what is said about a user's own that are wrong or damaged."""

import json
import unicodedata

import pandas as pd
import pytest

from xicl_study.tasks import shipped_data
from xicl_study.tasks.instructions import (
    drop_long,
    Instruction,
    instruction_table,
    LIST_LENGTHS,
    PROMPT_KINDS,
    reference_answer,
)
from xicl_study.tasks.load_instructions import id_order, load_instructions
from xicl_study.tasks.prompt_sources import read_instructions, shipped_prompts
from xicl_study.errors import DataError, ModelError, StudyError, UnknownNameError
from xicl_study.files import package_folder, read_parquet
from xicl_study.tasks.task import SPLITS
from xicl_study.tasks.translation import file_translator, ModelTranslator, parallel_translator, translate_instructions

STUDY = "da nl en fr de it es gl ga mt cy sv pt fi sw hi ar zh tr yo".split()
GOOD = [
    ("a", "de", "Hauptstadt von Kenia:", "Nairobi"),
    ("a", "sw", "Mji mkuu wa Kenya:", "Nairobi"),
    ("b", "de", "Farbe des Himmels:", "blau"),
]


@pytest.fixture
def write(tmp_path):
    """Write rows of (id, language, prompt, reference) to a file of a user's own."""

    def to(rows, name="own.csv", **more):
        frame = pd.DataFrame(rows, columns=["id", "language", "prompt", "reference"]).assign(**more)
        path = tmp_path / name
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        elif path.suffix == ".jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False)
        else:
            frame.to_parquet(path)
        return path

    return to


# ---- what ships


@pytest.fixture(scope="module")
def prompts():
    return pd.concat(
        [read_parquet(path) for path in sorted((package_folder("data") / "prompts").glob("*.parquet"))],
        ignore_index=True,
    )


def test_every_language_has_enough_prompts_with_a_reference(prompts):
    checked = prompts[prompts.kind != "open"]
    assert set(checked.language) == set(STUDY) and set(checked.kind) == set(PROMPT_KINDS)
    assert checked.groupby("language").size().min() >= 300 and (checked.reference.str.len() > 0).all()
    for split in SPLITS:
        assert checked[checked.split == split].groupby("language").size().min() >= 100


def test_an_id_is_one_prompt_per_language_and_a_concept_has_one_split(prompts):
    assert not prompts.duplicated(["id", "language"]).any()
    assert prompts.groupby("concept").split.nunique().max() == 1 and prompts.groupby("id").split.nunique().max() == 1


def test_concepts_keep_the_split_of_the_emoji_task(prompts):
    split_of = (
        read_parquet(package_folder("data") / "emoji_items.parquet")
        .drop_duplicates("concept")
        .set_index("concept")["split"]
    )
    asked = prompts[prompts.kind.isin(["concept-name", "same-language"])]
    assert (asked.concept.map(split_of) == asked.split).all()


def test_names_cannot_be_copied_from_the_prompt(prompts):
    asked = prompts[prompts.kind.isin(["concept-name", "country-name", "language-name"])]
    for prompt, references in zip(asked.prompt, asked.reference):
        given = prompt.split("\n")[-2].partition(": ")[2]
        assert all(
            reference.casefold() != given.casefold() and f": {reference}\n" not in prompt for reference in references
        )


def test_texts_are_nfc_and_tidy(prompts):
    for text in prompts.prompt:
        assert text and text == text.strip() and unicodedata.is_normalized("NFC", text)


def test_open_questions_are_apart(prompts):
    questions = prompts[prompts.kind == "open"]
    assert (
        set(questions.split) == {"test"}
        and questions.reference.str.len().max() == 0
        and questions.origin.str.startswith("hand-written").all()
    )
    counts = questions.groupby("language").size()
    assert counts.min() >= 30 and {"en", "de", "fr", "es", "it", "pt", "nl", "sv", "da"} <= set(counts.index)
    assert not {i.kind for i in load_instructions(["de"], "test")} & {"open"}


def test_a_sample_is_parallel_even_when_languages_are_loaded_one_by_one():
    ids = [[i.id for i in load_instructions([code], "train", limit=60)] for code in STUDY if code != "mt"]
    assert all(one == ids[0] for one in ids) and len(set(ids[0])) == 60
    assert [i.id for i in load_instructions(["sw", "de"], "train", limit=60)] == ids[0] * 2


def test_reference_answers_list_what_is_asked_for():
    for kind in PROMPT_KINDS:
        instruction = load_instructions(["sw"], "train", kinds=[kind], limit=1)[0]
        assert reference_answer(instruction).count(", ") >= LIST_LENGTHS.get(kind, 1) - 1 and reference_answer(
            instruction
        )


def test_a_damaged_prompt_file_is_named(tmp_path, monkeypatch):
    data = package_folder("data")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "manifest.json").write_bytes((data / "manifest.json").read_bytes())
    (tmp_path / "prompts" / "article.parquet").write_bytes((data / "prompts" / "article.parquet").read_bytes()[:-100])
    monkeypatch.setattr(shipped_data, "package_folder", lambda name: tmp_path)
    shipped_data.shipped_table.cache_clear(), shipped_prompts.cache_clear()
    try:
        with pytest.raises(DataError, match="article.parquet is damaged: its SHA-256 differs"):
            load_instructions(["de"], "train", kinds=["article"])
    finally:
        shipped_data.shipped_table.cache_clear(), shipped_prompts.cache_clear()


# ---- bad input


@pytest.mark.parametrize(
    "rows,message",
    [
        ([*GOOD, ("a", "de", "Noch einmal:", "x")], r"row 4: the id 'a' stands twice in de"),
        ([*GOOD, ("a", "deu", "Noch einmal:", "x")], r"row 4: the id 'a' stands twice in de"),
        ([*GOOD, ("", "de", "Wo?", "x")], r"row 4: the id is empty"),
        ([*GOOD, ("c", "de", " ", "x")], r"row 4: the prompt of 'c' is empty"),
        ([*GOOD, ("c", "klingon", "nuqneH", "x")], r"row 4: Unknown language 'klingon'"),
        ([*GOOD, ("c", "", "Wo?", "x")], r"row 4: the language of 'c' is empty"),
        ([], r"has no rows"),
    ],
)
@pytest.mark.parametrize("name", ["own.csv", "own.jsonl", "own.parquet"])
def test_a_wrong_row_is_named_with_its_place(write, rows, message, name):
    with pytest.raises(StudyError, match=message) as caught:
        read_instructions(write(rows, name))
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named(write, tmp_path):
    with pytest.raises(DataError, match=r"lacks the column\(s\) text; it has id, language, prompt, reference"):
        read_instructions(write(GOOD), columns={"prompt": "text"})
    (tmp_path / "no_id.csv").write_text("language,prompt\nde,Wo?\n")
    with pytest.raises(DataError, match=r"lacks the column\(s\) id"):
        read_instructions(tmp_path / "no_id.csv")
    with pytest.raises(UnknownNameError, match="column role 'text'"):
        read_instructions(write(GOOD), columns={"text": "prompt"})


@pytest.mark.parametrize(
    "name,content",
    [
        ("half.parquet", b"PAR1\x15\x04"),
        ("broken.jsonl", b'{"id": "a", "prompt": '),
        ("latin.csv", "id,language,prompt\na,de,Käse\n".encode("latin-1")),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_instructions(tmp_path / name)


def test_a_split_is_known_and_the_same_for_all_languages_of_an_id(write):
    with pytest.raises(DataError, match="the split 'tests' is none of"):
        read_instructions(write(GOOD, split="tests"))
    with pytest.raises(DataError, match="the id 'a' is in several splits"):
        read_instructions(write(GOOD, split=["train", "test", "train"]))
    with pytest.raises(DataError, match="the id 'a' is in several splits"):
        read_instructions(write(GOOD, split=["train", "", "train"]))


def test_duplicate_texts_are_kept_and_counted(write):
    path = write([*GOOD, ("c", "de", "Farbe des Himmels:", "blau")])
    assert (
        instruction_table(read_instructions(path)).loc["de", "duplicate_texts"] == 1
        and len(read_instructions(path)) == 4
    )


def test_references_may_be_lists_or_missing(tmp_path):
    rows = [
        {"id": "a", "language": "de", "prompt": "Farbe:", "reference": ["blau", " ", "rot", "blau"]},
        {"id": "b", "language": "de", "prompt": "Warum?"},
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    by_id = {i.id: i for i in read_instructions(tmp_path / "own.jsonl")}
    assert by_id["a"].reference == ("blau", "rot") and by_id["b"].reference == ()
    with pytest.raises(DataError, match="b .de. has no reference"):
        reference_answer(by_id["b"])


def test_unknown_names(write):
    with pytest.raises(UnknownNameError, match="split 'dev'"):
        load_instructions(["de"], "dev")
    with pytest.raises(UnknownNameError, match="kind of prompt 'articles'. Did you mean article"):
        load_instructions(["de"], "test", kinds=["articles"])
    with pytest.raises(UnknownNameError, match="language of the shipped prompts 'ka'"):
        load_instructions(["ka"], "test")
    with pytest.raises(UnknownNameError, match="Unknown source of prompts"):
        load_instructions(["de"], "test", source="arena")
    with pytest.raises(DataError, match="does not exist"):
        load_instructions(["de"], "test", source="none.jsonl")
    with pytest.raises(DataError, match="no train prompts in sw"):
        load_instructions(["sw"], "train", source=write(GOOD[2:], split="train"))


# ---- length and translation


def test_long_conversations_go_whole():
    rows = [
        Instruction("a", "de", "own", "train", "kurz", ("kurz", "viel zu lang")),
        Instruction("b", "de", "own", "train", "kurz", ("kurz",)),
        Instruction("c", "sw", "own", "train", "kurz", instruction="much too long"),
    ]
    assert drop_long(rows, len, 6) == ([rows[1]], {"de": 1, "sw": 1})
    assert id_order(rows)["own"] and drop_long([], len, 6) == ([], {})


def test_translation_counts_everything(write):
    rows = read_instructions(write(GOOD))
    german = [i for i in rows if i.language == "de"]
    found, counts = translate_instructions(german, ["sw", "de"], file_translator(write(GOOD)))
    assert (
        [i.id for i in found if i.language == "sw"] == ["a"]
        and counts.loc["sw", "missing"] == 1
        and counts.loc["de", "own"] == 2
    )
    with pytest.raises(DataError, match="both length and limit"):
        translate_instructions(german, ["sw"], parallel_translator(rows), length=len)
    with pytest.raises(UnknownNameError, match="language 'xx'"):
        translate_instructions(german, ["xx"], parallel_translator(rows))


def test_a_translation_model_that_loses_texts_is_refused():
    with pytest.raises(ModelError, match="gave 0 texts for 1"):
        ModelTranslator(lambda conversations: []).translate([Instruction("a", "en", "own", "test", "Why?")], "de")
    assert ModelTranslator(lambda conversations: [" "]).translate(
        [Instruction("a", "en", "own", "test", "Why?")], "de"
    ) == [None]
    assert ModelTranslator(lambda conversations: []).translate([], "de") == []
