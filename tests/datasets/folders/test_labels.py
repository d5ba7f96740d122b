"""What numbers and codes mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from fesbench.core.errors import DatasetError
from fesbench.datasets.folders.labels import parse_labels


def test_labels_are_stated_one_by_one():
    assert parse_labels(["01=neutral", "HA = Happiness"]) == {"1": "neutral", "ha": "happy"}


@pytest.mark.parametrize(
    "text",
    [
        "01,neutral\n2,Happy\n",
        "code,expression\n1,neutral\n02,happy\n",
        "\ufeffNr;Name;x\n1;Neutral;\n2;joy;\n",
    ],
)
def test_a_table_of_labels(tmp_path, text):
    file = tmp_path / "labels.csv"
    file.write_text(text, encoding="utf-8")
    assert parse_labels([], file) == {"1": "neutral", "2": "happy"}


@pytest.mark.parametrize(
    ("stated", "text", "message"),
    [
        (["neutral"], "1,sad", "CODE=EXPRESSION"),
        (["=sad"], "1,sad", "CODE=EXPRESSION"),
        (["1=hapy"], "1,sad", "Did you mean happy"),
        (["01=happy"], "1,sad", "01 already means sad"),
        ([], "code,expression\n", "holds no labels"),
        ([], "a,sad\nb,glad\n", r"labels\.csv:2: .*glad"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, stated, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(DatasetError, match=message):
        parse_labels(stated, file)


WORKBOOK = Path(__file__).parents[2] / "data" / "tables" / "classes.xls"


def test_a_workbook_names_classes_in_its_summary():
    assert parse_labels([], WORKBOOK) == {
        "1": "neutral",
        "2": "happy",
        "4": "sad",
        "13": "sadly-surprised",
        "14": "sadly-disgusted",
    }


def test_a_damaged_workbook_is_refused_by_name(tmp_path):
    file = tmp_path / "classes.xls"
    file.write_bytes(WORKBOOK.read_bytes()[:3000])
    with pytest.raises(DatasetError, match=r"classes\.xls is not a readable \.xls workbook(.|\n)*CSV"):
        parse_labels([], file)
