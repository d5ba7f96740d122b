"""Write tables of README.md, docs/london.md and docs/registered.md from finished runs: none is typed by hand.

    make readme-numbers                                                       # the demo, then its table
    python benchmarks/readme_numbers.py --demo runs/demo
    python benchmarks/readme_numbers.py --photos runs/photos

Only the tables are replaced, and none by one with fewer rows, see ``pages.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from pages import write_table

import fesbench
from fesbench.reports.run.loaded import Run
from fesbench.statistics.intervals import UNBOUNDED, clustered_means

ROOT = Path(__file__).parents[1]
README, LONDON = ROOT / "README.md", ROOT / "docs" / "london.md"
REGISTERED_PAGE = ROOT / "docs" / "registered.md"
COLUMNS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "demo": {
        "ECS, studio ↑": ("ecs@embedded", "studio"),
        "ECS, OOD ↑": ("ecs@embedded", "ood"),
        "FSS, OOD ↑": ("fss@embedded", "ood"),
        "quality, OOD ↑": ("quality@embedded", "ood"),
        "all three hold, OOD ↑": ("works@embedded", "ood"),
    },
    "registered": {
        "ECS, OOD ↑": ("ecs@embedded", "ood"),
        "FSS, OOD ↑": ("fss@embedded", "ood"),
        "landmarks, studio ↓": ("landmarks@embedded", "studio"),
        "landmarks, OOD ↓": ("landmarks@embedded", "ood"),
        "error, face, studio ↓": ("mae.face", "studio"),
        "error, face, OOD ↓": ("mae.face", "ood"),
    },
    "london": {
        "ECS@fer ↑": ("ecs@fer", "studio"),
        "ECS@face-api ↑": ("ecs@face-api", "studio"),
        "FSS@dlib ↑": ("fss@dlib", "studio"),
        "error, face ↓": ("mae.face", "studio"),
    },
    "readme": {
        "ECS@fer ↑": ("ecs@fer", "studio"),
        "FSS@dlib ↑": ("fss@dlib", "studio"),
        "error to the truth, grey levels ↓": ("mae.face", "studio"),
    },
    "ood-real": {
        "ECS@fer ↑": ("ecs@fer", "all"),
        "ECS@face-api ↑": ("ecs@face-api", "all"),
        "FSS@dlib ↑": ("fss@dlib", "all"),
    },
}
"""Name of a table to heading to (metric, domain)."""
REGISTERED, OTHERS = "reggan-registered", ("reggan-regression", "reggan", "truth")
BESIDE_REGGAN = (REGISTERED, "reggan", "reggan-regression", "copy", "truth")
IN_README = (REGISTERED, "reggan-regression", "copy", "truth")


def markdown(
    run: Run, dataset: str, columns: Mapping[str, tuple[str, str]], shown: Sequence[str] = ()
) -> str:
    """Return a table of the models of a run, or of those ``shown``: best first, controls last."""
    results = run.results.dataset(dataset)
    places = list(columns.values())
    order = {name: _order(results.cells, name, *places[0]) for name in shown or results.models}
    lines = [["model", *columns], ["---"] * (len(columns) + 1)]
    for name in sorted(order, key=lambda name: (results.cards[name].control, order[name])):
        cells = [_text(results.cells, name, *place) for place in places]
        lines.append([_label(results.cards[name], results.models[name].block), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def differences(run: Run, dataset: str, columns: Mapping[str, tuple[str, str]]) -> str:
    """Return a table of what registered RegGAN scores above others on the same people, with 95% intervals."""
    scores = run.scores[run.scores["dataset"] == dataset]
    lines = [["difference", *columns], ["---"] * (len(columns) + 1)]
    for other in OTHERS:
        shown = [_difference(scores[scores["metric"] == metric], other) for metric, _ in columns.values()]
        lines.append([f"{REGISTERED} − {other}", *shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _difference(scores: pd.DataFrame, other: str) -> str:
    values = scores.pivot(index="subject", columns="generator", values="value").astype(float)
    both = values[[REGISTERED, other]].dropna()
    gaps = (both[REGISTERED] - both[other]).to_numpy()[:, None]
    shares = bool(both.isin([0, 1]).all(axis=None))
    found = clustered_means(gaps, both.index.to_numpy(), (-1.0, 1.0) if shares else UNBOUNDED, null=0.0)
    digits = 2 if shares or abs(found.mean[0]) > 0.1 else 3
    return f"{found.mean[0]:+.{digits}f} ({found.low[0]:+.{digits}f} to {found.high[0]:+.{digits}f})"


def _cell(cells: pd.DataFrame, name: str, metric: str, domain: str) -> pd.Series | None:
    """Return the row of a summary; None where there is no value."""
    found = cells[(cells["generator"] == name) & (cells["metric"] == metric) & (cells["domain"] == domain)]
    found = found.dropna(subset="value")
    return found.iloc[0] if len(found) else None


def _order(cells: pd.DataFrame, name: str, metric: str, domain: str) -> float:
    found = _cell(cells, name, metric, domain)
    return 0.0 if found is None else -float(found["value"])


def _label(card: fesbench.GeneratorCard, block: str) -> str:
    notes = [word for word in (card.supervision, block) if word in ("paired", "transfer")]
    return (card.title or card.name) + (f" ({', '.join(notes)})" if notes else "")


def _text(cells: pd.DataFrame, name: str, metric: str, domain: str) -> str:
    found = _cell(cells, name, metric, domain)
    if found is None:
        return "–"
    digits = 1 if found["value"] > 2 else 3 if metric.startswith("fss") else 2
    known = found[["low", "high"]].notna().all()
    ends = f" [{found['low']:.{digits}f}, {found['high']:.{digits}f}]" if known else ""
    return f"{found['value']:.{digits}f}{ends}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the runs and rewrite the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", type=Path, help="A run of all models on rendered faces.")
    parser.add_argument("--photos", type=Path, help="A run of all models on london and ood-real.")
    options = parser.parse_args(arguments)
    if options.demo:
        run = fesbench.load_run(options.demo)
        write_table(README, "numbers: demo", markdown(run, "rendered", COLUMNS["demo"]))
        beside = markdown(run, "rendered", COLUMNS["registered"], BESIDE_REGGAN)
        write_table(REGISTERED_PAGE, "numbers: rendered", beside)
    if options.photos:
        run = fesbench.load_run(options.photos)
        tables = {name: markdown(run, name, COLUMNS[name]) for name in ("london", "ood-real")}
        tables["differences"] = differences(run, "london", COLUMNS["london"])
        for name, table in tables.items():
            write_table(LONDON, f"numbers: {name}", table)
        write_table(README, "numbers: london", markdown(run, "london", COLUMNS["readme"], IN_README))


if __name__ == "__main__":
    main()
