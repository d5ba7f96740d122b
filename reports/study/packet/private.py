"""The private folder of a study: the key, the draw of items and the counts that show the balance."""

from __future__ import annotations

from pathlib import Path

from fesbench.core.files import write_text

from ...formats.delimited import csv_rows
from ..design.balance import Balance, Exposure, by_stratum
from ..design.request import BuiltStudy
from ..material import Material
from ..storage import KEY, write_model


def write_private(folder: Path, built: BuiltStudy, counted: Balance, material: Material) -> None:
    """Write the key and every table that names models together with items.

    Args:
        folder: The private folder; only its owner may read it.
        built: The study.
        counted: The counts of exposures.
        material: The material of the study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    items = built.key.items
    drawn = [(i.id, i.dataset, i.domain, i.expression, i.subject, i.edit) for i in items]
    exposures = [(*place, count) for place, count in counted.exposures.items()]
    tables: dict[str, list[tuple[object, ...]]] = {
        "draw": [("item", "dataset", "domain", "expression", "subject", "edit"), *drawn],
        "left_out": [("edit", "reason"), *material.left_out.items()],
        "exposures": [(*Exposure._fields, "count"), *exposures],
        "linkage_template": [("platform_id", "participant", "form_id")],
    }
    for name, rows in tables.items():
        write_text(folder / f"{name}.csv", csv_rows(rows))
    write_text(folder / "design.md", design_report(built, counted, material))
    write_model(folder / KEY, built.key)
    (folder / KEY).chmod(0o600)


def design_report(built: BuiltStudy, counted: Balance, material: Material) -> str:
    """Return a Markdown report of the draw and of the balance. It names models, so it must stay private."""
    study, key = built.study, built.key
    low, high = counted.shares
    exact = "exactly balanced" if counted.exact else f"balanced to {counted.spread} within each item"
    lines = [
        f"# Design of study {study.id}",
        "",
        f"{study.design}, {', '.join(study.questions)}; {len(key.items)} items × {len(built.forms)} forms; "
        f"{built.rows} rows in the design: {exact}.",
        f"Each model is met {low} to {high} times in main trials.",
        f"{len(material.candidates)} edits could be drawn; {len(material.left_out)} lacked some output.",
        *built.notes,
        "",
        "## Exposures: question × domain × expression × slot",
        "",
        "| question | domain | expression | slot | fewest | most | by model |",
        "|---|---|---|---|---|---|---|",
        *_exposure_rows(counted),
    ]
    return "\n".join(lines) + "\n"


def _exposure_rows(counted: Balance) -> list[str]:
    groups: dict[tuple[str, str, str, int], dict[str, int]] = {}
    for place, count in by_stratum(counted.exposures).items():
        group = place.question, place.domain, place.expression, place.slot
        groups.setdefault(group, {})[place.entrant] = count
    rows = []
    for group, counts in groups.items():
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        cells = [*group, min(counts.values()), max(counts.values()), each]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows
