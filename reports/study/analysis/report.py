"""Write the results of a study into one folder: tables, figures, frames and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined, Template

from fesbench.core.files import write_text

from ...figures.canvas import save
from ...formats.delimited import csv_rows, csv_text
from ...formats.latex import latex_document, latex_tables
from ...formats.markdown import csv_tables, markdown_tables
from ...tables.table import Table, ends, metric_title
from ..schema import Rater
from .figures import study_figures
from .quality import RULES
from .results import Analysis
from .tables import study_tables

PAGE = "index.html"
SCHEMA_VERSION = 1


def write_analysis(analysis: Analysis, folder: Path, version: str) -> Path:
    """Write the tables, figures, frames and page of an analysis; equal answers give equal bytes.

    Args:
        analysis: The results.
        folder: The output folder; files of an earlier analysis are replaced.
        version: The version of the suite, for the footer of the page.

    Returns:
        The path of the page.
    """
    tables = study_tables(analysis)
    origin = f"study {analysis.study.id}, fesbench {version}"
    texts = {
        "tables.tex": latex_tables(tables, origin),
        "standalone.tex": latex_document(tables, origin),
        "tables.md": markdown_tables(tables),
        "tables.csv": csv_tables(tables),
        "participants.csv": _participants(analysis.raters),
        "results.json": results_json(analysis),
        **{f"{name}.csv": csv_text(frame) for name, frame in analysis.frames().items()},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    drawn = {stem: title for stem, title, figure in study_figures(analysis) if save(figure, folder, stem)}
    write_text(folder / PAGE, _page(analysis, tables, drawn, [*texts], version))
    return folder / PAGE


def results_json(analysis: Analysis) -> str:
    """Return all results as JSON text; missing numbers are null."""
    frames = {
        name: json.loads(frame.to_json(orient="records", double_precision=15))
        for name, frame in analysis.frames().items()
    }
    content = {
        "schema_version": SCHEMA_VERSION,
        "study": analysis.study.id,
        "design": analysis.study.design,
        "focus": analysis.focus,
        "exclusion": analysis.study.options.exclusion.model_dump(),
        "flow": [{"step": step, "participants": count} for step, count in analysis.flow],
        **frames,
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _participants(raters: Sequence[Rater]) -> str:
    records = [
        rater.model_dump() | {"forms": " ".join(rater.forms), "excluded": " ".join(rater.excluded)}
        for rater in raters
    ]
    return csv_rows([list(records[0]), *(record.values() for record in records)])


def _page(
    analysis: Analysis, tables: Sequence[Table], drawn: Mapping[str, str], names: Sequence[str], version: str
) -> str:
    return _template().render(
        study=analysis.study,
        focus=analysis.titles.get(analysis.focus, analysis.focus),
        flow=analysis.flow,
        broken=[(words, _count(analysis.raters, rule)) for rule, words in RULES.items()],
        tables=tables,
        figures=drawn,
        names=sorted(names),
        version=version,
        metric_title=metric_title,
        ends=ends,
    )


def _template() -> Template:
    environment = Environment(
        loader=DictLoader({PAGE: files(__package__).joinpath("analysis.html").read_text(encoding="utf-8")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(PAGE)


def _count(raters: Sequence[Rater], rule: str) -> int:
    return sum(rule in rater.excluded for rater in raters)
