"""The data behind the numbers, in script files of bounded size.

A page opened from disk may run scripts beside it but fetch nothing, so every file is a call of
``fesbench.receive``. Edits are stored once for all models; row i of a page of values belongs to row i of the
page of edits with the same domain and number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fesbench.core.reasons import FAILED
from fesbench.statistics.measures import OUTPUT

from ..figures.palette import looks
from ..formats.latex import latex_table
from ..formats.markdown import csv_tables, markdown_table
from ..formats.siunitx import siunitx_table
from ..tables.table import Table, metric_title
from .content import Sheet
from .notes import notes_of_metrics

PAGE = 2000
"""Outputs in a file: some 200 kB with a dozen metrics."""
SIGNIFICANT = 6
"""Digits of a single output's score."""

COPIES: Mapping[str, Callable[[Table, str], str]] = {
    "LaTeX": latex_table,
    "LaTeX (siunitx)": siunitx_table,
    "Markdown": lambda table, _: markdown_table(table),
    "CSV": lambda table, _: csv_tables([table]),
}
"""What a table can be copied as."""

Files = Iterator[tuple[str, object]]
"""The key of a data file, and its content."""

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def script(key: str, content: object) -> str:
    """Return a script that hands ``content`` to the page; pure ASCII, and inert inside HTML as well.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return f'fesbench.receive("{key}",{text});\n'


@dataclass(frozen=True)
class SheetData:
    """The data files of one sheet; ``number`` is its place in the report, ``root`` where its images lie."""

    number: int
    sheet: Sheet
    root: str

    def files(self) -> Files:
        """Return every data file of the sheet but its entry in the manifest."""
        yield f"{self.number}-texts", self._texts()
        failures: list[list[object]] = []
        for d, (domain, edits) in enumerate(self.edits.items()):
            yield from self._edit_pages(d, edits)
            for m, model in enumerate(self.sheet.cards):
                values = self._values(model, domain, edits)
                failures += self._failures(m, d, values)
                for p, start in enumerate(range(0, len(edits), PAGE)):
                    yield f"{self.number}-values-{m}-{d}-{p}", _value_page(values, start)
        yield f"{self.number}-failures", failures

    def manifest(self) -> dict[str, object]:
        """Return what the page must know of the sheet before anything is opened."""
        colours = looks(list(self.sheet.cards))
        notes = notes_of_metrics(self.sheet.main)
        return {
            "title": self.sheet.title,
            "dataset": self.sheet.dataset,
            "root": self.root,
            "page": PAGE,
            "models": [self._model(name, colours[name].color) for name in self.sheet.cards],
            "domains": [{"name": name, "count": len(edits)} for name, edits in self.edits.items()],
            "columns": [
                asdict(column) | {"name": metric_title(column.column), "notes": notes.get(column.column, [])}
                for column in self.sheet.measured
            ],
        }

    def _model(self, name: str, colour: str) -> dict[str, str]:
        return {"name": name, "label": self.label(name), "folder": self.folder(name), "colour": colour}

    def label(self, model: str) -> str:
        """Return the title of a model."""
        return self.sheet.cards[model].title or model

    @cached_property
    def edits(self) -> dict[str, pd.DataFrame]:
        """Domain to its edits, in the order of the run: columns edit, subject, target."""
        asked = self.sheet.scores[self.sheet.scores["metric"] == OUTPUT]
        columns = asked[["domain", "edit", "subject", "target"]].drop_duplicates(["domain", "edit"])
        return {
            str(domain): part.drop(columns="domain").reset_index(drop=True)
            for domain, part in columns.groupby("domain", sort=False, observed=True)
        }

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], pd.DataFrame]:
        groups = self.sheet.scores.groupby(["generator", "domain"], sort=False, observed=True)
        return {(str(generator), str(domain)): part for (generator, domain), part in groups}

    def _texts(self) -> dict[str, dict[str, str]]:
        tables = self.sheet.keyed_tables.items()
        return {
            key: {name: render(table, self.sheet.origin) for name, render in COPIES.items()}
            for key, table in tables
        }

    def folder(self, model: str) -> str:
        """Return where a model's images lie below ``root``."""
        return "/".join(self.sheet.output_path(model, "edit").parent.parts[-2:])

    def file_stem(self, edit: str) -> str:
        """Return the name of an edit's images, the same for all models, without its end."""
        return self.sheet.output_path(next(iter(self.sheet.cards)), edit).stem

    def _edit_pages(self, domain: int, edits: pd.DataFrame) -> Files:
        stems = [self.file_stem(edit) for edit in edits["edit"]]
        for p, start in enumerate(range(0, len(edits), PAGE)):
            part = edits.iloc[start : start + PAGE]
            content = {name: part[name].tolist() for name in ("edit", "subject", "target")}
            yield f"{self.number}-edits-{domain}-{p}", content | {"file": stems[start : start + PAGE]}

    def _values(self, model: str, domain: str, edits: pd.DataFrame) -> _Values:
        part = self._by_place.get((model, domain), self.sheet.scores.iloc[:0])
        at = pd.Series(np.arange(len(edits)), index=edits["edit"]).loc[part["edit"]].to_numpy()
        numbers, why = part["value"].to_numpy(dtype=float), part["reason"].to_numpy(object)
        codes, metrics = pd.factorize(part["metric"])
        columns: dict[str, list[float | None]] = {}
        reasons: dict[str, dict[int, str]] = {}
        for code, metric in enumerate(metrics):
            own = codes == code
            values = np.full(len(edits), np.nan)
            values[at[own]] = numbers[own]
            columns[str(metric)] = [_rounded(value) for value in values.tolist()]
            reasons[str(metric)] = {
                row: reason
                for row, reason in zip(at[own].tolist(), why[own], strict=True)
                if isinstance(reason, str) and reason
            }
        order = [column.column for column in self.sheet.measured if column.column in columns]
        return _Values({name: columns[name] for name in order}, reasons)

    def _failures(self, model: int, domain: int, values: _Values) -> list[list[object]]:
        return [[model, domain, row, reason] for row, reason in sorted(values.lost.items())]


@dataclass(frozen=True)
class _Values:
    """Scores of one model in one domain: column to values, and column to row to why there is none."""

    columns: Mapping[str, Sequence[float | None]]
    reasons: Mapping[str, Mapping[int, str]]

    @property
    def lost(self) -> dict[int, str]:
        """Row to why the edit has no output."""
        found = self.reasons.get(OUTPUT, {})
        return {row: reason.removeprefix(FAILED) for row, reason in found.items()}


def _value_page(values: _Values, start: int) -> dict[str, Any]:
    end = start + PAGE
    lost = {row - start: why for row, why in values.lost.items() if start <= row < end}
    unscored = {
        column: {
            row - start: why for row, why in rows.items() if start <= row < end and row - start not in lost
        }
        for column, rows in values.reasons.items()
    }
    return {
        "columns": {name: column[start:end] for name, column in values.columns.items()},
        "lost": lost,
        "unscored": {column: rows for column, rows in unscored.items() if rows},
    }  # fmt: skip


def _rounded(value: float) -> float | int | None:
    """``value`` with a few significant digits, as short as it can be written; None where it is not finite."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{SIGNIFICANT}g}")
    return int(short) if short.is_integer() else short
