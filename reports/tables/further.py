"""Further tables of a run: by expression or group, pairs of models, truth, cost, confusion, claims.

All are built by ``build_table``, which reads columns from ``domain`` and rows from ``generator``: the
functions here put there whatever divides the columns and rows of their table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import floor, log10

import pandas as pd

from fesbench.core.contracts import FROM_FILES, GeneratorCard
from fesbench.core.plurals import counted

from .build import TableContext, build_table, decimals
from .table import DOMAIN_TITLES, STARS, Cell, Column, Row, Table, fixed, metric_title

TAU = "Kendall's τ"
_STARS = "Differences are first minus second; *, **, ***: p below 0.05, 0.01, 0.001 after Holm's adjustment."
MOST_DECIMALS = 4
"""Of a difference; significant differences that would need more are too small to matter."""
REPORTED, MEASURED = "reported", "measured here"
"""The two columns of published and own numbers."""
FEWEST_IN_GROUP = 10
"""Fewest subjects of a group in which best and second are marked."""

Cards = Mapping[str, GeneratorCard]


def divided_table(cells: pd.DataFrame, context: TableContext, division: str) -> Table:
    """Return scores by expression, or by whatever else divides the edits.

    Args:
        cells: Cells of ``statistics.breakdown.cells_by``: the domain is the part of the data set.
        context: The data set, its measures and generators.
        division: What divides the columns, such as 'expression'.
    """
    note = f"Columns are divided by {division}; each number is the plain mean over domains."
    table = build_table(cells, context).with_notes([note])
    return replace(table, title=f"{context.dataset}, by {division}")


def group_table(
    cells: pd.DataFrame, context: TableContext, division: str, subjects: Mapping[str, int]
) -> Table:
    """Return scores by group of subjects; headings hold the sizes, and nothing is marked in small groups.

    Args:
        cells: Cells of ``statistics.breakdown.cells_by``: the domain is the group.
        context: The data set, its measures and generators.
        division: What divides the subjects, such as 'gender'.
        subjects: Group to number of subjects.
    """
    titles = {name: f"{name} (n = {count})" for name, count in subjects.items()}
    small = [titles[name] for name, count in subjects.items() if count < FEWEST_IN_GROUP]
    notes = [
        f"Columns are divided by {division}; n counts subjects; each number is the plain mean over domains. "
        "A difference between groups may be the judge's as much as the model's: the controls show it."
    ]
    if small:
        notes.append(f"Fewer than {FEWEST_IN_GROUP} subjects, nothing is marked there: {', '.join(small)}.")
    unfit = [(title, metric) for title in small for metric in set(cells["metric"])]
    table = build_table(cells.assign(domain=cells["domain"].map(titles)), context, unfit=unfit)
    return replace(table.with_notes(notes), title=f"{context.dataset}, by {division}")


def perturbation_table(cells: pd.DataFrame, context: TableContext, kind: str) -> Table:
    """Return scores by how far inputs were misaligned.

    Args:
        cells: One kind of ``review.robustness.cells_by_perturbation``: the domain is the perturbation.
        context: The data set, its measures and generators.
        kind: The kind of perturbation, such as 'shift'.
    """
    note = (
        "A part of the edits, their inputs misaligned as the column says; truths are misaligned alike. Each "
        "number is the plain mean over domains. The controls show how misalignment changes the metrics "
        "themselves."
    )
    table = build_table(cells, context).with_notes([note])
    return replace(table, title=f"{context.dataset}, inputs misaligned by {kind}")


def pair_table(differences: pd.DataFrame, context: TableContext) -> Table | None:
    """Return the differences of every two ranked models on the same edits; None of fewer than two models.

    Args:
        differences: ``Summary.differences``.
        context: The data set, its measures and generators.
    """
    models = [name for name in context.cards if context.blocks.get((name, context.dataset)) == "main"]
    part = differences[
        (differences["dataset"] == context.dataset)
        & differences["generator"].isin(models)
        & differences["versus"].isin(models)
    ]
    if part.empty:
        return None
    names = part["generator"] + " vs " + part["versus"]
    pairs = {
        name: GeneratorCard(name, " − ".join(context.cards[model].title or model for model in pair))
        for name, *pair in zip(names, part["generator"], part["versus"], strict=True)
    }
    cells = part.assign(
        generator=names,
        value=part["difference"],
        complete=part["n_scored"] == part["n_asked"],
    )
    unmarked = TableContext(context.dataset, context.measures.assign(direction=None), pairs)
    table = build_table(cells, unmarked).with_notes([_STARS])
    columns = tuple(_columns_of_pairs(table, cells, context.measures))
    table = replace(table, title=f"{context.dataset}, pairs of models", kind="difference", columns=columns)
    return replace(table, cells=_with_p(table, cells))


def _columns_of_pairs(table: Table, cells: pd.DataFrame, measures: pd.DataFrame) -> Iterator[Column]:
    """Yield the columns with the directions of their measures and the decimals that differences need."""
    directions = dict(zip(measures["column"], measures["direction"], strict=True))
    digits = {str(name): _digits_of_pairs(part) for name, part in cells.groupby("metric", sort=False)}
    for column in table.columns:
        needed = max(column.digits, digits[column.metric])
        yield replace(column, direction=directions[column.metric], digits=needed)


def _digits_of_pairs(cells: pd.DataFrame) -> int:
    """Decimals that the differences of one metric need.

    They suit the narrowest quarter of the intervals, and show no significant difference as 0.
    """
    numbers = cells[["value", "low", "high", "p_holm"]].astype(float)
    halves = (numbers["high"] - numbers["low"]) / 2
    significant = numbers.loc[(numbers["p_holm"] < STARS[-1][0]) & (numbers["value"] != 0), "value"].abs()
    narrow, smallest = halves[halves > 0].quantile(0.25), significant.min()
    wanted = decimals(float(narrow), 1) if narrow > 0 else 0
    needed = -floor(log10(smallest)) if smallest > 0 else 0
    return min(max(wanted, needed, 0), MOST_DECIMALS)


def _with_p(table: Table, cells: pd.DataFrame) -> tuple[tuple[Cell, ...], ...]:
    keys = zip(cells["generator"], cells["metric"], cells["domain"], strict=True)
    p = dict(zip(keys, cells["p_holm"].astype(float), strict=True))

    def signed(cell: Cell, row: Row, column: Column) -> Cell:
        if not cell.complete:
            return cell
        assert cell.value is not None
        shown = fixed(cell.value, column.digits, sign="+")
        adjusted = p[row.name, column.metric, column.domain]
        return replace(cell, display=shown, p=None if pd.isna(adjusted) else adjusted)

    return tuple(
        tuple(signed(cell, row, column) for cell, column in zip(line, table.columns, strict=True))
        for row, line in zip(table.rows, table.cells, strict=True)
    )


def truth_table(agreement: pd.DataFrame, dataset: str, models: Sequence[str]) -> Table | None:
    """Return how well each metric ranks the models of an edit as comparisons with the truth do.

    Args:
        agreement: Rows of ``statistics.metric_agreement.agreement``: metrics against comparisons.
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
        f"{counted(len(models), 'model is', 'models are')} ranked: {', '.join(models)}. Controls are left "
        "out. Metrics of sets "
        "(FID, KID) have no value within an edit.",
        "No single comparison is the whole truth: a pixel error is what a regression minimises, in unchanged "
        "regions the best output is the input, and landmarks and action units see shape alone.",
    ]
    table = build_table(cells, TableContext(dataset, measures, cards)).with_notes(notes)
    return replace(table, title=f"{dataset}, metrics against the truth", kind="metric")


def place_table(places: pd.DataFrame, cards: Cards, dataset: str, notes: Sequence[str]) -> Table:
    """Return places in rankings, as papers report them and as they were measured here.

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
    table = build_table(cells, TableContext(dataset, measures, rows)).with_notes([protocols, *notes])
    return replace(
        table,
        title=f"{dataset}, reported by the paper and measured here",
        columns=tuple(replace(column, digits=0) for column in table.columns),
        cells=tuple(tuple(_whole(cell) for cell in line) for line in table.cells),
    )


def _whole(cell: Cell) -> Cell:
    return cell if cell.value is None or not cell.complete else replace(cell, display=fixed(cell.value, 0))


def _measures(units: Mapping[str, str], direction: str | None) -> pd.DataFrame:
    """Measures of columns that are no metric of the suite; all are shown."""
    rows = [
        {"column": name, "direction": direction, "unit": unit, "headline": True}
        for name, unit in units.items()
    ]
    return pd.DataFrame(rows).astype({"direction": object})


def cost_table(seconds: Mapping[str, float], context: TableContext, device: str) -> Table | None:
    """Return parameters of each model and its time for an image; None where all are controls.

    Args:
        seconds: Generator name to seconds per output, of those whose time is known.
        context: The data set and its generators.
        device: What the times were measured on.
    """
    shown = {name: card for name, card in context.cards.items() if not card.control}
    if not shown:
        return None
    values = [
        *(("parameters", name, card.parameters / 1e6 or None) for name, card in shown.items()),
        *(("time an image", name, _milliseconds(seconds.get(name), card)) for name, card in shown.items()),
    ]
    units = {"parameters": "millions", "time an image": "ms"}
    costs = replace(context, measures=_measures(units, "lower"), cards=shown)
    note = f"Times are of synthesis, beside the scoring of other outputs, on {device}."
    table = build_table(_plain_cells(values, context.dataset), costs).with_notes([note])
    return replace(table, title=f"{context.dataset}, cost")


def _milliseconds(seconds: float | None, card: GeneratorCard) -> float | None:
    """None where it is unknown, or only the time of reading a file."""
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
    """Return how often a classifier gave each label to one model's outputs.

    Args:
        shares: Rows of ``statistics.breakdown.confusion`` of one model on one data set.
        labels: The classifier's labels, in order.
        column: The id of the column with the predicted labels.
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
    context = TableContext(dataset, _measures({column: "share"}, None), targets)
    note = "Rows: expression asked for; columns: expression that the judge sees in the output."
    table = build_table(cells, context, domains=list(labels)).with_notes([note])
    return replace(table, title=f"{dataset}, {model}: asked for and seen", kind="asked for")
