"""Expressions as action units (AUs): a table of prototypes, and OpenFace's measurements of photos.

A vector of units holds the seventeen intensities of OpenFace 2.0 (Baltrusaitis et al., FG 2018) in its
order, divided by 5: 0 is absent, 1 the strongest. Files hold OpenFace's own 0 to 5, in columns ``AU01_r`` …
``AU45_r``. Only CSV is read: the pickle that GANimation's official code makes of it could run code.

Rows that OpenFace marks as failed (``success`` is 0) or is not sure of (``confidence`` below
``LEAST_CONFIDENCE``) are left out; of several rows for one image, the surest counts.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fesbench.core.contracts import Dataset, Problem, Sample
from fesbench.core.errors import DatasetError
from fesbench.core.files import file_digest, written_whole
from fesbench.core.plurals import counted

from .expressions import EXPRESSIONS as NAMES
from .expressions import canonical, in_order, known_name
from .folders.manifest import read_cells
from .images import SUFFIXES
from .rendered.action_units import AU_NUMBERS, EXPRESSIONS, HIGH_INTENSITY, LOW_INTENSITY, PROTOTYPES

Units = NDArray[np.float32]
"""(17,) float32 in 0..1."""

COLUMNS = tuple(f"AU{number:02d}_r" for number in AU_NUMBERS)
"""OpenFace's column names of the intensities."""

STRONGEST = 5.0
"""The top of OpenFace's scale."""

LEAST_CONFIDENCE = 0.75
"""OpenFace's confidence, 0 to 1, below which a face is left out; our choice."""


class Measurements(NamedTuple):
    """What OpenFace measured.

    Attributes:
        units: By the name of the image: its path inside the folder, without suffix.
        left_out: The rows that are not used, and files without a row, with reasons.
    """

    units: Mapping[str, Units]
    left_out: Sequence[Problem]


class ExpressionUnits(NamedTuple):
    """The action units that ask for each expression, and in words where they come from."""

    units: Mapping[str, Units]
    origin: str


class _Row(NamedTuple):
    """One row of a table, with what it is about: an image or an expression."""

    about: str
    file: Path
    line: int
    cells: Mapping[str, str | None]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def failure(self) -> str:
        """Return why the row is left out; empty where it is used."""
        if not self._number("success", 1.0) >= 1:
            return "OpenFace failed (success is not 1)"
        if not self.confidence() >= LEAST_CONFIDENCE:
            return f"OpenFace is not sure of the face (confidence {self.confidence():g})"
        return ""

    def confidence(self) -> float:
        """Return OpenFace's confidence; 1 where the table has no such column."""
        return self._number("confidence", 1.0)

    def units(self) -> Units:
        """Return the intensities."""
        found = [self._intensity(name) for name in _lower(COLUMNS)]
        return np.array(found, np.float32)

    def _intensity(self, column: str) -> float:
        value = self._number(column, np.nan)
        if not 0 <= value <= STRONGEST:
            text = (self.cells[column] or "")[:40]
            raise DatasetError(f"{self.place}: {column} is {text!r}, not a number from 0 to 5")
        return value / STRONGEST

    def _number(self, column: str, default: float) -> float:
        """Return the number in a cell, ``default`` where there is no such column, NaN where it is none."""
        try:
            return float(self.cells[column] or "") if column in self.cells else default
        except ValueError:
            return float("nan")


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
    """Read the units that OpenFace measured, by the name of the image; see ``read_measurements``."""
    return dict(read_measurements(path).units)


def read_measurements(path: Path) -> Measurements:
    """Read what OpenFace measured.

    Args:
        path: A folder with one CSV file for each image, named like it and in the same subfolder, as
            OpenFace's ``FaceLandmarkImg`` writes them; or one CSV file for all images, with their names in a
            column ``image``.

    Raises:
        DatasetError: not CSV, a column is missing, or an intensity is not a number from 0 to 5.
    """
    if not path.is_dir():
        rows = _read_table(path, "image")
        return _surest([row._replace(about=_bare(row.about)) for row in rows], [])
    files = sorted(path.rglob("*.csv"))
    if not files:
        raise DatasetError(f"{path} holds no .csv file; it needs one for each image, as OpenFace writes them")
    rows, empty = [], []
    for file in files:
        name = file.relative_to(path).with_suffix("").as_posix()
        found = [_Row(name, file, *row) for row in read_cells(file, _lower(COLUMNS))]
        rows += found
        empty += [] if found else [Problem(str(file), "OpenFace found no face")]
    return _surest(rows, empty)


def _surest(rows: Sequence[_Row], left_out: list[Problem]) -> Measurements:
    """Return the surest row of each image, the first of several alike."""
    left_out += [Problem(row.place, reason) for row in rows if (reason := row.failure())]
    best: dict[str, _Row] = {}
    for row in rows:
        known = best.get(row.about)
        if not row.failure() and (known is None or row.confidence() > known.confidence()):
            best[row.about] = row
    return Measurements({name: row.units() for name, row in best.items()}, left_out)


def of_samples(measured: Mapping[str, Units], samples: Sequence[Sample]) -> dict[str, Units]:
    """Return the measured units by sample id; samples without a measurement are left out.

    A measurement belongs to the sample whose path, without suffix, ends in its name.

    Raises:
        DatasetError: a name fits several samples.
    """
    owners: dict[str, Sample] = {}
    for sample in samples:
        parts = sample.path.with_suffix("").parts if sample.path else (sample.id,)
        names = ("/".join(parts[start:]) for start in range(len(parts)))
        name = next((name for name in names if name in measured), None)
        if name is None:
            continue
        if name in owners:
            raise DatasetError(
                f"the action units of {name} fit {owners[name].id} and {sample.id}; put OpenFace's files "
                "into folders like those of the images"
            )
        owners[name] = sample
    return {sample.id: measured[name] for name, sample in owners.items()}


def expression_units(path: Path, datasets: Sequence[Dataset]) -> ExpressionUnits:
    """Return the action units of each expression that a user's files state.

    Args:
        path: A table of units by expression (see ``read_prototypes``), or measurements of images (see
            ``read_measurements``). Images count as what the first data set that has any of them says they
            show, else as what the folder that they lie in is called. Their mean is taken.
        datasets: Data sets that may know the images.

    Raises:
        DatasetError: the files cannot be read, or nothing says what the images show.
    """
    if path.is_file() and "expression" in _columns(path):
        return ExpressionUnits(read_prototypes(path), path.name)
    measured, left_out = read_measurements(path)
    for shown in (*(_labelled(measured, dataset) for dataset in datasets), _by_folder(measured)):
        if shown:
            origin = f"{path.name}, means over {counted(len(shown), 'image')}"
            skipped = f", {counted(len(left_out), 'row')} left out" if left_out else ""
            return ExpressionUnits(means(shown), origin + skipped)
    known = " or ".join(dataset.name for dataset in datasets)
    raise DatasetError(
        f"nothing says what the images of {path} show: they are none of {known} with a known expression, and "
        "lie in no folder with the name of one; give a CSV file with a column expression instead"
    )


def _labelled(measured: Mapping[str, Units], dataset: Dataset) -> list[tuple[str, Units]]:
    samples = [sample for sample in dataset.samples() if sample.expression]
    found = of_samples(measured, samples)
    return [(str(sample.expression), found[sample.id]) for sample in samples if sample.id in found]


def _by_folder(measured: Mapping[str, Units]) -> list[tuple[str, Units]]:
    folders = ((known_name(PurePosixPath(name).parent.name), units) for name, units in measured.items())
    return [(name, units) for name, units in folders if name in NAMES]


def prototypes_from_openface(path: Path, labels: Mapping[str, str]) -> dict[str, Units]:
    """Return the mean units of each expression over the images of a training set.

    Args:
        path: See ``read_measurements``.
        labels: Expression of each image by its name without suffix; other images are ignored.

    Raises:
        DatasetError: see ``read_measurements``; also when no image has a label.
        UnknownName: there is no such expression.
    """
    measured = read_openface(path)
    shown = [(labels[name], units) for name, units in measured.items() if name in labels]
    if not shown:
        examples = ", ".join(list(measured)[:3])
        raise DatasetError(f"no image of {path} has a label; its images are {examples} …")
    return means(shown)


def read_prototypes(file: Path) -> dict[str, Units]:
    """Read a table with a column ``expression`` and OpenFace's columns; average rows of one expression.

    Rows that are left out (see ``datasets.action_units``) and rows that repeat an earlier one do not count.

    Raises:
        DatasetError: not CSV, empty, a column is missing, or an intensity is not a number from 0 to 5.
        UnknownName: there is no such expression.
    """
    rows = {repr(row.cells): row for row in _read_table(file, "expression") if not row.failure()}
    if not rows:
        raise DatasetError(f"{file} has no row that can be used; it needs one for each expression")
    return means([(row.about, row.units()) for row in rows.values()])


def write_prototypes(table: Mapping[str, Units], file: Path) -> None:
    """Write a table for ``read_prototypes``, to three decimals of OpenFace's scale."""
    with written_whole(file) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("expression", *COLUMNS))
        for expression, units in table.items():
            writer.writerow((expression, *(f"{STRONGEST * value:.3f}" for value in units.tolist())))


def means(rows: Iterable[tuple[str, Units]]) -> dict[str, Units]:
    """Return the mean units of each expression, by the suite's names and in its order.

    Raises:
        UnknownName: there is no such expression.
    """
    shown: dict[str, list[Units]] = {}
    for expression, units in rows:
        shown.setdefault(canonical(expression), []).append(units)
    return {name: np.stack(shown[name]).mean(axis=0, dtype=np.float32) for name in in_order(shown)}


def files_digest(path: Path) -> str:
    """Return the sha256 over a file, or over the names and contents of the CSV files of a folder."""
    if not path.is_dir():
        return file_digest(path)
    found = [(file.relative_to(path).as_posix(), file_digest(file)) for file in sorted(path.rglob("*.csv"))]
    return hashlib.sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()


def _columns(file: Path) -> list[str]:
    """Return the columns of the first row of a table, in lower case; none where it has no row."""
    rows = read_cells(file, ()) if file.suffix.lower() == ".csv" else []
    return list(rows[0][1]) if rows else []


def _read_table(file: Path, key: str) -> list[_Row]:
    if not file.is_file() or file.suffix.lower() != ".csv":
        raise DatasetError(
            f"{file} is no CSV file, and action units are read from nothing else: a pickle could run code. "
            f"Write them as a table with the columns {key}, {COLUMNS[0]} … {COLUMNS[-1]}"
        )
    rows = read_cells(file, (key, *_lower(COLUMNS)))
    return [_Row((cells[key] or "").strip(), file, line, cells) for line, cells in rows]


def _bare(name: str) -> str:
    """Return the name of an image without its suffix, with ``/`` between folders."""
    path = PurePosixPath(name.replace("\\", "/"))
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else str(path)


def _lower(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in columns)
