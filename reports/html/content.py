"""What an interactive report shows, whatever it was gathered from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from fesbench.core.contracts import Direction, GeneratorCard

from ..tables.table import Table

Kind = Literal["score", "share", "label", "set"]
"""``share`` is 0 or 1 for each output, ``label`` an index into labels; a ``set`` has no single outputs."""


@dataclass(frozen=True)
class Measured:
    """A column of scores.

    ``low`` and ``high`` are the ends of its range, None where it has none. ``ties`` names the column that
    orders outputs of equal score; ``labels`` are the names behind the values of a label.
    """

    column: str
    title: str
    kind: Kind
    unit: str
    direction: Direction | None
    low: float | None = None
    high: float | None = None
    ties: str = ""
    meaning: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Further:
    """Tables beside the main one.

    ``name`` is short and unique in its sheet; ``opens`` says what divides the columns where the page has the
    outputs behind a number: ``target``, the expression asked for, or ``domain``; else it is empty.
    """

    name: str
    title: str
    tables: Sequence[Table]
    opens: Literal["target", "domain", ""] = ""


@dataclass(frozen=True)
class Picture:
    """A figure: its PNG with a PDF of the same stem beside it, and whether it shows faces."""

    file: Path
    caption: str
    of_images: bool


@dataclass(frozen=True)
class Group:
    """Facts of provenance under a heading: (name, value)."""

    heading: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of a run come from. ``command`` computes them again."""

    run: str
    command: str
    warnings: Sequence[str]
    groups: Sequence[Group]


@dataclass(frozen=True)
class Sheet:
    """One data set of one run.

    Attributes:
        provenance: The run.
        dataset: The data set's name.
        main: Its main table.
        further: Other tables, in the order in which they are shown.
        origin: Where the numbers come from, in one line, for the head of copied tables.
        cards: Generator name to card, in the order of the run.
        measured: The columns of scores, in the order in which they are shown.
        scores: Long-form, of this data set: generator, domain, subject, edit, target, metric, value, reason;
            rows of the metric 'output' say which edits have one.
        output_path: (generator, edit) to the image of an output.
        output_bytes: The same to the content of a PNG file; None where there is no output.
        problems: Inputs that were left out: (path, reason).
        copied: Whether images are copied into the report, instead of linked from the run.
        credit: The line that has to stand where its images are shown; may be empty.
        figures: Figures that go into the report.
        cautions: The notes of the main table that change most how it is read; the others are folded away.
    """

    provenance: Provenance
    dataset: str
    main: Table
    further: Sequence[Further]
    origin: str
    cards: Mapping[str, GeneratorCard]
    measured: Sequence[Measured]
    scores: pd.DataFrame
    output_path: Callable[[str, str], Path]
    output_bytes: Callable[[str, str], bytes | None]
    problems: Sequence[tuple[str, str]] = ()
    copied: bool = False
    credit: str = ""
    figures: Sequence[Picture] = ()
    cautions: Sequence[str] = ()

    @property
    def keyed_tables(self) -> dict[str, Table]:
        """Every table by a key of its own."""
        further = {f"{item.name}-{i}": table for item in self.further for i, table in enumerate(item.tables)}
        return {"main": self.main} | further

    @property
    def main_opens(self) -> str:
        """``domain`` where the outputs behind every row of the main table are known, else empty."""
        return "domain" if {row.name for row in self.main.rows} <= self.cards.keys() else ""

    @property
    def title(self) -> str:
        """The data set and the run, as a heading."""
        return f"{self.dataset} · {self.provenance.run}"
