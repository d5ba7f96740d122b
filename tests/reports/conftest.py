"""Small frames in the form of a run's summary."""

import pandas as pd
import pytest

from fesbench.core.contracts import GeneratorCard
from fesbench.reports.tables.build import TableContext, build_table
from fesbench.reports.tables.further import pair_table

NASTY = r"=HYPERLINK(1)\input{/etc/passwd}_%&#$~^\{}|<img src=x>[a]`'\"--\\ é中" + "\n% \\end{tabular}\t*b*"

MEASURES = pd.DataFrame(
    {
        "column": ["ecs@embedded", "mae.face", "fid@embedded"],
        "direction": ["higher", "lower", "lower"],
        "unit": ["share", "grey levels", "distance"],
        "headline": [True, True, True],
    }
)


def make_cells(values, domain="studio", metric="ecs@embedded", **changes):
    """Cells from {generator: value}; None is an incomplete cell."""
    rows = [
        {
            "generator": name,
            "dataset": "set",
            "domain": domain,
            "metric": metric,
            "value": value,
            "low": None if value is None else value - 0.04,
            "high": None if value is None else value + 0.05,
            "n_asked": 60,
            "n_scored": 60 if value is not None else 37,
            "subjects": 10,
            "complete": value is not None,
            "method": "clustered score",
            "reason": "" if value is not None else "no face was found",
            "n_references": None,
            "references": None,
        }
        | changes
        for name, value in values.items()
    ]
    return pd.DataFrame(rows).astype({"value": float, "low": float, "high": float})


def make_table(cells, blocks=None, cards=None, notes=(), details=(), **options):
    """A table of the data set 'set'; generators called copy or truth are controls."""
    known = cards or {
        name: GeneratorCard(
            name, name.title(), control=name in ("copy", "truth"), trained_on="rendered", supervision="paired"
        )
        for name in dict.fromkeys(cells["generator"])
    }
    context = TableContext("set", MEASURES, known, blocks or {})
    return build_table(cells, context, **options).with_notes(notes, details)


@pytest.fixture
def cells_of():
    return make_cells


@pytest.fixture
def table_of():
    return make_table


@pytest.fixture
def full_table():
    """Two metrics in three domains and FID in two, with every kind of row and cell."""
    ecs = {"reggan": 0.91, "stargan": 0.52, "ganimation": None, "other": 0.7, "copy": 0.02, "truth": 0.99}
    mae = {name: None if value is None else 9 * (1 - value) for name, value in ecs.items()}
    frames = [make_cells(ecs, domain) for domain in ("studio", "statue", "ood")]
    frames += [make_cells(mae, domain, "mae.face") for domain in ("studio", "statue", "ood")]
    frames += [
        make_cells(dict.fromkeys(ecs, 12.5), domain, "fid@embedded", low=None, high=None, subjects=0,
                   n_references=200, references="train split")
        for domain in ("studio", "statue")
    ]  # fmt: skip
    blocks = {("other", "set"): "transfer"}
    return make_table(pd.concat(frames, ignore_index=True), blocks, notes=["rendered faces, not photos"])


@pytest.fixture
def nasty_table():
    """Every text that a user controls is hostile."""
    cells = make_cells({"a": 0.5, "b": None}, domain="studio", reason=NASTY)
    cards = {
        "a": GeneratorCard("a", NASTY, trained_on=NASTY, supervision="paired"),
        "b": GeneratorCard("b", "=1+1", weights="untrained " + NASTY),
    }
    return make_table(cells.assign(domain=NASTY), cards=cards, notes=[NASTY])


@pytest.fixture
def nasty_text():
    return NASTY


@pytest.fixture
def pairs_table():
    """Differences of three models, from clear to none."""
    rows = [("a", "b", 0.21, 0.0004), ("a", "c", -0.08, 0.03), ("b", "c", 0.0, None)]
    differences = pd.DataFrame(
        [
            {
                "dataset": "set",
                "domain": domain,
                "metric": "ecs@embedded",
                "generator": first,
                "versus": second,
                "difference": gap,
                "low": gap - 0.06,
                "high": gap + 0.05,
                "p_holm": p,
                "n_asked": 60,
                "n_scored": 60,
                "subjects": 10,
                "reason": "",
            }
            for domain in ("studio", "statue")
            for first, second, gap, p in rows
        ]
    )
    cards = {name: GeneratorCard(name, name.upper()) for name in "abc"}
    blocks = dict.fromkeys(((name, "set") for name in "abc"), "main")
    return pair_table(differences, TableContext("set", MEASURES, cards, blocks))
