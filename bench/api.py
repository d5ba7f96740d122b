"""The Python interface to a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .plan import make_plan, resolve
from .session import complete_run
from .spec import validate
from .store import RunStore

if TYPE_CHECKING:
    import pandas as pd

    from .execute.cells import Cell


class _Silent:
    """Hears of progress and says nothing."""

    def begin(self, shards: int, edits: int) -> None:
        """Nothing."""

    def done(self, cell: Cell, edits: int, failed: int) -> None:
        """Nothing."""


def evaluate(
    generators: Sequence[str],
    datasets: Sequence[str] = ("rendered",),
    metrics: Sequence[str] = ("ecs", "fss", "quality", "fid"),
    backend: str = "embedded",
    limit: int | None = None,
    out: Path | str | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Compare generators on data sets; the same as ``bench run``.

    Args:
        generators: Names, ``FILE.py:CLASS``, ``outputs:DIR``, or ``all``.
        datasets: Names or folders.
        metrics: Names or full ids.
        backend: Where the metrics' networks come from.
        limit: Subjects of each domain to keep.
        out: The run's folder; a run that is there is continued. Default ``runs/NAME``.
        device: A torch device.

    Returns:
        The cells of the summary: generator, dataset, domain, metric, value, low, high, counts.

    Raises:
        BenchError: the specification, a data set or the folder cannot be used.
    """
    fields = {"models": tuple(generators), "data": tuple(datasets), "metrics": tuple(metrics)}
    spec = resolve(validate(fields | {"backend": backend, "limit": limit}, "evaluate"))
    store = RunStore(Path(out) if out else Path("runs") / spec.run_name)
    plan = make_plan(store.grown_spec(spec))
    return complete_run(plan, store, device, 0, _Silent()).cells
