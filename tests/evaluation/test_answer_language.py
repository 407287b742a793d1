"""The language of an answer: odd answers have a verdict too, and wrong tables are named."""

import pandas as pd
import pytest

from xicl_study.errors import DataError, UnknownNameError
from xicl_study.evaluation.answer_language import answer_language_table, identifier_languages, judge_answer_language

STUDY = "da nl en fr de it es gl ga mt cy sv pt fi sw hi ar zh tr yo".split()


def test_the_identifier_covers_the_study():
    assert set(STUDY) <= identifier_languages()


@pytest.mark.parametrize(
    "answer,language,expected",
    [
        ("The house is very large and old.", "yo", False),
        ("", "de", None),
        ("\n \t", "de", None),
        ("7", "zh", None),
        ("\ud83d", "de", None),
        ("Katze", "ar", False),
        ("قطة", "ar", True),
        ("�", "hi", None),
    ],
)
def test_odd_answers_have_a_verdict(answer, language, expected):
    assert judge_answer_language(answer, language, STUDY).in_language is expected


def test_the_table_of_no_or_wrong_answers():
    with pytest.raises(DataError, match="no answers to judge"):
        answer_language_table(pd.DataFrame({"language": [], "answer": []}))
    with pytest.raises(UnknownNameError, match="language 'xx'"):
        answer_language_table(pd.DataFrame({"language": ["xx"], "answer": ["a"]}))
    table = answer_language_table(pd.DataFrame({"language": ["de", "de"], "answer": ["", "3"]}))
    assert table["n"].tolist() == [0] and table["no_letters"].tolist() == [2] and table["share"].isna().all()
