"""Writes what a study found: tables, figures, frames and a page, in one folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from matplotlib.figure import Figure

from fesbench.core.files import write_text
from fesbench.statistics.comparisons import ALL

from ...figures.canvas import Axis, Model, models_of, save
from ...figures.matrices import confusions
from ...figures.preferences import forest, win_matrix
from ...figures.scores import dots
from ...formats.delimited import csv_rows, csv_text
from ...formats.latex import latex_document, latex_tables
from ...formats.markdown import csv_tables, markdown_tables
from ...tables.table import Table, metric_title
from ..wording import NONE
from .analysis import Analysis
from .quality import RULES, Rater
from .tables import printed_names, study_tables, value_title

PAGE = "index.html"
SCHEMA_VERSION = 1


def write_analysis(analysis: Analysis, folder: Path, version: str) -> Path:
    """Write everything; the same bytes for the same answers.

    Args:
        analysis: What was computed.
        folder: Where it goes; files of an earlier analysis are replaced.
        version: Of the suite, for the foot of the page.

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
    drawn = {stem: title for stem, title, figure in _figures(analysis) if save(figure, folder, stem)}
    write_text(folder / PAGE, _page(analysis, tables, drawn, [*texts], version))
    return folder / PAGE


def results_json(analysis: Analysis) -> str:
    """Every number, for programs; null for what is missing."""
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
        asdict(rater) | {"forms": " ".join(rater.forms), "excluded": " ".join(rater.excluded)}
        for rater in raters
    ]
    return csv_rows([list(records[0]), *(record.values() for record in records)])


def _figures(analysis: Analysis) -> Iterator[tuple[str, str, Figure]]:
    """(stem of the file, what it shows, figure)."""
    models = _models(analysis, list(dict.fromkeys(analysis.shares["model"])))
    title, unit, factor = value_title(analysis)
    shares = analysis.shares.assign(complete=analysis.shares["value"].notna())
    cells = shares.rename(columns={"model": "generator", "question": "metric"})
    cells = cells.assign(**{name: factor * cells[name] for name in ("value", "low", "high")})
    for question in dict.fromkeys(cells["metric"]):
        part = cells[cells["metric"] == question]
        axis, domains = Axis(str(question), "higher", f"{title}, {unit}"), list(dict.fromkeys(part["domain"]))
        yield f"shares-{question}", f"{title}: {question}", dots(part, models, axis, domains)
    points = analysis.differences
    if len(points):
        points = points[(points["domain"] == ALL) & (points["kind"] == "points")]
        points = points.assign(**{name: factor * points[name] for name in ("value", "low", "high")})
        others = _models(analysis, list(dict.fromkeys(points["versus"])))
        focus = analysis.titles.get(analysis.focus, analysis.focus)
        axis_unit = "percentage points" if factor > 1 else "points"
        yield "forest", f"{focus} against each model", forest(points, others, focus, axis_unit)
    if len(analysis.wins):
        pairs = _models(analysis, list(dict.fromkeys(analysis.wins["model"])))
        yield "wins", "who wins against whom", win_matrix(analysis.wins, pairs)
    if len(analysis.confusion):
        yield "confusion", "what faces were named", _confusion(analysis, models)


def _confusion(analysis: Analysis, models: Sequence[Model]) -> Figure:
    shares = analysis.confusion.rename(columns={"model": "generator"})
    named = [*dict.fromkeys([*shares["target"], *shares["predicted"]])]
    labels = sorted((name for name in named if name != NONE), key=str)
    return confusions(shares, models, [*labels, *([NONE] if NONE in named else [])])


def _models(analysis: Analysis, names: Sequence[str]) -> list[Model]:
    titles = printed_names(analysis)
    return models_of([(name, titles.get(name, name), name not in analysis.titles) for name in names])


def _page(
    analysis: Analysis, tables: Sequence[Table], drawn: dict[str, str], names: Sequence[str], version: str
) -> str:
    template = files(__package__).joinpath("analysis.html").read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({PAGE: template}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(PAGE)
    return page.render(
        study=analysis.study,
        focus=analysis.titles.get(analysis.focus, analysis.focus),
        flow=analysis.flow,
        broken=[(words, _count(analysis.raters, rule)) for rule, words in RULES.items()],
        tables=tables,
        figures=drawn,
        names=sorted(names),
        version=version,
        metric_title=metric_title,
    )


def _count(raters: Sequence[Rater], rule: str) -> int:
    return sum(rule in rater.excluded for rater in raters)
