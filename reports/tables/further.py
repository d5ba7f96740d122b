"""Further tables from a run: by expression or group, pairs of models, truth, cost, confusion, claims.

All are made by ``build_table``: what divides the columns stands in the place of the domain, and what the
rows compare in the place of the generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import floor, log10

import pandas as pd

from fesbench.core.contracts import FROM_FILES, Block, GeneratorCard

from .build import build_table, decimals
from .table import DOMAIN_TITLES, STARS, Cell, Column, Row, Table, metric_title

TAU = "Kendall's τ"
_STARS = "Differences are first minus second; *, **, ***: p below 0.05, 0.01, 0.001 after Holm's adjustment."
MOST_DECIMALS = 4
"""Of a difference: a smaller one that tests tell from 0 matters to nobody."""
REPORTED, MEASURED = "reported", "measured here"
"""The two columns of published and own numbers."""
FEWEST_IN_GROUP = 10
"""A group with fewer subjects is small: its numbers stand, but nothing is best in it."""

Blocks = Mapping[tuple[str, str], Block]
Cards = Mapping[str, GeneratorCard]


def divided_table(
    cells: pd.DataFrame, measures: pd.DataFrame, cards: Cards, blocks: Blocks, dataset: str, division: str
) -> Table:
    """Scores by expression, or by whatever else divides the edits.

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


def group_table(
    cells: pd.DataFrame,
    measures: pd.DataFrame,
    cards: Cards,
    blocks: Blocks,
    dataset: str,
    division: str,
    subjects: Mapping[str, int],
) -> Table:
    """Scores by group of subjects, each headed by how many there are; nothing is marked in small groups.

    Args:
        cells: What ``statistics.cells_by`` gave: the group stands as the domain.
        measures: ``Summary.measures``.
        cards: Generator name to card.
        blocks: (generator, dataset) to block.
        dataset: The data set to show.
        division: What divides the subjects, such as 'gender'.
        subjects: How many belong to each group.
    """
    titles = {name: f"{name} (n = {count})" for name, count in subjects.items()}
    small = [titles[name] for name, count in subjects.items() if count < FEWEST_IN_GROUP]
    notes = [
        f"Columns are divided by {division}; n counts subjects; each number is the plain mean over domains. "
        "A difference between groups may be the judge's as much as the model's: the controls show it."
    ]
    if small:
        notes.append(f"Fewer than {FEWEST_IN_GROUP} subjects, nothing is marked there: {', '.join(small)}.")
    table = build_table(
        cells.assign(domain=cells["domain"].map(titles)),
        measures,
        cards,
        blocks,
        dataset,
        notes,
        unfit=[(title, metric) for title in small for metric in set(cells["metric"])],
    )
    return replace(table, title=f"{dataset}, by {division}")


def moved_table(
    cells: pd.DataFrame, measures: pd.DataFrame, cards: Cards, blocks: Blocks, dataset: str, kind: str
) -> Table:
    """Scores by how far inputs were moved.

    Args:
        cells: One kind of move from ``reporting.robustness.cells_by_move``: the move stands as the domain.
        measures: ``Summary.measures``.
        cards: Generator name to card.
        blocks: (generator, dataset) to block.
        dataset: The data set to show.
        kind: The kind of move, such as 'shift'.
    """
    notes = [
        "A part of the edits, each with its input moved so; truths are moved alike. Each number is the plain "
        "mean over domains. The controls show how far the metrics themselves mind a face that is not aligned."
    ]
    table = build_table(cells, measures, cards, blocks, dataset, notes)
    return replace(table, title=f"{dataset}, inputs misaligned by {kind}")


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
    names = part["generator"] + " vs " + part["versus"]
    pairs = {
        name: GeneratorCard(name, " − ".join(cards[model].title or model for model in pair))
        for name, *pair in zip(names, part["generator"], part["versus"], strict=True)
    }
    cells = part.assign(
        generator=names,
        value=part["difference"],
        complete=part["n_scored"] == part["n_asked"],
    )
    better = dict(zip(measures["column"], measures["direction"], strict=True))
    table = build_table(cells, measures.assign(direction=None), pairs, {}, dataset, [_STARS])
    finer = {str(name): _digits_of_pairs(part) for name, part in cells.groupby("metric", sort=False)}
    columns = tuple(
        replace(
            column,
            direction=None if pd.isna(better[column.metric]) else better[column.metric],
            digits=max(column.digits, finer[column.metric]),
        )
        for column in table.columns
    )
    table = replace(table, title=f"{dataset}, pairs of models", kind="difference", columns=columns)
    return replace(table, cells=_with_p(table, cells))


def _digits_of_pairs(cells: pd.DataFrame) -> int:
    """Decimals that differences of one metric need.

    Pairs differ in how sure they are: the surer quarter must not be rounded as the others are, and no
    difference that tests tell from 0 may be shown as 0.
    """
    numbers = cells[["value", "low", "high", "p_holm"]].astype(float)
    halves = (numbers["high"] - numbers["low"]) / 2
    told = numbers.loc[(numbers["p_holm"] < STARS[-1][0]) & (numbers["value"] != 0), "value"].abs()
    sure, smallest = halves[halves > 0].quantile(0.25), told.min()
    wanted = decimals(float(sure), 1) if sure > 0 else 0
    needed = -floor(log10(smallest)) if smallest > 0 else 0
    return min(max(wanted, needed, 0), MOST_DECIMALS)


def _with_p(table: Table, cells: pd.DataFrame) -> tuple[tuple[Cell, ...], ...]:
    keys = zip(cells["generator"], cells["metric"], cells["domain"], strict=True)
    p = dict(zip(keys, cells["p_holm"].astype(float), strict=True))

    def signed(cell: Cell, row: Row, column: Column) -> Cell:
        if not cell.complete:
            return cell
        assert cell.value is not None
        shown = f"{round(cell.value, column.digits) + 0.0:+.{column.digits}f}"
        adjusted = p[row.name, column.metric, column.domain]
        return replace(cell, display=shown, p=None if pd.isna(adjusted) else adjusted)

    return tuple(
        tuple(signed(cell, row, column) for cell, column in zip(line, table.columns, strict=True))
        for row, line in zip(table.rows, table.cells, strict=True)
    )


def truth_table(agreement: pd.DataFrame, dataset: str, models: Sequence[str]) -> Table | None:
    """Do the metrics tell the truth: how each ranks the models within an edit, and how the truth does.

    Args:
        agreement: What ``statistics.agreement`` gave, of metrics against comparisons with the truth.
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
        f"{TAU} between metric and comparison with the truth, over the models of one edit, averaged over "
        "edits; 1: the metric ranks as the truth does, 0: it says nothing, -1: it ranks the other way round.",
        f"{len(models)} models are ranked: {', '.join(models)}. Controls take no part. Metrics of sets "
        "(FID, KID) have no value within an edit.",
        "No single comparison is the whole truth: a pixel error is what a regression minimises, in unchanged "
        "regions the best output is the input, and landmarks and action units see shape alone.",
    ]
    table = build_table(cells, measures, cards, {}, dataset, notes)
    return replace(table, title=f"{dataset}, metrics against the truth", kind="metric")


def place_table(places: pd.DataFrame, cards: Cards, dataset: str, notes: Sequence[str]) -> Table:
    """Places in rankings: those that papers report beside those that were measured here.

    Args:
        places: model, scope (the domain that was ranked in), metric, domain (``REPORTED`` or ``MEASURED``),
            value, low, high, reason; low and high are the places that the tests leave open.
        cards: Generator name to card.
        dataset: The data set that was measured on.
        notes: Where the reported places come from.
    """
    names = places["model"] + " in " + places["scope"]
    rows = {
        name: GeneratorCard(name, f"{cards[model].title or model}, {DOMAIN_TITLES.get(scope, scope)}")
        for name, model, scope in zip(names, places["model"], places["scope"], strict=True)
    }
    known = places["value"].notna()
    cells = places.assign(
        generator=names, dataset=dataset, n_asked=1, n_scored=known.astype(int), subjects=0, complete=known
    )
    protocols = (
        "Places among models, 1 the best; brackets hold the places that the tests here leave open. Protocols "
        "differ: data, competitors, training and metric networks of the papers are not those of this run, so "
        "a difference refutes nobody."
    )
    measures = _measures(dict.fromkeys(places["metric"], "place"), None)
    table = build_table(cells, measures, rows, {}, dataset, [protocols, *notes])
    whole = tuple(replace(column, digits=0) for column in table.columns)
    grid = tuple(tuple(_whole(cell) for cell in line) for line in table.cells)
    return replace(
        table, title=f"{dataset}, reported by the paper and measured here", columns=whole, cells=grid
    )


def _whole(cell: Cell) -> Cell:
    return replace(cell, display=f"{cell.value:.0f}") if cell.complete else cell


def _measures(units: Mapping[str, str], direction: str | None) -> pd.DataFrame:
    """Measures of columns that are no metric of the suite; all are shown."""
    rows = [
        {"column": name, "direction": direction, "unit": unit, "headline": True}
        for name, unit in units.items()
    ]
    return pd.DataFrame(rows).astype({"direction": object})


def cost_table(
    seconds: Mapping[str, float], cards: Cards, blocks: Blocks, dataset: str, device: str
) -> Table | None:
    """Parameters of each model and the time it took for an image; None where there are controls alone.

    Args:
        seconds: Generator name to seconds an output, of those whose time is known.
        cards: Generator name to card.
        blocks: (generator, dataset) to block.
        dataset: The data set.
        device: What the times were measured on.
    """
    shown = {name: card for name, card in cards.items() if not card.control}
    if not shown:
        return None
    values = [
        *(("parameters", name, card.parameters / 1e6 or None) for name, card in shown.items()),
        *(("time an image", name, _milliseconds(seconds.get(name), card)) for name, card in shown.items()),
    ]
    units = {"parameters": "millions", "time an image": "ms"}
    table = build_table(
        _plain_cells(values, dataset),
        _measures(units, "lower"),
        shown,
        blocks,
        dataset,
        [f"Times are of synthesis alone, loading and scoring left out, on {device}."],
    )
    return replace(table, title=f"{dataset}, cost")


def _milliseconds(seconds: float | None, card: GeneratorCard) -> float | None:
    """None where it is not known, or is the time of reading a file."""
    return None if seconds is None or card.weights == FROM_FILES else 1e3 * seconds


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
