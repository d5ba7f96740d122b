"""What the numbers and codes of a data set's names mean: classes such as ``01`` to expressions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from fesbench.core.errors import DatasetError, UnknownName

from ..expressions import canonical
from .manifest import read_text

Labels = Mapping[str, str]
"""Code, as ``code_key`` writes it, to expression."""


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
        file: A CSV file whose first two columns are the code and the expression; a header is optional.

    Raises:
        DatasetError: a text has another form, a code is given two meanings, an expression is unknown, or the
            file cannot be read or holds no label.
    """
    labels: dict[str, str] = {}
    for place, code, name in [*(_rows(file) if file else ()), *map(_split, stated)]:
        try:
            expression = canonical(name)
        except UnknownName as error:
            raise DatasetError(f"{place}: {error}") from error
        if labels.setdefault(code_key(code), expression) != expression:
            raise DatasetError(f"{place}: {code} already means {labels[code_key(code)]}; give it one meaning")
    return labels


def _split(text: str) -> tuple[str, str, str]:
    code, equals, name = text.partition("=")
    if not (code.strip() and equals and name.strip()):
        raise DatasetError(f"--label {text}: write CODE=EXPRESSION, such as 01=neutral")
    return f"--label {text}", code, name


def _rows(file: Path) -> list[tuple[str, str, str]]:
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
