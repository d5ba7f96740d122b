"""Change formulas at random places, run their tests, and list the changes that no test notices.

Usage: ``make mutants``, or with the Python of an environment that holds cosmic-ray::

    python benchmarks/mutants.py --python .venv/bin/python --site build/site [--sample 60] [--seed 0]

A copy of the package is changed, never the checkout. The table goes into docs/mutants.md, which also says why
survivors that remain are no faults of the tests.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome
from pages import write_table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "mutants.md"
SECONDS = 300.0

NOT_FORMULAS = re.compile(r"BitOr|RemoveDecorator|ExceptionReplacer")
"""Operators whose changes are to annotations, to dataclasses, or to which errors are caught."""


class Area(NamedTuple):
    """Modules of the package, and the tests that are theirs."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


_METRICS = ("ecs", "fss", "frechet", "kid", "fidelity", "movement")
AREAS: Mapping[str, Area] = {
    "statistics": Area(("statistics",), ("tests/statistics",)),
    "metric formulas": Area(
        tuple(f"metrics/{name}.py" for name in _METRICS),
        tuple(f"tests/metrics/test_{name}.py" for name in _METRICS),
    ),
    "losses": Area(
        ("generators/losses.py", "generators/objectives.py", "baselines", "reggan/objectives.py"),
        ("tests/baselines", "tests/reggan/test_model.py", "tests/reggan/test_reggan.py"),
    ),
    "choice of weights": Area(("training/checkpoint_selection.py",), ("tests/training/test_validation.py",)),
}


class Outcome(NamedTuple):
    """A change, and whether a test noticed it."""

    area: str
    place: str
    noticed: bool
    diff: str


def sampled(package: Path, modules: tuple[str, ...], count: int, seed: int) -> tuple[list[MutationSpec], int]:
    """Return a random sample of the possible changes to modules, and how many there are."""
    paths = [path for name in modules for path in _files(package / name)]
    with tempfile.TemporaryDirectory() as folder, use_db(Path(folder, "session.sqlite")) as session:
        init(paths, session, {})
        specs = [item.mutations[0] for item in session.work_items]
    specs = [spec for spec in specs if not NOT_FORMULAS.search(spec.operator_name)]
    specs.sort(key=lambda spec: (str(spec.module_path), spec.operator_name, spec.occurrence))
    return random.Random(seed).sample(specs, min(count, len(specs))), len(specs)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]


def outcomes(package: Path, python: Path, options: argparse.Namespace) -> Iterator[tuple[Outcome, int]]:
    """Yield what became of each change, with the number of possible changes of its area."""
    os.environ["PYTHONPATH"] = str(package.parent)  # before the checkout's own package
    for name, area in AREAS.items():
        specs, total = sampled(package, area.modules, options.sample, options.seed)
        command = f"{python} -m pytest -x -q -p no:cacheprovider {' '.join(area.tests)}"
        for spec in specs:
            result = mutate_and_test([spec], command, SECONDS)
            place = f"{spec.module_path.relative_to(package)}:{spec.start_pos[0]}"
            noticed = result.test_outcome != TestOutcome.SURVIVED
            yield Outcome(name, place, noticed, result.diff or ""), total


def table(found: Mapping[str, list[Outcome]], totals: Mapping[str, int], seed: int) -> str:
    """Return the table of areas, and the list of changes that no test noticed, as Markdown."""
    lines = ["| area | possible changes | tried | noticed |", "|---|---|---|---|"]
    for name, tried in found.items():
        noticed = sum(outcome.noticed for outcome in tried)
        lines.append(f"| {name} | {totals[name]} | {len(tried)} | {noticed} |")
    survivors = [outcome for tried in found.values() for outcome in tried if not outcome.noticed]
    lines += ["", f"Drawn with seed {seed}. Not noticed:", ""] if survivors else []
    return "\n".join([*lines, *map(_survivor, survivors)])


def _survivor(outcome: Outcome) -> str:
    changed = [
        line for line in outcome.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    before, after = (next((line[1:].strip() for line in changed if line[0] == sign), "") for sign in "-+")
    return f"- `{outcome.place}`: `{before}` → `{after}`"


def main() -> None:
    """Try the changes, print each, and write the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="of an environment with fesbench[dev]")
    parser.add_argument("--site", type=Path, required=True, help="the unpacked wheel (make site)")
    parser.add_argument("--sample", type=int, default=60, help="changes of each area")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: dict[str, list[Outcome]] = {name: [] for name in AREAS}
    totals: dict[str, int] = {}
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(options.site / "fesbench", Path(folder) / "fesbench"))
        for outcome, total in outcomes(package, options.python.absolute(), options):
            found[outcome.area].append(outcome)
            totals[outcome.area] = total
            print("noticed" if outcome.noticed else "SURVIVED", outcome.place, flush=True)
    write_table(PAGE, "table", table(found, totals, options.seed))


if __name__ == "__main__":
    main()
