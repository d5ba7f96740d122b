"""What the runs in a folder are, in a line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import BenchError
from ..runs.results import RunResults
from ..runs.store.store import RECORD, RunStore
from ..statistics.comparisons import ALL, OOD


@dataclass(frozen=True)
class Overview:
    """One run.

    Attributes:
        name: Its folder, relative to the one that was listed.
        changed: When its record was written last, in seconds since 1970.
        status: ``started``, ``partial``, ``complete`` or ``damaged``, after ``part K of N`` of a part.
        models: The generators as they were asked for.
        data: The data sets as they were asked for.
        headline: The best model by the first measure, out of distribution where that was tested.
    """

    name: str
    changed: float
    status: str
    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    headline: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON content."""
        return asdict(self)


def overview(folder: Path) -> list[Overview]:
    """Return the runs in a folder and its sub-folders' first level, the newest first."""
    records = [*folder.glob(RECORD), *folder.glob(f"*/{RECORD}")]
    found = [_overview(path, folder) for path in records]
    return sorted(found, key=lambda entry: (-entry.changed, entry.name))


def _overview(record: Path, folder: Path) -> Overview:
    name, changed = str(record.parent.relative_to(folder)), record.stat().st_mtime
    try:
        known = RunStore(record.parent).record
        models, data = (known.spec.models, known.spec.data) if known.spec else ((), ())
        part = known.spec.part if known.spec else None
        headline = _headline(record.parent) if known.status != "started" and not part else ""
    except BenchError:
        return Overview(name, changed, "damaged")
    status = f"{part.title}, {known.status}" if part else known.status
    return Overview(name, changed, status, models, data, headline)


def _headline(folder: Path) -> str:
    """Return the best model by the first headline measure of the first data set; empty without one."""
    run = RunResults.open(folder)
    for results in run.datasets[:1]:
        for name, measure in list(results.headline.items())[:1]:
            domain = next((scope for scope in (OOD, ALL) if scope in results.domains), results.domains[0])
            cells = results.cells[(results.cells["metric"] == name) & (results.cells["domain"] == domain)]
            own = cells[cells["generator"].isin(results.compared)].dropna(subset="value")
            if len(own):
                ordered = own.sort_values("value", ascending=measure.direction == "lower")
                best = ordered.iloc[0]
                return f"{best['generator']}: {name} {best['value']:.3f}, {domain}"
    return ""
