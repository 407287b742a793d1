"""The task suite: enough tasks in enough languages, roles that do not overlap, and concepts that stay in one split."""

import hashlib
import unicodedata
from collections import Counter

import pytest

from xicl_study.files import package_folder, read_parquet
from xicl_study.tasks.languages import languages
from xicl_study.tasks.load_task import data_table, load_task
from xicl_study.tasks.shipped_data import manifest
from xicl_study.tasks.shipped_tasks import SHIPPED_TASKS, task_files
from xicl_study.tasks.task import SPLITS
from xicl_study.tasks.task_suite import (
    SUITE_TASKS,
    class_roles,
    concept_of,
    unseen_languages,
    suite_facts,
    suite_tasks,
)

DATA = package_folder("data")
FILES = [file for file in manifest()["files"] if file.startswith("suite")]
NAMES = [task.name for task in suite_tasks()]
HELD_OUT = [code for role in ("validation", "test") for code in unseen_languages(role)]


def test_ten_choice_tasks_in_a_hundred_languages():
    made = [load_task(name) for name in SHIPPED_TASKS]
    assert sum(task.kind == "choice" and bool(task.labels) and len(task.languages) >= 100 for task in made) >= 10
    assert set(SUITE_TASKS) < set(NAMES) <= set(SHIPPED_TASKS)


def test_no_concept_is_in_two_splits_over_all_tasks():
    items = read_parquet(DATA / "suite_items.parquet")
    assert set(items["task"]) == set(NAMES)
    assert items.groupby("concept")["split"].nunique().max() == 1
    assert not items.duplicated(["task", "item"]).any()
    shares = items.drop_duplicates("concept")["split"].value_counts(normalize=True)
    assert abs(shares["train"] - 0.5) < 0.05 and abs(shares["test"] - 0.3) < 0.05


def test_items_of_the_older_tasks_are_the_same():
    for name in ("emoji-topic", "udhr-topic"):
        items = read_parquet(DATA / "suite_items.parquet")
        own, task = items[items["task"] == name], load_task(name)
        for split in SPLITS:
            assert list(own["item"][own["split"] == split]) == list(task.items(split))


def test_related_items_share_a_concept():
    kenya = [("country-continent", "KE"), ("city-continent", "Africa/Nairobi"), ("currency-continent", "KES")]
    assert len({concept_of(*pair) for pair in kenya}) == 1
    assert concept_of("unit-quantity", "length-meter") == concept_of("unit-quantity", "speed-kilometer-per-hour")
    assert concept_of("country-continent", "KP") == concept_of("country-continent", "KR")  # two Koreas
    assert concept_of("language-continent", "crm") == concept_of("language-continent", "csw")  # Moose Cree, Swampy Cree
    assert concept_of("currency-continent", "XOF") == "currency:XOF"
    assert concept_of("emoji-subgroup", "1f418") == concept_of("emoji-topic", "1f418")


def test_roles_of_tasks():
    by_role = {role: {task.name for task in suite_tasks(role)} for role in ("train", "validation", "test", "old")}
    assert all(by_role.values()) and sum(map(len, by_role.values())) == len(NAMES)
    assert "emoji-topic" in by_role["old"] and "udhr-topic" in by_role["test"]
    for task in suite_tasks():
        assert task.question.endswith("?") and task.definition.endswith(".") and "\n" not in task.definition


def test_roles_of_classes():
    seen = {}
    for task in suite_tasks("train"):
        for label, role in class_roles(task.name).items():
            assert role in SPLITS and seen.setdefault(label, role) == role  # one class, one role, in every task
    assert set(seen.values()) == set(SPLITS)
    for name in ("emoji-subgroup", "country-subregion", "city-subregion"):
        roles = Counter(class_roles(name).values())
        assert 0.25 < roles["test"] / roles.total() < 0.45 and 0.1 < roles["validation"] / roles.total() < 0.25
    assert all(set(class_roles(task.name).values()) == {"test"} for task in suite_tasks("test"))


def test_subregions_of_a_continent_that_is_kept_are_kept():
    items = read_parquet(DATA / "suite_items.parquet")
    above = items[items["task"] == "country-continent"].set_index("item")["label"]
    for row in items[items["task"] == "country-subregion"].itertuples():
        kept = class_roles("country-continent")[above[row.item]] == "test"
        assert kept == (class_roles("country-subregion")[row.label] == "test"), row


def test_classes_are_large_enough_and_can_be_shown():
    items = read_parquet(DATA / "suite_items.parquet")
    for name in SUITE_TASKS:
        own = items[items["task"] == name]
        assert own["label"].value_counts().min() >= 6
        for split in ("train", "test"):
            assert set(own["label"][own["split"] == split]) == set(class_roles(name))


def test_unseen_languages():
    assert len(set(HELD_OUT)) == len(HELD_OUT) >= 8 and {"ru", "ar"} <= set(unseen_languages("test"))
    for code in HELD_OUT:
        covered = sum(code in load_task(name).languages for name in NAMES)
        assert covered >= 0.7 * len(NAMES), (code, covered)
    for name in SUITE_TASKS:
        assert len(set(load_task(name).languages) - set(HELD_OUT)) >= 90


def test_some_unseen_languages_have_relatives_and_some_have_none():
    trained = Counter(
        entry.family
        for code, entry in languages().items()
        if code not in HELD_OUT and len(set(entry.tasks) & set(SUITE_TASKS)) >= 6
    )
    relatives = {code: trained[languages()[code].family] for code in unseen_languages("test") if code != "eu"}
    assert all(relatives[code] >= 2 for code in ("ru", "ar", "id", "yo")), relatives
    assert relatives["ka"] == relatives["ko"] == 0 and languages()["eu"].family == "unclassified"


@pytest.mark.parametrize("file", FILES)
def test_files_are_what_the_manifest_says(file):
    assert hashlib.sha256((DATA / file).read_bytes()).hexdigest() == manifest()["files"][file]["sha256"]
    assert file in task_files("country-script")


def test_files_are_small_and_the_card_names_every_task():
    assert sum((DATA / file).stat().st_size for file in FILES) < 3e6
    card = (DATA / "suite.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in card for name in NAMES)
    assert "(suite.md)" in (DATA / "README.md").read_text(encoding="utf-8")


def test_texts_are_tidy():
    texts = read_parquet(DATA / "suite_texts.parquet")
    for text in texts["text"]:
        assert text and unicodedata.is_normalized("NFC", text) and text == " ".join(text.split())
    assert not texts.duplicated(["kind", "language", "item"]).any()


@pytest.mark.parametrize("name", SUITE_TASKS)
def test_a_task_loads_and_no_text_has_two_labels(name):
    task = load_task(name)
    assert task.kind == "choice" and task.labels == tuple(class_roles(name))
    assert task.label_words("en") == task.label_words("en", "native")
    assert len({word.casefold() for word in task.label_words("en")}) == len(task.labels)
    for code in task.languages:
        label_of = {}
        for split in SPLITS:
            for example in task.examples(code, split):
                assert label_of.setdefault(example.input.casefold(), example.output) == example.output
        assert len(label_of) >= 0.5 * sum(len(task.items(split)) for split in SPLITS) or name == "emoji-subgroup"
    for code in task.words:
        assert len(task.label_words(code, "native")) == len(task.labels)


def test_sources_of_each_task_are_told():
    rows = {row["name"]: row for row in data_table()}
    assert rows["language-family"]["licence"] == "Unicode-3.0, CC-BY-SA-4.0"
    assert "cldr-units-full" in rows["unit-quantity"]["source"] and suite_facts("unit-quantity").kind == "unit"
