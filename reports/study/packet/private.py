"""The private folder of a study: the key, the draw of items and the counts that show the balance."""

from __future__ import annotations

from pathlib import Path

from fesbench.core.files import write_text
from fesbench.core.plurals import counted

from ...formats.delimited import csv_rows
from ..design.balance import Balance, Exposure, by_stratum
from ..design.request import BuiltStudy
from ..material import Material
from ..storage import KEY, write_model


def write_private(folder: Path, built: BuiltStudy, balance: Balance, material: Material) -> None:
    """Write the key and every table that names models together with items.

    Args:
        folder: The private folder; only its owner may read it.
        built: The study.
        balance: The counts of exposures.
        material: The material of the study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    items = built.key.items
    drawn = [(i.id, i.dataset, i.domain, i.expression, i.subject, i.edit) for i in items]
    exposures = [(*place, count) for place, count in balance.exposures.items()]
    tables: dict[str, list[tuple[object, ...]]] = {
        "draw": [("item", "dataset", "domain", "expression", "subject", "edit"), *drawn],
        "left_out": [("edit", "reason"), *material.left_out.items()],
        "exposures": [(*Exposure._fields, "count"), *exposures],
        "linkage_template": [("platform_id", "participant", "form_id")],
    }
    for name, rows in tables.items():
        write_text(folder / f"{name}.csv", csv_rows(rows))
    write_text(folder / "design.md", design_report(built, balance, material))
    write_model(folder / KEY, built.key)
    (folder / KEY).chmod(0o600)


def design_report(built: BuiltStudy, balance: Balance, material: Material) -> str:
    """Return a Markdown report of the draw and of the balance. It names models, so it must stay private."""
    study, key = built.study, built.key
    low, high = balance.shares
    exact = "exactly balanced" if balance.exact else f"balanced to {balance.spread} within each item"
    lines = [
        f"# Design of study {study.id}",
        "",
        f"{study.design}, {', '.join(study.questions)}; {counted(len(key.items), 'item')} × "
        f"{counted(len(built.forms), 'form')}; {counted(built.rows, 'row')} in the design: {exact}.",
        f"Each model is met {low} to {counted(high, 'time')} in main trials.",
        f"{counted(len(material.candidates), 'edit')} could be drawn; "
        f"{len(material.left_out)} lacked some output.",
        *built.notes,
        "",
        "## Exposures: question × domain × expression × slot",
        "",
        "| question | domain | expression | slot | fewest | most | by model |",
        "|---|---|---|---|---|---|---|",
        *_exposure_rows(balance),
    ]
    return "\n".join(lines) + "\n"


def _exposure_rows(balance: Balance) -> list[str]:
    groups: dict[tuple[str, str, str, int], dict[str, int]] = {}
    for place, count in by_stratum(balance.exposures).items():
        group = place.question, place.domain, place.expression, place.slot
        groups.setdefault(group, {})[place.entrant] = count
    rows = []
    for group, counts in groups.items():
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        cells = [*group, min(counts.values()), max(counts.values()), each]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows
