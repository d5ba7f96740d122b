"""Writes reports of finished runs in any of several formats."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fesbench.core.errors import BenchError
from fesbench.core.files import write_text
from fesbench.core.names import safe_name
from fesbench.core.version import __version__
from fesbench.runs.plan import make_plan
from fesbench.runs.progress import SILENT, Listener
from fesbench.runs.results import RunResults
from fesbench.statistics.comparisons import IN_DISTRIBUTION, OOD

from ..cards import origin_of
from ..formats.latex import Width, latex_document, latex_tables
from ..formats.markdown import csv_tables, escape, markdown_tables
from ..formats.siunitx import siunitx_tables
from ..formats.structured import json_tables
from ..html.content import Picture
from ..html.write import write_html
from ..tables.table import Choice, Table, compact
from .figures import write_figures
from .main_tables import origin_line
from .pages import ReportedRun, sheets_of
from .subject_groups import own_groups, read_groups, unnamed_subjects

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportRequest:
    """What to write.

    Attributes:
        runs: The runs to report.
        folder: The folder of the report.
        images: Data sets whose images are copied into the report.
        figures: Name of a run to data set to its figures; empty until they are drawn.
        choice: What the files of the main tables show.
        columns: Whether LaTeX tables fit one column of a page or both.
    """

    runs: Sequence[ReportedRun]
    folder: Path
    images: Collection[str] = ()
    figures: Mapping[str, Mapping[str, Sequence[Picture]]] = field(default_factory=dict)
    choice: Choice = field(default_factory=Choice)
    columns: Width = "two"

    def place(self, kind: str, run: ReportedRun) -> Path:
        """Return the folder for one run's files of a kind."""
        return self.folder / kind / safe_name(run.name) if len(self.runs) > 1 else self.folder / kind


def read_runs(folders: Sequence[Path], subjects: Path | None = None) -> list[ReportedRun]:
    """Return the runs in folders, under names that tell them apart.

    Args:
        folders: The folders of runs.
        subjects: A CSV file of what is known of their subjects; None takes the data sets' own, if any.

    Raises:
        BenchError: a folder holds no finished run, or a damaged one; the file is no table of subjects, or of
            none of these.
    """
    names = [folder.resolve().name for folder in folders]
    before = [names[:place].count(name) for place, name in enumerate(names)]
    runs = [
        ReportedRun(f"{name} ({count + 1})" if count else name, RunResults.open(folder))
        for name, count, folder in zip(names, before, folders, strict=True)
    ]
    if subjects is None:
        return [replace(run, groups=own_groups(run.results.spec.data)) for run in runs]
    return _grouped(runs, subjects)


def _grouped(runs: Sequence[ReportedRun], subjects: Path) -> list[ReportedRun]:
    """Return the runs with the groups of a table of subjects."""
    groups = read_groups(subjects)
    shown = {str(name) for run in runs for name in run.results.scores["subject"].unique()}
    if not shown & set(groups.index):
        raise BenchError(
            f"{subjects} names none of the subjects of these runs, such as {min(shown)}: its column "
            "'subject', or its first one, must hold their names"
        )
    if missing := unnamed_subjects(groups, shown):
        log.warning("%s: %s", subjects, missing)
    return [replace(run, groups=dict.fromkeys(run.results.record.datasets, groups)) for run in runs]


def write_reports(request: ReportRequest, formats: Sequence[str], listener: Listener = SILENT) -> list[Path]:
    """Write the formats; the same bytes for the same runs at the same places.

    Returns:
        What to open: the page, and each folder of tables and figures.

    Raises:
        BenchError: nothing can be written there, or images are asked for of a data set that no run has.
    """
    known = {name for run in request.runs for name in run.results.record.datasets}
    strangers = sorted(set(request.images) - known)
    if strangers:
        raise BenchError(f"no data set {strangers[0]!r} in these runs; there are: {', '.join(sorted(known))}")
    _remind_of_licences(request)
    if "figures" in formats:
        figures = {run.name: _draw(request, run, listener) for run in request.runs}
        request = replace(request, figures=figures)
    listener.stage("report", len(formats))
    written: dict[Path, None] = {}
    for name in formats:
        listener.step(f"report: {name}")
        written |= dict.fromkeys(WRITERS[name](request))
    return list(written)


def _remind_of_licences(request: ReportRequest) -> None:
    """Log what the licences of included images require."""
    for name in sorted(request.images):
        origin = origin_of(name)
        if not origin.free:
            log.warning(
                "the report holds images of %s. People: %s. Passing on: %s. %s",
                name, origin.people.rstrip("."), origin.distribution.rstrip("."), origin.credit,
            )  # fmt: skip


def _write_page(request: ReportRequest) -> Iterator[Path]:
    sheets = [
        sheet
        for run in request.runs
        for sheet in sheets_of(run, request.images, request.figures.get(run.name, {}))
    ]
    yield write_html(sheets, request.folder / "html", __version__)


Render = Callable[[Sequence[Table], str, Width], str]

RENDERERS: Mapping[str, Mapping[str, Render]] = {
    "latex": {".tex": latex_tables, "-siunitx.tex": siunitx_tables, "-standalone.tex": latex_document},
    "md": {".md": lambda tables, *_: markdown_tables(tables)},
    "csv": {".csv": lambda tables, *_: csv_tables(tables)},
    "json": {".json": lambda tables, *_: json_tables(tables)},
}
"""Format to the end of a file's name to the function that renders tables, for their origin and a width."""


def _write_tables(kind: str, request: ReportRequest) -> Iterator[Path]:
    for run in request.runs:
        folder, origin = request.place("tables", run), origin_line(run.results)
        for stem, tables in _named_tables(run, request.choice):
            for end, render in RENDERERS[kind].items():
                write_text(folder / f"{stem}{end}", render(tables, origin, request.columns))
        yield folder


def _named_tables(run: ReportedRun, choice: Choice) -> Iterator[tuple[str, list[Table]]]:
    """Yield the tables of a run by the stem of their file, with the data set in it if there are several."""
    for dataset, further in run.further.items():
        prefix = f"{safe_name(dataset)}-" if len(run.further) > 1 else ""
        main = choice.of(run.mains[dataset])
        short = compact(main, (IN_DISTRIBUTION, OOD))
        for name, tables in (("main", [main]), ("compact", [short]), *further):
            yield prefix + name, tables


def _draw(request: ReportRequest, run: ReportedRun, listener: Listener) -> dict[str, list[Picture]]:
    """Draw the figures of a run; those of images only for data sets that are free or asked for."""
    results = run.results
    shown = [name for name in results.record.datasets if name in request.images or origin_of(name).free]
    plans = make_plan(results.spec).datasets if shown else ()
    allowed = {plan.name: plan for plan in plans if plan.name in shown}
    return write_figures(results.datasets, allowed, request.place("figures", run), listener)


def _write_figures(request: ReportRequest) -> Iterator[Path]:
    """Write the captions beside the figures, which are there already."""
    for run in request.runs:
        folder = request.place("figures", run)
        write_text(folder / "captions.md", "".join(_captions(request.figures[run.name])))
        yield folder


def _captions(figures: Mapping[str, Sequence[Picture]]) -> Iterator[str]:
    for dataset, pictures in figures.items():
        for picture in pictures:
            credit = f" {origin_of(dataset).credit}" if picture.of_images else ""
            yield f"- `{picture.file.stem}`: {escape(picture.caption + credit.rstrip())}\n"


WRITERS: Mapping[str, Callable[[ReportRequest], Iterator[Path]]] = {
    "html": _write_page,
    **{name: partial(_write_tables, name) for name in RENDERERS},
    "figures": _write_figures,
}
"""Format to the function that writes it."""
