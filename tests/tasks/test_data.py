"""The shipped data and the ways to bring one's own: counts, splits, checksums, and what is said about bad input."""

import hashlib
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xicl_study.tasks import languages as languages_module, shipped_data, tables
from xicl_study.tasks.languages import language, languages
from xicl_study.errors import DataError, ResourceError, StudyError, UnknownNameError
from xicl_study.files import package_folder, read_parquet
from xicl_study.tasks.load_task import data_table, load_task, task_names
from xicl_study.tasks.shipped_data import manifest, verify_data
from xicl_study.tasks.shipped_tasks import SHIPPED_TASKS, udhr_texts
from xicl_study.tasks.task import SPLITS

DATA = package_folder("data")
FILES = manifest()["files"]


@pytest.fixture(scope="module")
def topics():
    return load_task("emoji-topic")


# ---- the files


def test_every_data_file_is_in_the_manifest_and_the_reverse():
    assert {p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.suffix in (".parquet", ".json")} - {
        "manifest.json"
    } == set(FILES)


@pytest.mark.parametrize("file", sorted(FILES))
def test_checksum_rows_and_provenance(file):
    entry, path = FILES[file], DATA / file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
    assert path.stat().st_size < 4e6
    assert all(source["package"] and source["version"] and source["licence"] for source in entry["sources"])
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        stored = pq.read_schema(path).metadata
        assert pq.read_metadata(path).num_rows == entry["rows"]
        assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
        for key in (b"source", b"version", b"licence", b"licence_text"):
            assert stored[key].strip(), key
        assert len(stored[b"licence_text"]) > 500


def test_licence_texts_are_shipped_and_the_readme_names_every_file():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert all(f"`{file}`" in readme for file in FILES)
    for file in manifest()["licenses"].values():
        assert (DATA / "licenses" / file).stat().st_size > 300 and file in readme


def test_total_size_is_small():
    assert sum((DATA / file).stat().st_size for file in FILES) < 15e6


@pytest.mark.parametrize(
    "file,column", [("emoji_names.parquet", "name"), ("udhr_texts.parquet", "text"), ("emoji_labels.parquet", "word")]
)
def test_text_is_nfc_and_tidy(file, column):
    for text in read_parquet(DATA / file)[column]:
        assert (
            unicodedata.is_normalized("NFC", text)
            and text == text.strip()
            and text
            and "\n" not in text
            and "  " not in text
        )


def test_keywords_are_nfc():
    for words in read_parquet(DATA / "emoji_keywords.parquet")["keywords"].iloc[::37]:
        assert all(unicodedata.is_normalized("NFC", w) and w for w in words)


# ---- languages


def test_language_counts():
    known = languages()
    assert len({entry.iso639_3 for entry in known.values()}) >= 430
    assert len({entry.script for entry in known.values()}) >= 36
    assert sum("emoji-topic" in entry.tasks for entry in known.values()) >= 110
    assert len({entry.iso639_3 for entry in known.values() if "udhr-topic" in entry.tasks}) >= 400


def test_registry_and_tasks_agree():
    for name in SHIPPED_TASKS:
        assert load_task(name).languages == tuple(code for code, entry in languages().items() if name in entry.tasks)


def test_registry_loads_fast_and_without_pandas():
    code = (
        "import time, sys; start = time.perf_counter(); from xicl_study.tasks.languages import languages; languages();"
        "print(time.perf_counter() - start, 'pandas' in sys.modules, 'numpy' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(5)
    ]
    assert all(run[1:] == ["False", "False"] for run in runs)
    assert min(float(run[0]) for run in runs) < 0.1


def test_tasks_do_not_import_heavy_packages():
    code = (
        "import sys, xicl_study.tasks; print([m for m in ('torch', 'transformers', 'datasets', 'scipy', 'pandas') if m"
        " in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_damaged_registry_is_named(tmp_path, monkeypatch):
    (tmp_path / "languages.json").write_text('{"languages": {"sw": {')
    monkeypatch.setattr(languages_module, "package_folder", lambda name: tmp_path)
    languages_module._registry.cache_clear()
    try:
        with pytest.raises(DataError, match="languages.json is missing or damaged"):
            languages()
    finally:
        monkeypatch.undo()
        languages_module._registry.cache_clear()
    assert language("sw").name == "Swahili"


@settings(deadline=None)
@given(st.sampled_from(sorted(languages())))
def test_a_language_is_found_by_its_code_in_any_case(code):
    assert language(code).code == language(code.upper()).code == language(code.replace("-", "_")).code == code


@settings(deadline=None)
@given(st.text(max_size=12))
def test_any_other_name_is_one_clear_line(name):
    try:
        assert language(name).code in languages()
    except UnknownNameError as error:
        assert str(error).startswith("Unknown language") and "Traceback" not in str(error)


# ---- splits


@pytest.mark.parametrize("name", SHIPPED_TASKS)
def test_no_item_is_in_two_splits_in_any_language(name):
    task = load_task(name)
    owner = {item: split for split in SPLITS for item in task.items(split)}
    assert len(owner) == sum(len(task.items(split)) for split in SPLITS)
    for code in task.languages:
        for split in SPLITS:
            examples = task.examples(code, split)
            assert examples and all(owner[e.id] == split for e in examples), (code, split)


def test_related_emoji_share_a_split():
    items = read_parquet(DATA / "emoji_items.parquet")
    assert items.groupby("concept")["split"].nunique().max() == 1
    by_name = items.set_index("english")
    for one, other in [
        ("horse", "horse face"),
        ("one o’clock", "two o’clock"),
        ("woman dancing", "man dancing"),
        ("blue heart", "green heart"),
    ]:
        assert by_name.loc[one, "split"] == by_name.loc[other, "split"], (one, other)
    assert items["emoji"].str.len().max() == 1 and items["item"].is_unique


def test_no_name_occurs_twice_in_a_language():
    names = read_parquet(DATA / "emoji_names.parquet")
    assert not names.assign(folded=names["name"].str.casefold()).duplicated(["language", "folded"]).any()


def test_emoji_class_counts(topics):
    items = read_parquet(DATA / "emoji_items.parquet")
    counts = items.pivot_table(index="label", columns="split", values="item", aggfunc="count")
    assert list(topics.labels) == list(manifest()["class_counts"]["emoji-topic"]) and len(topics.labels) == 8
    assert counts.to_dict("index") == manifest()["class_counts"]["emoji-topic"]
    assert counts.sum(axis=1).min() >= 60
    shares = counts.div(counts.sum(axis=1), axis=0)
    assert (shares["train"] - 0.5).abs().max() < 0.03 and (shares["test"] - 0.3).abs().max() < 0.03


@pytest.mark.parametrize("name", ["emoji-topic", "udhr-topic"])
def test_every_class_is_in_every_split(name):
    task = load_task(name)
    for code in ("en", "sw", "zh", "ar", "nn" if name == "emoji-topic" else "quc"):
        for split in SPLITS:
            assert {e.output for e in task.examples(code, split)} == set(task.labels), (code, split)


def test_a_sample_holds_the_same_items_in_every_language(topics):
    n_items = sum(len(topics.items(split)) for split in SPLITS)
    full = [code for code in topics.languages if sum(len(topics.examples(code, split)) for split in SPLITS) == n_items]
    assert len(full) > 60
    samples = {tuple(e.id for e in topics.examples(code, "test", limit=120, seed=5)) for code in full}
    assert len(samples) == 1
    partial = {e.id for e in topics.examples("xh", "test", limit=120, seed=5)}
    assert len(partial & set(samples.pop())) > 80


@settings(max_examples=30, deadline=None)
@given(
    limit=st.integers(0, 60),
    more=st.integers(0, 60),
    seed=st.integers(0, 2**31),
    code=st.sampled_from(["en", "sw", "nn", "mt"]),
)
def test_a_larger_sample_begins_with_the_smaller_one(limit, more, seed, code):
    task = load_task("emoji-topic")
    small, large = (task.examples(code, "validation", limit=n, seed=seed) for n in (limit, limit + more))
    assert large[:limit] == small and len({e.id for e in large}) == len(large)


def test_match_choices():
    task = load_task("udhr-match")
    assert "en" not in task.languages and task.labels == ()
    for code in ("de", "quc", "zh", "vai"):
        for split in SPLITS:
            for e in task.examples(code, split):
                assert e.output in e.choices and len(set(e.choices)) == 4
    german, georgian = ({e.id: e.choices.index(e.output) for e in task.examples(code, "test")} for code in ("de", "ka"))
    assert german == georgian and set(german.values()) == {0, 1, 2, 3}


def test_names_and_texts():
    names = load_task("emoji-name")
    assert (
        names.kind == "generation"
        and names.labels == ()
        and all(e.input and e.output for e in names.examples("yo", "train"))
    )
    assert len(udhr_texts("en")) > 50 and udhr_texts("en")[0].startswith("Whereas recognition")
    with pytest.raises(UnknownNameError, match="language of the Declaration"):
        udhr_texts("xx")


def test_label_words(topics):
    assert (
        topics.label_words("sw")
        == topics.label_words("en")
        == ("smileys", "people", "animals", "food", "travel", "activities", "objects", "symbols")
    )
    assert topics.label_words("en", "native") == topics.label_words("en")
    native = [code for code in topics.languages if code in topics.words]
    assert len(native) >= 100
    for code in native:
        assert len(set(topics.label_words(code, "native"))) == 8
    with pytest.raises(DataError, match="no label words in xh"):
        topics.label_words("xh", "native")
    with pytest.raises(UnknownNameError, match="kind of label words"):
        topics.label_words("sw", "swahili")


def test_data_table():
    rows = {row["name"]: row for row in data_table()}
    assert tuple(rows) == task_names()
    assert (
        rows["emoji-topic"]["languages"] >= 110
        and rows["emoji-topic"]["items"] > 1300
        and not rows["emoji-topic"]["needs_hub"]
    )
    assert rows["sib200"]["needs_hub"] and all(row["licence"] and row["source"] for row in rows.values())


# ---- damaged shipped data


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    for file in ("emoji_items.parquet", "manifest.json"):
        (tmp_path / file).write_bytes((DATA / file).read_bytes())
    with open(tmp_path / "emoji_items.parquet", "r+b") as stream:
        stream.seek(1000), stream.write(b"\0\0\0")
    with pytest.raises(DataError, match=r"emoji_items.parquet \(changed\)"):
        verify_data(tmp_path)
    with pytest.raises(DataError, match=r"udhr_texts.parquet \(missing\)"):
        verify_data(tmp_path)
    monkeypatch.setattr(shipped_data, "package_folder", lambda name: tmp_path)
    shipped_data.shipped_table.cache_clear()
    with pytest.raises(DataError, match="SHA-256 differs"):
        shipped_data.shipped_table("emoji_items.parquet")
    with pytest.raises(DataError, match="does not exist"):
        shipped_data.shipped_table("udhr_texts.parquet")
    shipped_data.shipped_table.cache_clear()


def test_whole_data_verify():
    assert set(verify_data()) == set(FILES)


# ---- a user's own data

GOOD = "text,topic,lang\npaka,animal,sw\ntembo,animal,sw\nchai,food,sw\nmkate,food,sw\nKatze,animal,de\nTee,food,de\n"
ROLES = {"input": "text", "output": "topic", "language": "lang"}
BAD = {
    "missing columns": (GOOD, {}, r"lacks the column\(s\) input, output; it has text, topic, lang"),
    "a mapped column is missing": (GOOD, {"columns": ROLES | {"output": "label"}}, r"lacks the column\(s\) label"),
    "empty table": ("text,topic,lang\n", {"columns": ROLES}, "has no rows"),
    "empty file": ("", {"columns": ROLES}, "has no rows"),
    "label outside the set": (
        GOOD,
        {"columns": ROLES, "labels": ["animal", "drink"]},
        "the label 'food' is outside the set animal, drink",
    ),
    "empty input": ("input,output\n,animal\n", {"language": "sw"}, "row 1: the input is empty"),
    "empty output": ("input,output\npaka,\n", {"language": "sw"}, "row 1: the output is empty"),
    "no language": ("input,output\npaka,animal\n", {}, "does not say its language"),
    "unknown language": (GOOD.replace("sw", "swx"), {"columns": ROLES}, "Unknown language 'swx'"),
    "unknown split": ("input,output,split\npaka,animal,trian\n", {"language": "sw"}, "the split 'trian' is none of"),
    "unknown role": (GOOD, {"columns": {"inputs": "text"}}, "Unknown column role 'inputs'"),
    "unknown option": (GOOD, {"colums": ROLES}, "Unknown option of the task .* 'colums'. Did you mean columns"),
    "unknown kind": (GOOD, {"columns": ROLES, "kind": "choose"}, "Unknown kind of task 'choose'"),
    "output is no choice": (
        "input,output,a,b\n1+1,2,3,4\n",
        {"language": "en", "columns": {"choices": ["a", "b"]}},
        "none of its choices 3, 4",
    ),
    "choices in one text column": (
        "input,output,a\n1+1,2,2\n",
        {"language": "en", "columns": {"choices": "a"}},
        "must be a column of lists",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_table_is_one_clear_line(case, tmp_path):
    content, options, expected = BAD[case]
    (tmp_path / "mine.csv").write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=expected) as caught:
        load_task(tmp_path / "mine.csv", **options)
    assert len(str(caught.value).splitlines()) == 1


DAMAGED = {
    "half.parquet": (DATA / "udhr_items.parquet").read_bytes()[:3000],
    "no.parquet": b"",
    "folder": None,
    "latin.csv": "input,output\nK\xe4se,food\n".encode("latin-1"),
    "half.jsonl": b'{"input": "a", "output": "b"}\n{"input": "c", "out',
}


@pytest.mark.parametrize("name,content", DAMAGED.items())
def test_damaged_file_is_named(name, content, tmp_path):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=f"{name}.* cannot be read|{name} has no rows"):
        load_task(path, language="de")


def test_unknown_names(tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown task 'emoji-topik'. Did you mean emoji-topic"):
        load_task("emoji-topik")
    with pytest.raises(DataError, match="mine.csv does not exist"):
        load_task(tmp_path / "mine.csv")
    (tmp_path / "mine.docx").write_text("x")
    with pytest.raises(DataError, match="of no known kind"):
        load_task(tmp_path / "mine.docx")
    with pytest.raises(UnknownNameError, match="Unknown option of the task emoji-name"):
        load_task("emoji-name", keywords=3)
    task = load_task("emoji-topic")
    with pytest.raises(UnknownNameError, match="Unknown split 'dev'"):
        task.examples("sw", "dev")
    with pytest.raises(UnknownNameError, match="Unknown language of the task emoji-topic 'quz'"):
        task.examples("quz", "test")


def test_all_formats_give_the_same_task(tmp_path):
    import io

    datasets = pytest.importorskip("datasets")
    frame = pd.read_csv(io.StringIO(GOOD))
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "a.parquet")
    datasets.Dataset.from_pandas(frame).save_to_disk(tmp_path / "a")
    tasks = [load_task(tmp_path / name, columns=ROLES) for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet", "a")]
    for task in tasks:
        assert (task.kind, task.labels, task.languages) == ("choice", ("animal", "food"), ("de", "sw"))
        assert [task.examples("sw", split) for split in SPLITS] == [tasks[0].examples("sw", split) for split in SPLITS]
    assert load_task(tmp_path / "a.csv", columns=ROLES, labels=["food", "animal"]).labels == ("food", "animal")
    assert load_task(tmp_path / "a.csv", columns=ROLES, kind="generation").labels == ()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("abcdéग象", min_size=1, max_size=6),
            st.sampled_from(["x", "y"]),
            st.sampled_from(["de", "sw", "zh"]),
        ),
        min_size=4,
        max_size=40,
    )
)
def test_own_items_are_dealt_to_one_split_each(rows):
    frame = pd.DataFrame(rows, columns=["input", "output", "language"])
    task = tables.own_task("mine", "table", lambda source, config: frame, kind="choice")
    seen = {}
    for code in task.languages:
        for split in SPLITS:
            for example in task.examples(code, split):
                assert seen.setdefault(example.id, split) == split
                assert unicodedata.is_normalized("NFC", example.input) and example.output in task.labels


# ---- the Hub


def test_hub_without_network(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def unreachable(*arguments, **options):
        raise ConnectionError("Couldn't reach the Hub\nwith more lines")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr(datasets, "get_dataset_config_names", unreachable)
    for name, options in [("sib200", {}), ("xnli", {}), ("xcopa", {}), ("owner/data", {"language": "sw"})]:
        with pytest.raises(ResourceError, match="needs a network") as caught:
            load_task(name, **options)
        assert len(str(caught.value).splitlines()) == 1


def test_hub_data_set_by_name(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def part(split):
        return datasets.Dataset.from_dict({"text": [f"{split} {n}" for n in range(4)], "label": ["a", "b"] * 2})

    parts = datasets.DatasetDict({split: part(split) for split in ("train", "dev", "test")})
    monkeypatch.setattr(datasets, "load_dataset", lambda repository, config: parts)
    task = load_task("owner/news", columns={"input": "text", "output": "label"}, language="sw")
    assert task.name == "news" and [e.input for e in task.examples("sw", "validation")] == [
        f"dev {n}" for n in range(4)
    ]


def test_only_known_hub_configurations_become_languages(monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(
        datasets,
        "get_dataset_config_names",
        lambda repository: ["swh_Latn", "zho_Hant", "arb_Latn", "zzz_Latn", "srp_Cyrl"],
    )
    assert load_task("sib200").languages == ("sr", "sw", "zh-Hant")


# ---- how the data are made


def test_the_build_notebooks_name_every_source():
    notebooks = sorted((Path(DATA).parent / "nbs" / "data").glob("build_*.ipynb"))
    if not notebooks:
        pytest.skip("the package is installed without its notebooks")
    text = "".join(
        "".join(cell["source"])
        for notebook in notebooks
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    )
    packages = {source["package"] for entry in FILES.values() for source in entry["sources"]}
    for name in packages:
        assert name in text
