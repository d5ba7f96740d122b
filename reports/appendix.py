"""Further tables from a run: by expression or group, pairs of models, truth, cost, confusion, claims.

All are made by ``build_table``: what divides the columns stands in the place of the domain, and what the
rows compare in the place of the generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from fesbench.contracts import GeneratorCard

from .assemble import build_table
from .tables import Block, Cell, Column, Row, Table, metric_title

TAU = "Kendall's τ"
_STARS = "Differences are first minus second; *, **, ***: p below 0.05, 0.01, 0.001 after Holm's adjustment."

Blocks = Mapping[tuple[str, str], Block]
Cards = Mapping[str, GeneratorCard]


def divided_table(
    cells: pd.DataFrame, measures: pd.DataFrame, cards: Cards, blocks: Blocks, dataset: str, division: str
) -> Table:
    """Scores by expression, or by a group of subjects.

    Args:
        cells: What ``statistics.cells_by`` gave: the part of the data set stands as the domain.
        measures: ``Summary.measures``.
        cards: Generator name to card.
        blocks: (generator, dataset) to block.
        dataset: The data set to show.
        division: What divides the columns, such as 'expression'.
    """
    note = f"Columns are divided by {division}; each number is the plain mean over domains."
    table = build_table(cells, measures, cards, blocks, dataset, [note])
    return replace(table, title=f"{dataset}, by {division}")


def pair_table(
    differences: pd.DataFrame, measures: pd.DataFrame, cards: Cards, blocks: Blocks, dataset: str
) -> Table | None:
    """Each model against each other one on the same edits; None where fewer than two are ranked together."""
    models = [name for name in cards if blocks.get((name, dataset)) == "main"]
    part = differences[
        (differences["dataset"] == dataset)
        & differences["generator"].isin(models)
        & differences["versus"].isin(models)
    ]
    if part.empty:
        return None
    names = [f"{a}\0{b}" for a, b in zip(part["generator"], part["versus"], strict=True)]
    cells = part.assign(
        generator=names,
        value=part["difference"],
        complete=part["n_scored"] == part["n_asked"],
    )
    pairs = {
        name: GeneratorCard(name, " − ".join(cards[model].title or model for model in name.split("\0")))
        for name in dict.fromkeys(names)
    }
    better = dict(zip(measures["column"], measures["direction"], strict=True))
    table = build_table(cells, measures.assign(direction=None), pairs, {}, dataset, [_STARS])
    return replace(
        table,
        title=f"{dataset}, pairs of models",
        kind="difference",
        columns=tuple(replace(column, direction=better[column.metric]) for column in table.columns),
        cells=_with_p(table, cells),
    )


def _with_p(table: Table, cells: pd.DataFrame) -> tuple[tuple[Cell, ...], ...]:
    keys = zip(cells["generator"], cells["metric"], cells["domain"], strict=True)
    p = dict(zip(keys, cells["p_holm"].astype(float), strict=True))

    def signed(cell: Cell, row: Row, column: Column) -> Cell:
        if not cell.complete:
            return cell
        shown = cell.display if cell.display.startswith("-") else f"+{cell.display}"
        adjusted = p[row.name, column.metric, column.domain]
        return replace(cell, display=shown, p=None if pd.isna(adjusted) else adjusted)

    return tuple(
        tuple(signed(cell, row, column) for cell, column in zip(line, table.columns, strict=True))
        for row, line in zip(table.rows, table.cells, strict=True)
    )


def truth_table(agreement: pd.DataFrame, dataset: str, models: Sequence[str]) -> Table | None:
    """Do the metrics tell the truth: how each ranks the models within an edit, against errors to the truth.

    Args:
        agreement: What ``statistics.agreement`` gave, of metrics against errors.
        dataset: The data set to show.
        models: The labels of the models that were ranked.

    Returns:
        The table; None where nothing could be compared.
    """
    part = agreement[(agreement["dataset"] == dataset) & agreement["tau"].notna()]
    if part.empty:
        return None
    cells = part.assign(
        generator=part["metric"], metric=part["against"], value=part["tau"], complete=part["n_scored"] > 0
    )
    cards = {name: GeneratorCard(name, metric_title(name)) for name in dict.fromkeys(part["metric"])}
    measures = _measures(dict.fromkeys(part["against"], TAU), "higher")
    notes = [
        f"{TAU} between metric and error to the truth, over the models of one edit, averaged over edits; 1: "
        "the metric ranks as the error does, 0: it says nothing, -1: it ranks the other way round.",
        f"{len(models)} models are ranked: {', '.join(models)}. Controls take no part. Metrics of sets "
        "(FID, KID) have no value within an edit.",
        "A pixel error is what a regression minimises: no single error is the whole truth.",
    ]
    table = build_table(cells, measures, cards, {}, dataset, notes)
    return replace(table, title=f"{dataset}, metrics against the truth", kind="metric")


def _measures(units: Mapping[str, str], direction: str | None) -> pd.DataFrame:
    """Measures of columns that are no metric of the suite; all are shown."""
    rows = [
        {"column": name, "direction": direction, "unit": unit, "headline": True}
        for name, unit in units.items()
    ]
    return pd.DataFrame(rows).astype({"direction": object})


def cost_table(
    seconds: Mapping[str, float], cards: Cards, blocks: Blocks, dataset: str, device: str
) -> Table:
    """Parameters of each model and the time it took for an image.

    Args:
        seconds: Generator name to seconds an output, of those whose time is known.
        cards: Generator name to card.
        blocks: (generator, dataset) to block.
        dataset: The data set.
        device: What the times were measured on.
    """
    shown = {name: card for name, card in cards.items() if not card.control}
    values = [
        *(("millions of parameters", name, card.parameters / 1e6) for name, card in shown.items()),
        *(
            ("milliseconds an image", name, 1e3 * seconds[name] if name in seconds else None)
            for name in shown
        ),
    ]
    units = {"millions of parameters": "10^6", "milliseconds an image": "ms"}
    table = build_table(
        _plain_cells(values, dataset),
        _measures(units, "lower"),
        shown,
        blocks,
        dataset,
        [f"Times are of synthesis alone, loading and scoring left out, on {device}."],
    )
    return replace(table, title=f"{dataset}, cost")


def _plain_cells(values: Iterable[tuple[str, str, float | None]], dataset: str) -> pd.DataFrame:
    """Cells of (metric, generator, value) without intervals."""
    rows = [
        {"generator": name, "dataset": dataset, "domain": "one", "metric": metric, "value": value,
         "low": None, "high": None, "n_asked": 1, "n_scored": int(value is not None), "subjects": 0,
         "complete": value is not None, "reason": "" if value is not None else "not recorded"}
        for metric, name, value in values
    ]  # fmt: skip
    return pd.DataFrame(rows)


def confusion_table(
    shares: pd.DataFrame, labels: Sequence[str], column: str, dataset: str, model: str
) -> Table:
    """What the judge saw in one model's outputs.

    Args:
        shares: What ``statistics.confusion`` gave, of one model on one data set.
        labels: The judge's labels, in order.
        column: The id of the column that the judge's labels came from.
        dataset: The data set.
        model: The model's label.
    """
    cells = pd.DataFrame(
        {
            "generator": shares["target"],
            "dataset": dataset,
            "domain": shares["predicted"],
            "metric": column,
            "value": shares["share"],
            "low": None,
            "high": None,
            "n_asked": shares.groupby("target")["count"].transform("sum"),
            "n_scored": shares.groupby("target")["count"].transform("sum"),
            "subjects": 0,
            "complete": shares["share"].notna(),
            "reason": "",
        }
    )
    targets = {name: GeneratorCard(name, name) for name in labels if name in set(shares["target"])}
    table = build_table(
        cells,
        _measures({column: "share"}, None),
        targets,
        {},
        dataset,
        ["Rows: expression asked for; columns: expression that the judge sees in the output."],
        domains=list(labels),
    )
    return replace(table, title=f"{dataset}, {model}: asked for and seen", kind="asked for")
