"""Writes reports of finished runs, in the formats that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fesbench import __version__
from fesbench.datasets.names import safe_name
from fesbench.reports.html.write import write_html
from fesbench.reports.latex import latex_document, latex_tables
from fesbench.reports.markdown import csv_tables, markdown_tables
from fesbench.reports.siunitx import siunitx_tables
from fesbench.reports.structured import json_tables
from fesbench.reports.tables import Table

from ..errors import BenchError
from ..files import write_text
from ..plan import make_plan
from ..spec import validate
from ..store import RunStore
from .figures import write_figures, write_image_figures
from .pages import ReportedRun, sheets_of
from .publish import Published, load_published, provenance

FREE = ("rendered",)
"""Data sets whose images are nobody's: figures may show them unasked."""


@dataclass(frozen=True)
class Request:
    """What is asked for: of which runs, into which folder, and the data sets whose images it may hold."""

    runs: Sequence[ReportedRun]
    folder: Path
    images: Collection[str] = ()

    def place(self, kind: str, run: ReportedRun) -> Path:
        """The folder for one run's files of a kind."""
        return self.folder / kind / safe_name(run.name) if len(self.runs) > 1 else self.folder / kind


def read_runs(folders: Sequence[Path]) -> list[ReportedRun]:
    """The runs in folders, under names that tell them apart.

    Raises:
        BenchError: a folder holds no finished run, or a damaged one.
    """
    names = [folder.resolve().name for folder in folders]
    before = [names[:place].count(name) for place, name in enumerate(names)]
    return [
        ReportedRun(f"{name} ({count + 1})" if count else name, _read(folder))
        for name, count, folder in zip(names, before, folders, strict=True)
    ]


def _read(folder: Path) -> Published:
    if not (folder / "run.json").is_file():
        raise BenchError(f"{folder} holds no run.json: give the folder of a run")
    missing = [name for name in ("summary.json", "scores.parquet") if not (folder / name).is_file()]
    if missing:
        raise BenchError(
            f"{folder} has no {missing[0]}: the run was stopped before its end; give the command that began "
            "it again, it goes on where it was stopped"
        )
    try:
        return load_published(RunStore(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(
            f"run.json or summary.json in {folder} is damaged or of another version ({error!r}); remove "
            "summary.json and run the same command again: it is made anew from the stored scores"
        ) from error


def write_reports(request: Request, formats: Sequence[str]) -> list[Path]:
    """Write the formats; the same bytes for the same runs at the same places.

    Returns:
        What to open: the page, and each folder of tables and figures.

    Raises:
        BenchError: nothing can be written there, or images are asked for of a data set that no run has.
    """
    known = {name for run in request.runs for name in run.published.record["datasets"]}
    strangers = sorted(set(request.images) - known)
    if strangers:
        raise BenchError(f"no data set {strangers[0]!r} in these runs; there are: {', '.join(sorted(known))}")
    written = [path for name in formats for path in WRITERS[name](request)]
    return list(dict.fromkeys(written))


def _write_page(request: Request) -> Iterator[Path]:
    sheets = [sheet for run in request.runs for sheet in sheets_of(run, request.images)]
    yield write_html(sheets, request.folder / "html", __version__)


Render = Callable[[Sequence[Table], str], str]

RENDERERS: Mapping[str, Mapping[str, Render]] = {
    "latex": {".tex": latex_tables, "-siunitx.tex": siunitx_tables, "-standalone.tex": latex_document},
    "md": {".md": lambda tables, _: markdown_tables(tables)},
    "csv": {".csv": lambda tables, _: csv_tables(tables)},
    "json": {".json": lambda tables, _: json_tables(tables)},
}
"""Format to the end of a file's name to what makes its text from tables and where they come from."""


def _write_tables(kind: str, request: Request) -> Iterator[Path]:
    for run in request.runs:
        folder, origin = request.place("tables", run), provenance(run.published)
        for stem, tables in _named_tables(run):
            for end, render in RENDERERS[kind].items():
                write_text(folder / f"{stem}{end}", render(tables, origin))
        yield folder


def _named_tables(run: ReportedRun) -> Iterator[tuple[str, list[Table]]]:
    """Every table of a run by the stem of its file; it begins with the data set where there are several."""
    for dataset, further in run.further.items():
        prefix = f"{safe_name(dataset)}-" if len(run.further) > 1 else ""
        for name, tables in (("main", [run.mains[dataset]]), *further):
            yield prefix + name, tables


def _write_figures(request: Request) -> Iterator[Path]:
    for run in request.runs:
        folder, record = request.place("figures", run), run.published.record
        shown = [dataset for dataset in record["datasets"] if dataset in {*FREE, *request.images}]
        write_figures(run.published, folder)
        if shown:
            plan = make_plan(validate(record["spec"], f"run.json of {run.name}"))
            plans = [item for item in plan.datasets if item.name in shown]
            write_image_figures(run.published, plans, folder)
        yield folder


WRITERS: Mapping[str, Callable[[Request], Iterator[Path]]] = {
    "html": _write_page,
    **{name: partial(_write_tables, name) for name in RENDERERS},
    "figures": _write_figures,
}
"""Format to what writes it."""
