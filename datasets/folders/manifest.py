"""Reading of ``manifest.csv``, an untrusted table of images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fesbench.core.contracts import Problem
from fesbench.core.errors import DatasetError, UnknownName
from fesbench.core.files import read_limited
from fesbench.core.names import composed

from ..expressions import canonical
from ..images import SUFFIXES
from ..splits import SPLIT_FOLDERS, Part
from .listing import relative_path, why_unusable

NAME = "manifest.csv"
REQUIRED = ("path", "subject", "expression")
OPTIONAL = ("domain", "split", "target_path")
MAX_BYTES = 64 * 2**20
MAX_TEXT = 200
RESERVED = ("all", "ood")
"""What tables call the means over domains."""


class _BadRow(Exception):
    """Why a row is left out."""


class Row(NamedTuple):
    """One image of a manifest, its paths checked to lie inside the folder.

    ``target`` is the image to score against when this row's expression is asked of its subject, registered
    with the neutral image more exactly than the row's own image; None where that serves.
    """

    path: str
    subject: str
    expression: str | None
    domain: str | None
    split: Part | None
    target: str | None


def read_manifest(root: Path) -> tuple[list[Row], list[Problem]]:
    """Return the usable rows of ``root/manifest.csv``, and the others with reasons.

    Cells are taken as text; an empty or ``unknown`` expression means that none is stated.

    Raises:
        DatasetError: the file is missing, too large, not UTF-8 or UTF-16 text, lacks a column or has no rows.
    """
    file, root = root / NAME, root.resolve()
    rows: dict[str, Row] = {}
    problems = []
    for line, cells in read_rows(file, REQUIRED):
        try:
            row = _row(root, cells)
            if row.path in rows:
                raise _BadRow("an earlier row has the same image")
            rows[row.path] = row
        except _BadRow as error:
            problems.append(Problem(f"{NAME}:{line}: {cells.get('path') or ''}"[:MAX_TEXT], str(error)))
    return list(rows.values()), problems


def read_rows(file: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str | None]]]:
    """Return the rows of a table that says what is to be done: as ``read_cells``, of which one at least.

    Raises:
        DatasetError: the file holds no rows, or see ``read_cells``.
    """
    rows = read_cells(file, required)
    if not rows:
        raise DatasetError(f"{file} holds no rows beneath its header {','.join(required)}")
    return rows


def read_cells(file: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str | None]]]:
    """Return the rows of an untrusted CSV file: line number, and column name to text.

    Comma, semicolon and tab separate; column names are lower-cased; a row with too many cells has the key
    ``…``.

    Raises:
        DatasetError: the file is missing, too large, not UTF-8 or UTF-16 text, or lacks a column.
    """
    text = read_text(file)
    if "\0" in text:
        raise DatasetError(f"{file} holds a NUL byte, which no path and no label can hold; save it as text")
    return _table(file, text, required)


def read_text(file: Path) -> str:
    """Return the text of an untrusted table.

    Raises:
        DatasetError: the file is missing, too large, or not UTF-8 or UTF-16 text.
    """
    try:
        data = read_limited(file, MAX_BYTES, "split the data set")
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is not UTF-8 text ({error}); save it as CSV UTF-8") from error


def _table(file: Path, text: str, required: Sequence[str]) -> list[tuple[int, dict[str, str | None]]]:
    header = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), restkey="…"
    )
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DatasetError(
            f"{file}, after line {reader.line_num}: {error}; save it again as plain CSV"
        ) from error
    missing = [name for name in required if name not in columns]
    if missing:
        raise DatasetError(
            f"{file} lacks the column {', '.join(missing)}; it has {', '.join(columns) or 'none'}"
        )
    return rows


def _row(root: Path, cells: Mapping[str, str | None]) -> Row:
    if "…" in cells:
        raise _BadRow("more cells than columns; quote cells that hold separators")
    values = {name: _cell(name, cells.get(name)) for name in REQUIRED + OPTIONAL}
    if not values["subject"]:
        raise _BadRow("no subject")
    return Row(
        path=_inside(root, values["path"]),
        subject=values["subject"],
        expression=_expression(values["expression"]),
        domain=_domain(values["domain"]),
        split=_split(values["split"]),
        target=_inside(root, values["target_path"]) if values["target_path"] else None,
    )


def domain_name(text: str) -> str:
    """Return the name of a domain as it is compared: without spaces around it, in lower case.

    Raises:
        DatasetError: it is the name of a mean over domains.
    """
    name = composed(text.strip().lower())
    if name in RESERVED:
        raise DatasetError(
            f"no domain can be called {name!r}, the name of a mean over domains; choose another one, such as "
            "portrait"
        )
    return name


def _domain(value: str) -> str | None:
    try:
        return domain_name(value) or None
    except DatasetError as error:
        raise _BadRow(str(error)) from error


def _cell(name: str, value: str | None) -> str:
    text = composed((value or "").strip())
    if not text.isprintable() or (len(text) > MAX_TEXT and "path" not in name):
        raise _BadRow(f"the {name} holds control characters or is longer than {MAX_TEXT} characters")
    return text


def _inside(root: Path, name: str) -> str:
    if not name:
        raise _BadRow("no path")
    relative = relative_path(root, name)
    if reason := why_unusable(root, relative):
        raise _BadRow(reason)
    if Path(relative).suffix.lower() not in SUFFIXES:
        raise _BadRow("not an image of a format that is read; save it as PNG or JPEG")
    return (root / relative).resolve().relative_to(root).as_posix()


def _expression(value: str) -> str | None:
    if value.lower() in ("", "unknown"):
        return None
    try:
        return canonical(value)
    except UnknownName as error:
        raise _BadRow(str(error)) from error


def _split(value: str) -> Part | None:
    if value and value.lower() not in SPLIT_FOLDERS:
        raise _BadRow(f"unknown split {value!r}; use train, val or test")
    return SPLIT_FOLDERS.get(value.lower())
