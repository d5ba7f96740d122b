"""Expressions as action units (AUs): a table of prototypes, and OpenFace's measurements of photos.

A vector of units holds the seventeen intensities of OpenFace 2.0 (Baltrusaitis et al., FG 2018) in its
order, divided by 5: 0 is absent, 1 the strongest. Files hold OpenFace's own 0 to 5, in columns ``AU01_r`` …
``AU45_r``. Only CSV is read: the pickle that GANimation's official code makes of it could run code.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fesbench.core.errors import DatasetError
from fesbench.core.files import written_whole
from fesbench.datasets.expressions import canonical, in_order
from fesbench.datasets.folders.manifest import read_cells
from fesbench.datasets.rendered.action_units import (
    AU_NUMBERS,
    EXPRESSIONS,
    HIGH_INTENSITY,
    LOW_INTENSITY,
    PROTOTYPES,
)

Units = NDArray[np.float32]
"""(17,) float32 in 0..1."""

COLUMNS = tuple(f"AU{number:02d}_r" for number in AU_NUMBERS)
"""OpenFace's column names of the intensities."""

STRONGEST = 5.0
"""The top of OpenFace's scale."""


def prototypes() -> dict[str, Units]:
    """Return the mean units of each basic expression, neutral first.

    EMFACS (Ekman & Friesen 1983) lists the units of an expression; a unit that only some people show is
    weighted by their share (Du, Tao & Martinez 2014, PNAS 111(15), table 1). The intensity is the mean of the
    rendered faces' intensities (``datasets.rendered.action_units``).
    """
    return {expression: _mean_units(expression) for expression in EXPRESSIONS}


def _mean_units(expression: str) -> Units:
    core, optional = PROTOTYPES[expression]
    shown = core | {number: share * value for number, (share, value) in optional.items()}
    strength = (LOW_INTENSITY + HIGH_INTENSITY) / 2
    return np.array([strength * shown.get(number, 0.0) for number in AU_NUMBERS], np.float32)


def read_openface(path: Path) -> dict[str, Units]:
    """Read the units that OpenFace measured, by the name of the image.

    Args:
        path: A folder with one CSV file for each image, named like it, as OpenFace's ``FaceLandmarkImg``
            writes them (of several faces, the first counts; images without a face are left out); or one CSV
            file for all images, with their names, without suffix, in a column ``image``.

    Raises:
        DatasetError: not CSV, a column is missing, or an intensity is not a number from 0 to 5.
    """
    if not path.is_dir():
        return dict(_read_table(path, "image"))
    files = sorted(path.glob("*.csv"))
    if not files:
        raise DatasetError(f"{path} holds no .csv file; it needs one for each image, as OpenFace writes them")
    measured = {file.stem: read_cells(file, _lower(COLUMNS))[:1] for file in files}
    return {name: _units(path / f"{name}.csv", *rows[0]) for name, rows in measured.items() if rows}


def prototypes_from_openface(path: Path, labels: Mapping[str, str]) -> dict[str, Units]:
    """Return the mean units of each expression over the images of a training set.

    Args:
        path: See ``read_openface``.
        labels: Expression of each image by its name without suffix; other images are ignored.

    Raises:
        DatasetError: see ``read_openface``; also when no image has a label.
        UnknownName: there is no such expression.
    """
    measured = read_openface(path)
    shown = [(labels[name], units) for name, units in measured.items() if name in labels]
    if not shown:
        examples = ", ".join(list(measured)[:3])
        raise DatasetError(f"no image of {path} has a label; its images are {examples} …")
    return _means(shown)


def read_prototypes(file: Path) -> dict[str, Units]:
    """Read a table with a column ``expression`` and OpenFace's columns; average rows of one expression.

    Raises:
        DatasetError: not CSV, empty, a column is missing, or an intensity is not a number from 0 to 5.
        UnknownName: there is no such expression.
    """
    rows = _read_table(file, "expression")
    if not rows:
        raise DatasetError(f"{file} has no row; it needs one for each expression")
    return _means(rows)


def write_prototypes(table: Mapping[str, Units], file: Path) -> None:
    """Write a table for ``read_prototypes``, to three decimals of OpenFace's scale."""
    with written_whole(file) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("expression", *COLUMNS))
        for expression, units in table.items():
            writer.writerow((expression, *(f"{STRONGEST * value:.3f}" for value in units.tolist())))


def _means(rows: list[tuple[str, Units]]) -> dict[str, Units]:
    shown: dict[str, list[Units]] = {}
    for expression, units in rows:
        shown.setdefault(canonical(expression), []).append(units)
    return {name: np.stack(shown[name]).mean(axis=0, dtype=np.float32) for name in in_order(shown)}


def _read_table(file: Path, key: str) -> list[tuple[str, Units]]:
    if not file.is_file() or file.suffix.lower() != ".csv":
        raise DatasetError(
            f"{file} is no CSV file, and action units are read from nothing else: a pickle could run code. "
            f"Write them as a table with the columns {key}, {COLUMNS[0]} … {COLUMNS[-1]}"
        )
    rows = read_cells(file, (key, *_lower(COLUMNS)))
    return [((cells[key] or "").strip(), _units(file, line, cells)) for line, cells in rows]


def _units(file: Path, line: int, cells: Mapping[str, str | None]) -> Units:
    return np.array([_intensity(file, line, name, cells[name]) for name in _lower(COLUMNS)], np.float32)


def _intensity(file: Path, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not 0 <= value <= STRONGEST:
        raise DatasetError(f"{file}:{line}: {column} is {(text or '')[:40]!r}, not a number from 0 to 5")
    return value / STRONGEST


def _lower(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in columns)
