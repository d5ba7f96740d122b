"""``bench merge``: put the parts of a run together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fesbench.datasets.workers import available_cores

from ..runs.progress import shown_progress
from .console import make_console
from .options import Location

EXAMPLES = """
\b
Examples:
  bench merge runs/big                              what bench run --out runs/big --part 1/4 … 4/4 wrote
  bench merge runs/big /scratch/a/parts/1-of-2 /scratch/b/parts/2-of-2
"""


@click.command(epilog=EXAMPLES)
@click.argument("out", type=Location())
@click.argument("parts", nargs=-1, type=Location(), metavar="[PART]...")
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option("--workers", type=click.IntRange(0), help="Processes that load images.  [default: the cores]")
@click.pass_context
def merge(
    ctx: click.Context,
    out: Path | str,
    parts: Sequence[Path | str],
    device: str,
    workers: int | None,
) -> None:
    """Merge all PARTs of a run into OUT; without PART, those below OUT/parts.

    Checks that no part is missing, and that all are of one specification, data, code, models and fits. Files
    are taken over by their digests; scores of sets, tests and tables are computed as in a run on one machine.
    The models are not loaded.
    """
    from fesbench.reports.run.publish import show

    from ..api import complete_merge
    from ..runs.store.store import RunStore

    processes = available_cores() if workers is None else workers
    with shown_progress(make_console(stderr=True)) as listener:
        results = complete_merge(RunStore(out), list(map(RunStore, parts)), device, processes, listener)
    show(results, make_console())
    ctx.exit(results.exit_code(()))
