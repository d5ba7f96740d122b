"""Read untrusted tables and JSON files of answers.

The size, rows and cells of files are limited, and nothing in them is evaluated. Columns are found by name,
apart from case, so that their order, and further columns, do not matter.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fesbench.core.errors import BenchError
from fesbench.core.files import read_limited

LARGEST = 64 * 2**20
"""Largest size of a file in bytes."""
MOST_ROWS = 1_000_000
_EXPORT = "open it in a spreadsheet and save it as CSV (UTF-8)"
_OTHER_FORMATS = {
    b"PK\x03\x04": f"an Excel workbook or a ZIP archive: unpack it, or {_EXPORT}",
    b"\xd0\xcf\x11\xe0": f"an Excel workbook (.xls): {_EXPORT}",
    b"%PDF": "a PDF file: export the answers as CSV",
    b"SQLite format 3\0": "an SQLite database: give --platform server if `bench study serve` wrote it",
    b"<": "a web page or an XML file: download the answers again as CSV",
}
"""The first bytes of files that are given instead of tables, and what to do with them."""
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n])"?\r?\n', re.IGNORECASE)
"""The line by which Excel is told the separator of a table."""
_FIRST_CELL = re.compile(r'\s*(?:"(?:[^"]|"")*"|[^",;\t|\r\n]*)(?P<separator>[,;\t|])')


def folded(name: str) -> str:
    """Return the name of a column in lower case, with underscores for spaces."""
    return name.strip().casefold().replace(" ", "_")


class Record:
    """A row of a table or a JSON object.

    ``cells`` are its names and values in order. A name that occurs several times stands for its first cell
    that is not empty. ``place`` says where the record is, for messages.
    """

    def __init__(self, place: str, cells: Iterable[tuple[str, Any]]) -> None:
        self.place, self.cells = place, tuple(cells)
        self._values: dict[str, Any] = {}
        for name, value in self.cells:
            if self._values.get(folded(name)) in (None, ""):
                self._values[folded(name)] = value

    def __contains__(self, name: str) -> bool:
        return folded(name) in self._values

    def get(self, *names: str) -> Any:
        """Return the value of the first of these names that is not empty; None if there is none."""
        values = (self._values.get(folded(name)) for name in names)
        return next((value for value in values if value is not None and value != ""), None)

    def text(self, *names: str) -> str:
        """Return the stripped text of the first of these names that is not empty."""
        values = (self._values.get(folded(name)) for name in names)
        return next((text for value in values if value is not None and (text := str(value).strip())), "")


@dataclass(frozen=True)
class Table:
    """The records of a file, and the names of its columns as they are written there."""

    path: Path
    columns: tuple[str, ...]
    records: tuple[Record, ...]


def read_text(path: Path) -> str:
    """Read the text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        BenchError: it is missing, too large, empty, in another encoding or no text.
    """
    try:
        content = read_limited(path, LARGEST, "give the answers in parts")
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from error
    for start, what in _OTHER_FORMATS.items():
        if content.removeprefix(codecs.BOM_UTF8).startswith(start):
            raise BenchError(f"{path} is {what}")
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{path} is not UTF-8 text (byte {error.start}): export it again as UTF-8"
        ) from error
    if "\0" in text:
        raise BenchError(f"{path} holds NUL characters, so it is not a table: export it again as CSV")
    if not text.strip():
        raise BenchError(f"{path} is empty: export it again")
    return text


_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(path: Path) -> Table:
    """Read a table whose cells are separated by commas, semicolons, tabs or bars.

    The first row, after a line such as ``sep=;`` if there is one, names the columns. Rows without any value,
    and headers repeated where files were joined, are left out; missing cells are empty. Rows are numbered as
    in a spreadsheet, the header being row 1.

    Raises:
        BenchError: see ``read_text``; or there are too many rows, cells without a column or an unclosed cell.
    """
    text, separator = _separated(read_text(path))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = tuple(name.strip() for name in next(reader, ()))
        records = []
        for number, cells in enumerate(reader, start=2):
            if any(cell.strip() for cell in cells[len(columns) :]):
                raise BenchError(
                    f"{path}, row {number} has {len(cells)} cells, but there are {len(columns)} columns: put "
                    "quotes around cells that contain the separator"
                )
            if any(cells) and tuple(cell.strip() for cell in cells) != columns:
                records.append(_record(path, number, columns, cells))
            if len(records) > MOST_ROWS:
                raise BenchError(f"{path} has more than {MOST_ROWS} rows: give the answers in parts")
    except csv.Error as error:
        raise BenchError(f"{path}, line {reader.line_num}: {error}") from error
    return Table(path, tuple(name for name in columns if name), tuple(records))


def _separated(text: str) -> tuple[str, str]:
    """Return the table in a text, and the character that separates its cells."""
    told = _SEPARATOR_LINE.match(text)
    if told:
        return text[told.end() :], told["separator"]
    found = _FIRST_CELL.match(text)
    return text, found["separator"] if found else ","


def _record(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> Record:
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    named = ((name, cell) for name, cell in zip(columns, padded, strict=False) if name)
    return Record(f"{path.name}, row {number}", named)


def read_json(path: Path, text: str) -> Any:
    """Parse JSON.

    Raises:
        BenchError: the text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path} is not readable as JSON: {error}") from error


def read_records(path: Path) -> Table:
    """Read a table, a JSON list or JSON lines, by the suffix of the file.

    Raises:
        BenchError: see ``read_table`` and ``read_json``; or the JSON holds values that are not objects.
    """
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        contents = [read_json(path, line) for line in lines[: MOST_ROWS + 1]]
    elif suffix == ".json":
        content = read_json(path, read_text(path))
        contents = content if isinstance(content, list) else [content]
    else:
        return read_table(path)
    if len(contents) > MOST_ROWS or not all(isinstance(one, dict) for one in contents):
        raise BenchError(f"{path} must hold at most {MOST_ROWS} JSON objects")
    return table_of(path, contents)


def table_of(path: Path, contents: Iterable[dict[str, Any]]) -> Table:
    """Return objects that were read from a file as a table."""
    records = tuple(
        Record(f"{path.name}, record {number}", content.items())
        for number, content in enumerate(contents, start=1)
    )
    columns = dict.fromkeys(name for record in records for name, _ in record.cells)
    return Table(path, tuple(columns), records)
