"""Write into docs/fairness.md how the order of models depends on choices of the comparison.

    bench run --model all --out runs/demo
    bench run --model all --upscale output --out runs/output
    bench run --model all --registered --out runs/registered
    python benchmarks/sensitivity.py runs/demo --run "upscale output" runs/output \\
        --run registered runs/registered

A row is a model, a column a choice: the rank by a measure out of distribution, with the ranks that the paired
tests leave open. The first run is judged by several measures, the others by the first of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from pages import write_table

import fesbench
from fesbench.runs.results import RunResults
from fesbench.statistics.comparisons import OOD

PAGE = Path(__file__).resolve().parents[1] / "docs" / "fairness.md"
DATASET = "rendered"
MEASURES = {
    "as printed": "ecs@embedded",
    "by probability": "ecs.probability@embedded",
    "expression and identity": "joint@embedded",
    "all three hold": "works@embedded",
    "error to the truth": "mae.face",
    "FID": "fid@embedded",
}


def columns(
    first: RunResults, others: Sequence[tuple[str, RunResults]]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the heading of each column and the ranks in it, by generator."""
    for title, measure in MEASURES.items():
        yield title, ranks_of(first, measure)
    for title, run in others:
        yield title, ranks_of(run, MEASURES["as printed"])


def ranks_of(run: RunResults, measure: str) -> pd.DataFrame:
    """Return the ranks of models by a measure out of distribution; the index is the generator."""
    ranks = run.over_trainings.summary.ranks
    here = (ranks["dataset"] == DATASET) & (ranks["domain"] == OOD) & (ranks["metric"] == measure)
    return ranks[here].set_index("generator")


def table(first: RunResults, others: Sequence[tuple[str, RunResults]]) -> str:
    """Return the table as Markdown, in the order of its first column."""
    found = dict(columns(first, others))
    printed, *_ = found.values()
    compared = printed[printed["block"] == "main"].sort_values("rank").index
    cards = first.over_trainings.dataset(DATASET).cards
    lines = [f"| model | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for name in compared:
        shown = [_text(ranks.loc[name]) if name in ranks.index else "–" for ranks in found.values()]
        lines.append(f"| {cards[name].title} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _text(row: pd.Series) -> str:
    if pd.isna(row["rank"]):
        return "–"
    low, high = row["rank_low"], row["rank_high"]
    span = "" if pd.isna(low) or low == high else f" ({low:.0f}–{high:.0f})"
    return f"{row['rank']:.0f}{span}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the runs and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="The run whose table is printed.")
    parser.add_argument(
        "--run", dest="others", nargs=2, action="append", default=[], metavar=("TITLE", "RUN")
    )
    options = parser.parse_args(arguments)
    others = [(title, fesbench.load_run(run).results) for title, run in options.others]
    write_table(PAGE, "sensitivity", table(fesbench.load_run(options.run).results, others))


if __name__ == "__main__":
    main()
