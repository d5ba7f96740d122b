"""Writes the report's folder: the page, its assets, and its data."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from fesbench.core.contracts import COPY
from fesbench.core.errors import BenchError
from fesbench.core.files import copy_whole, write_text, written_whole
from fesbench.core.reasons import FAILED
from fesbench.statistics.measures import OUTPUT

from ..figures.palette import looks
from ..tables.table import Table, metric_title
from .content import Further, Measured, Sheet
from .data import COPIES, SheetData, script
from .faces import faces_of
from .notes import notes_by_subject
from .templates import rendered, resource
from .views import View, main_views, panel_views

ASSETS = (
    "report.css", "theme.js", "core.js", "tables.js", "copy.js", "histogram.js", "viewer.js", "cell.js",
    "faces.js", "failures.js",
)  # fmt: skip
"""In the order in which the page loads them."""
MANIFEST, INDEX = "manifest", "index.html"
_OWN = ("assets", "figures", "images", "data")
"""Folders of a report; the one that tells that it is a report goes last and comes first."""


def write_html(sheets: Sequence[Sheet], folder: Path, version: str) -> Path:
    """Write the report; the same bytes for the same sheets at the same place.

    Args:
        sheets: What it shows, in order.
        folder: Where it goes: a folder that is new, empty, or holds an earlier report.
        version: Of the suite, for the foot of the page.

    Returns:
        The path of the page.

    Raises:
        BenchError: there is nothing to show, or the folder holds something else or cannot be written.
    """
    if not sheets:
        raise BenchError("no data set of these runs has scores: there is nothing to report")
    _clear(folder)
    data = [SheetData(number, sheet, _root(number, sheet, folder)) for number, sheet in enumerate(sheets)]
    write_text(
        folder / "data" / f"{MANIFEST}.js", script(MANIFEST, [sheet_data.manifest() for sheet_data in data])
    )
    for name in ASSETS:
        write_text(folder / "assets" / name, resource(f"assets/{name}"))
    for number, sheet in enumerate(sheets):
        if sheet.copied:
            _copy_images(data[number], folder / "images" / str(number))
        for picture in sheet.figures:
            copy_whole(picture.file, folder / "figures" / str(number) / picture.file.name)
    for sheet_data in data:
        for key, content in sheet_data.files():
            write_text(folder / "data" / f"{key}.js", script(key, content))
    page = folder / INDEX
    write_text(page, _page(data, version))
    return page


def _clear(folder: Path) -> None:
    """Remove an earlier report; one that could not write its first file has left folders without files.

    Raises:
        BenchError: the folder holds something else.
    """
    earlier = (folder / "data" / f"{MANIFEST}.js").is_file()
    holds_files = not folder.is_dir() or any(not path.is_dir() for path in folder.rglob("*"))
    if not earlier and folder.exists() and holds_files:
        raise BenchError(f"{folder} holds something that is no report; choose another --out, or empty it")
    (folder / INDEX).unlink(missing_ok=True)
    for name in _OWN:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def _root(number: int, sheet: Sheet, folder: Path) -> str:
    """Address of the folder of outputs, relative to the page."""
    if sheet.copied:
        return f"images/{number}"
    outputs = sheet.output_path(next(iter(sheet.cards)), "edit").parents[2]
    try:
        relative = os.path.relpath(outputs.resolve(), folder.resolve())
    except ValueError:  # another drive
        return outputs.resolve().as_uri()
    return quote(Path(relative).as_posix())


def _copy_images(data: SheetData, folder: Path) -> None:
    """Copy every output that there is."""
    edits = [edit for part in data.edits.values() for edit in part["edit"]]
    for model in data.sheet.cards:
        for edit in edits:
            content = data.sheet.output_bytes(model, edit)
            if content is not None:
                target = folder.joinpath(*data.sheet.output_path(model, edit).parts[-3:])
                with written_whole(target) as temporary:
                    temporary.write_bytes(content)


def _page(data: Sequence[SheetData], version: str) -> str:
    runs = {sheet.provenance.run: sheet.provenance for sheet in (item.sheet for item in data)}
    scripts = [name for name in ASSETS if name.endswith(".js") and name != "theme.js"]
    return rendered(
        "page.html",
        sheets=[_sheet(item) for item in data],
        runs=list(runs.values()),
        scripts=scripts,
        version=version,
    )


def _sheet(data: SheetData) -> dict[str, object]:
    """Return what the template needs of a sheet."""
    sheet = data.sheet
    measured = {column.column: column for column in sheet.measured}
    return {
        "number": data.number,
        "title": sheet.title,
        "dataset": sheet.dataset,
        "run": sheet.provenance.run,
        "faces": faces_of(data),
        "main": _table("main", sheet.main, main_views(sheet.main, measured, sheet.main_opens)),
        "further": [(item.title, _further(item, measured)) for item in sheet.further],
        "cautions": sheet.cautions,
        "notes": notes_by_subject(sheet.main, sheet.cautions),
        "formats": list(COPIES),
        "colours": {name: look.color for name, look in looks(list(sheet.cards)).items()},
        "cards": [asdict(card) for card in sheet.cards.values()],
        "measured": [(metric_title(column.column), column) for column in sheet.measured if column.meaning],
        "edits": sum(len(part) for part in data.edits.values()),
        "domains": list(data.edits),
        "failures": _failure_counts(sheet),
        "problems": sheet.problems,
        "copied": sheet.copied,
        "credit": sheet.credit,
        "figures": _figures(data),
        "has_inputs": COPY in sheet.cards,
    }  # fmt: skip


def _figures(data: SheetData) -> list[tuple[str, list[tuple[str, str]]]]:
    """(heading, (address, caption) of each figure), of scores and of images."""
    kinds = {False: "Figures of scores", True: "Figures of images"}
    groups = {
        heading: [
            (f"figures/{data.number}/{quote(picture.file.name)}", picture.caption)
            for picture in data.sheet.figures
            if picture.of_images == of_images
        ]
        for of_images, heading in kinds.items()
    }
    return [(heading, pictures) for heading, pictures in groups.items() if pictures]


def _further(further: Further, measured: Mapping[str, Measured]) -> list[dict[str, object]]:
    return [
        _table(f"{further.name}-{i}", table, panel_views(table, measured, further.opens))
        for i, table in enumerate(further.tables)
    ]


def _table(key: str, table: Table, views: Sequence[View]) -> dict[str, object]:
    return {
        "key": key,
        "title": table.title,
        "views": views,
        "notes": table.notes,
        "marked": table.has_marks,
    }


def _failure_counts(sheet: Sheet) -> list[tuple[str, str, int]]:
    """(model's label, reason, how many edits), the most frequent first."""
    rows = sheet.scores[(sheet.scores["metric"] == OUTPUT) & sheet.scores["reason"].notna()]
    counts = Counter(zip(rows["generator"], rows["reason"], strict=True))
    return [
        (sheet.cards[model].title or model, str(reason).removeprefix(FAILED), count)
        for (model, reason), count in counts.most_common()
    ]
