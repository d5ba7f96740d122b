"""What the numbers and codes of a data set's names mean: classes such as ``01`` to expressions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import xlrd

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.core.files import read_limited

from ..expressions import canonical
from .manifest import MAX_BYTES, read_text

Labels = Mapping[str, str]
"""Code, as ``code_key`` writes it, to expression."""

Entry = tuple[str, str, str]
"""Where a label is stated, its code, its expression."""


def code_key(code: str) -> str:
    """Return a code in the one way in which codes are compared: ``01`` and ``1`` are the same."""
    text = code.strip().casefold()
    return str(int(text)) if text.isascii() and text.isdecimal() else text


def expression_of(text: str, labels: Labels) -> str:
    """Return the expression that a part of a path names, by the labels first, then by its word.

    Raises:
        UnknownName: it is neither.
    """
    return labels.get(code_key(text)) or canonical(text)


def parse_labels(stated: Iterable[str], file: Path | None = None) -> dict[str, str]:
    """Return the labels of a table and of texts such as ``01=neutral``.

    Args:
        stated: Texts of the form code, equals sign, expression.
        file: A CSV file whose first two columns are the code and the expression; a header is optional. Or an
            Excel 97 workbook (.xls): see ``_workbook_rows``.

    Raises:
        DatasetError: a text has another form, a code is given two meanings, an expression is unknown, or the
            file cannot be read or holds no label.
    """
    labels: dict[str, str] = {}
    for place, code, name in [*(_table(file) if file else ()), *map(_split, stated)]:
        try:
            expression = canonical(name)
        except UnknownName as error:
            raise DatasetError(f"{place}: {error}") from error
        if labels.setdefault(code_key(code), expression) != expression:
            raise DatasetError(f"{place}: {code} already means {labels[code_key(code)]}; give it one meaning")
    return labels


def _split(text: str) -> Entry:
    code, equals, name = text.partition("=")
    if not (code.strip() and equals and name.strip()):
        raise DatasetError(f"--label {text}: write CODE=EXPRESSION, such as 01=neutral")
    return f"--label {text}", code, name


def _table(file: Path) -> list[Entry]:
    return list(_workbook_rows(file)) if file.suffix.lower() == ".xls" else _rows(file)


def _workbook_rows(file: Path) -> Iterator[Entry]:
    """Yield the code and the expression of each row that holds a whole number and the name of an expression.

    Only the sheet ``summary`` is read where there is one: CFEE's ``AU_annotation_all_subjects.xls`` has it.
    """
    try:
        book = xlrd.open_workbook(file_contents=read_limited(file, MAX_BYTES, "save the sheet as CSV"))
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
    except Exception as error:  # xlrd raises what a damaged file makes of its parser
        raise DatasetError(f"{file} is not a readable .xls workbook ({error}); save it as CSV") from error
    named = [sheet for sheet in book.sheets() if sheet.name.strip().lower() == "summary"]
    count = 0
    for sheet in named or book.sheets():
        for line in range(sheet.nrows):
            cells = sheet.row_values(line)
            code = next((str(int(cell)) for cell in cells if _is_whole(cell)), None)
            name = next((cell for cell in cells if isinstance(cell, str) and _is_expression(cell)), None)
            if code and name:
                count += 1
                yield f"{file}, sheet {sheet.name}, row {line + 1}", code, name
    if not count:
        raise DatasetError(f"{file}: no row holds a number and the name of an expression; save it as CSV")


def _is_whole(cell: Any) -> bool:
    """Return whether a cell is a class number: a whole number, written as such or as text."""
    return (isinstance(cell, float) and cell.is_integer() and cell > 0) or (
        isinstance(cell, str) and cell.strip().isdecimal()
    )


def _rows(file: Path) -> list[Entry]:
    text = read_text(file)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = [
        (f"{file}:{line}", row[0], row[1])
        for line, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1)
        if len(row) > 1 and row[0].strip() and row[1].strip()
    ]
    if rows and not _is_expression(rows[0][2]):
        rows = rows[1:]  # a header
    if not rows:
        raise DatasetError(f"{file} holds no labels; its first two columns are the code and the expression")
    return rows


def _is_expression(name: str) -> bool:
    try:
        return bool(canonical(name))
    except UnknownName:
        return False
