"""The tables of a study, in the table model that every output format renders."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from fesbench.core.contracts import Direction, GeneratorCard
from fesbench.statistics.comparisons import ALL
from fesbench.statistics.two_way import FEWEST_ITEMS

from ...tables.build import TableContext, build_table
from ...tables.table import Cell, Note, Table, metric_title
from ..schema import GENUINE, IMPOSTOR
from .results import Analysis

PERCENT = 100.0
_ROLES = {GENUINE: "real pairs, same person", IMPOSTOR: "real pairs, two people"}
_INTERVALS = (
    "Intervals are 95%, clustered by participant and by item at once; docs/study.md tells how often they "
    "hold."
)
_STARS = "*, **, ***: clustered p below 0.05, 0.01, 0.001 after Holm's adjustment over competitors."


def study_tables(analysis: Analysis) -> list[Table]:
    """Return all tables that the design allows, the main one first."""
    return list(_tables(analysis))


def _tables(analysis: Analysis) -> Iterator[Table]:
    yield _shares(analysis)
    if len(analysis.differences):
        yield from _differences(analysis)
    if len(analysis.strengths):
        strengths = analysis.strengths[analysis.strengths["domain"] == ALL]
        note = "Natural logarithms, mean 0: a model that is 0.69 above another is chosen twice as often."
        yield _ranked("strengths (Bradley-Terry, Luce)", strengths, analysis, "log", [note])
    if len(analysis.sensitivity):
        note = "How surely an output is told from another person: 0 not at all. Log-linear correction."
        yield _ranked("identity, d-prime", analysis.sensitivity, analysis, "z", [note])
    yield _agreement(analysis)
    if len(analysis.correlations):
        yield from _correlations(analysis.correlations)


def value_title(analysis: Analysis) -> tuple[str, str, float]:
    """Return the title of the main number of a design, its unit, and the factor that converts to the unit."""
    return {
        "best-of-n": ("chosen as best", "% of answers", PERCENT),
        "2afc": ("preferred", "% of comparisons", PERCENT),
        "rating": ("mean rating", f"1 to {analysis.study.options.scale}", 1.0),
        "naming": ("human ECS", "% named as intended", PERCENT),
        "same-different": ("same person", "% said to be the same", PERCENT),
    }[analysis.study.design]


def printed_names(analysis: Analysis) -> dict[str, str]:
    """Return the display names of models and real pairs."""
    return dict(analysis.titles) | _ROLES


def _shares(analysis: Analysis) -> Table:
    title, unit, factor = value_title(analysis)
    counts = "; ".join(f"{text}: {count}" for text, count in analysis.flow)
    notes = [f"Participants: {counts}. Answers: {sum(map(len, analysis.answers))}.", _INTERVALS]
    if analysis.study.design == "best-of-n":
        chance = PERCENT / max(answers.options for answers in analysis.answers)
        notes.append(f"Choosing blindly would give each model {chance:.1f}%.")
    if analysis.shares["items"].min() < FEWEST_ITEMS:
        notes.append(
            f"Where there are fewer than {FEWEST_ITEMS} items, intervals hold for other people who judge "
            "these, not for other items."
        )
    shares = scaled(analysis.shares, factor)
    return _ranked(title, shares, analysis, unit, notes)


def _differences(analysis: Analysis) -> Iterator[Table]:
    focus = analysis.titles.get(analysis.focus, analysis.focus)
    _, unit, factor = value_title(analysis)
    whole = analysis.differences[analysis.differences["domain"] == ALL]
    best = "; ".join(
        f"{question}: {printed_names(analysis)[str(versus)]}"
        for question, versus in whole[whole["best"]][["question", "versus"]].drop_duplicates().to_numpy()
    )
    notes = [f"Best competitor by its own mean: {best}."] if best else []
    notes += [_STARS, *_votes(whole, focus)]
    for kind, sign, scale, name in (
        ("points", "minus", factor, unit.replace("%", "percentage points", 1)),
        ("ratio", "over", 1.0, "ratio"),
    ):
        part = scaled(whole[whole["kind"] == kind], scale).rename(columns={"versus": "model"})
        labels = {model: f"{focus} {sign} {label}" for model, label in printed_names(analysis).items()}
        title = f"{focus} against each model, {name}"
        table = _table(title, part, labels, name, None, notes, analysis.controls)
        yield _starred(table, part)


def _votes(whole: pd.DataFrame, focus: str) -> Iterator[str]:
    """Yield a note on the exact test against the best competitor, where models are shown side by side."""
    if "p_exact_holm" in whole:
        rows = whole[whole["best"] & (whole["kind"] == "points")]
        columns = rows[["question", "wins", "losses", "p_exact_holm"]]
        shown = (f"{name} {won:.0f} to {lost:.0f}, p = {p:.2g}" for name, won, lost, p in columns.to_numpy())
        yield (
            f"Votes for {focus} to votes for the best competitor: {'; '.join(shown)} (exact binomial test, "
            "Holm's adjustment; takes all answers as independent)."
        )


def scaled(frame: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Return the frame with values and intervals multiplied by ``factor``."""
    return frame.assign(**{name: factor * frame[name] for name in ("value", "low", "high")})


def _agreement(analysis: Analysis) -> Table:
    name = "Krippendorff's alpha"
    notes = [
        f"Of answers at the {analysis.study.measurement} level.",
        "1: all agree; 0: as often as by chance. Low where taste is asked for; nothing is filtered by it.",
    ]
    frame = analysis.agreement.assign(model=name, domain=ALL)
    return replace(_table("agreement", frame, {name: name}, "alpha", None, notes), kind="measure")


def _correlations(correlations: pd.DataFrame) -> Iterator[Table]:
    notes = {
        "image": "Point-biserial, over answers and models; where pictures stand side by side, scores are "
        "taken from their mean. Positive: people prefer what the metric prefers.",
        "model": "Spearman, over models: with so few, only a strong one differs from chance.",
    }
    for level, note in notes.items():
        part = correlations[correlations["level"] == level].rename(columns={"metric": "model"})
        if len(part):
            labels = {name: metric_title(name) for name in part["model"]}
            table = _table(
                f"answers and metrics, {level} level", part.assign(domain=ALL), labels, "r", None, [note]
            )
            yield replace(table, kind="metric")


def _ranked(title: str, frame: pd.DataFrame, analysis: Analysis, unit: str, notes: list[str]) -> Table:
    """Build a table in which higher is better; controls stand apart and are never marked."""
    labels = printed_names(analysis)
    return _table(title, frame, labels, unit, "higher", notes, analysis.controls)


def _table(
    title: str,
    frame: pd.DataFrame,
    labels: Mapping[str, str],
    unit: str,
    direction: Direction | None,
    notes: list[str],
    controls: Collection[str] = (),
) -> Table:
    """Build a table with a row for each model and a column for each question (or one for all) and domain."""
    questions = frame["question"] if "question" in frame else pd.Series(title, index=frame.index)
    cells = _cells(title, frame, questions)
    measures = pd.DataFrame(
        {"column": list(dict.fromkeys(questions)), "direction": direction, "unit": unit, "headline": True}
    ).astype({"direction": object})
    names = dict.fromkeys(frame["model"])
    cards = {name: GeneratorCard(name, labels.get(name, name), control=name in controls) for name in names}
    domains = list(dict.fromkeys(cells["domain"]))
    table = build_table(cells, TableContext(title, measures, cards), domains=domains)
    lettered = tuple(note for note in table.notes if note.mark)
    return replace(table, notes=(*lettered, *(Note("", text) for text in notes)))


def _cells(title: str, frame: pd.DataFrame, questions: pd.Series[str]) -> pd.DataFrame:
    """Return the frame with the columns of cells; the questions are the metrics of the table."""
    return pd.DataFrame(
        {
            "generator": frame["model"],
            "dataset": title,
            "domain": frame["domain"],
            "metric": questions,
            "value": frame["value"],
            "low": frame["low"],
            "high": frame["high"],
            "n_asked": frame["n"],
            "n_scored": frame["n"],
            "subjects": 0,
            "complete": frame["value"].notna(),
            "reason": frame["reason"],
        }
    )


def _starred(table: Table, frame: pd.DataFrame) -> Table:
    """Return the table with the adjusted clustered p value of each difference in its cell."""
    keys = zip(frame["model"], frame["question"], strict=True)
    found = dict(zip(keys, frame["p_holm"].astype(float), strict=True))

    def with_p(cell: Cell, model: str, question: str) -> Cell:
        p = found.get((model, question), np.nan)
        return cell if cell.value is None or np.isnan(p) else replace(cell, p=p)

    cells = tuple(
        tuple(with_p(cell, row.name, column.metric) for cell, column in zip(line, table.columns, strict=True))
        for row, line in zip(table.rows, table.cells, strict=True)
    )
    return replace(table, cells=cells)
