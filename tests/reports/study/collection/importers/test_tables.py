"""Tables as spreadsheets save them, and files that are no tables."""

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.collection.importers.tables import Record, read_records, read_table

COMMAS = "form_id,trial_id,answer\nF0001,t1,A\n"


def cells(table):
    return [dict(record.cells) for record in table.records]


@pytest.fixture
def read(tmp_path):
    """Read a table with this content."""

    def read_content(content):
        path = tmp_path / "answers.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path)

    return read_content


@pytest.mark.parametrize(
    "content",
    [
        COMMAS,
        COMMAS.replace(",", ";"),
        COMMAS.replace(",", "\t"),
        COMMAS.replace(",", "|"),
        "sep=,\n" + COMMAS,
        '"sep=;"\r\n' + COMMAS.replace(",", ";").replace("\n", "\r\n"),
        COMMAS.replace("\n", ",,\n"),
        '"form_id","trial_id","answer"\n"F0001","t1","A"\n,,\n',
        "\ufeff" + COMMAS,
        ("\ufeff" + COMMAS.replace(",", "\t")).encode("utf-16-le"),
    ],
)
def test_separators_marks_and_trailing_commas_do_not_matter(read, content):
    assert cells(read(content)) == [{"form_id": "F0001", "trial_id": "t1", "answer": "A"}]


def test_the_separator_is_not_taken_from_the_text_of_a_title(read):
    table = read("Timestamp;[t1] Well, which, of, these, is, it?\nnow;A, B\n")
    assert cells(table) == [{"Timestamp": "now", "[t1] Well, which, of, these, is, it?": "A, B"}]


def test_a_header_repeated_where_files_were_joined_is_no_row(read):
    assert cells(read(COMMAS + COMMAS)) == cells(read(COMMAS)) * 2


def test_rows_are_numbered_as_in_a_spreadsheet(read):
    places = [record.place for record in read('a,b\n"two\nlines",1\n,\n3,4\n').records]
    assert places == ["answers.csv, row 2", "answers.csv, row 4"]


def test_cells_without_a_column_are_refused(read):
    with pytest.raises(BenchError, match=r"answers\.csv, row 3 has 4 cells, but there are 3 columns"):
        read(COMMAS + "F0001,t2,A,B\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "Excel workbook or a ZIP archive"),
        (b"\xd0\xcf\x11\xe0rest", r"\.xls"),
        (b"%PDF-1.7", "PDF"),
        (b"<!doctype html>", "web page"),
        (b"SQLite format 3\0", "--platform server"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n\n", "is empty"),
        ("trial_id\né\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_other_formats_are_named(read, content, message):
    with pytest.raises(BenchError, match=rf"answers\.csv.*{message}"):
        read(content)


def test_a_name_that_occurs_twice_stands_for_its_first_cell_with_a_value():
    record = Record("here", [("Code ", ""), ("code", "x"), ("CODE", "y")])
    assert record.text("code") == record.get("Code") == "x"
    assert [value for _, value in record.cells] == ["", "x", "y"]


def test_json_records_are_a_table_with_all_their_names(tmp_path):
    path = tmp_path / "answers.JSON"
    path.write_text('[{"a": 1}, {"b": 0}]')
    table = read_records(path)
    assert table.columns == ("a", "b")
    assert table.records[1].get("b") == 0
    assert table.records[1].place == "answers.JSON, record 2"
