"""The Python interface to runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fesbench.reports.run.publish import Published, load_published, publish

from .core.errors import BenchError
from .runs.identities import check_identities, check_unchanged, identities
from .runs.plan import Plan, make_plan, resolve
from .runs.spec import validate
from .runs.store.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

    from .runs.execution.executor import ShardDone
    from .runs.execution.progress import Listener


class _Silent:
    """A listener that ignores progress."""

    def begin(self, shards: int, edits: int) -> None:
        """Do nothing."""

    def done(self, done: ShardDone) -> None:
        """Do nothing."""


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


def complete_run(plan: Plan, store: RunStore, device: str, workers: int, listener: Listener) -> Published:
    """Do what the run directory lacks, and return what it then holds.

    Args:
        plan: What is asked for; what the run was asked before, and by others in the meantime, is added.
        store: Its directory.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Receives progress.

    Raises:
        BenchError: the directory is in use, its data or models changed, or it cannot be written.
    """
    with store.writing():
        spec = store.grown_spec(plan.spec)
        plan = plan if spec == plan.spec else make_plan(spec)
        check_unchanged(plan, store)
        found = identities(spec)
        check_identities(found, store, spec.checkpoints)
        if not is_complete(plan, store):
            from .runs.run import run_plan

            store.update_identities(found)
            with _logged(store):
                publish(plan, store, run_plan(plan, store, device, workers, listener))
        return load_published(store)


def open_run(folder: Path) -> Published:
    """What the folder of a run holds, as it stands.

    Raises:
        BenchError: it is no run's folder, the run has not come to its end yet, or its files are damaged.
    """
    store = RunStore(folder)
    if not store.record:
        raise BenchError(f"{folder} holds no run: there is no run.json; give a folder that `bench run` wrote")
    missing = store.missing_results()
    if missing or store.record.get("status") == "started":
        raise BenchError(
            f"the run in {folder} was not finished{f' ({missing[0]} is missing)' if missing else ''}; "
            "run its command again: it continues where it was stopped"
        )
    return load_published(store)


@contextmanager
def _logged(store: RunStore) -> Iterator[None]:
    """Append what the suite logs to the log file of the run."""
    logger = logging.getLogger("fesbench")
    logger.setLevel(logging.INFO)
    with store.log_file() as path, closing(logging.FileHandler(path, encoding="utf-8")) as handler:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def is_complete(plan: Plan, store: RunStore) -> bool:
    """Whether the run directory already holds all that the plan asks for."""
    record = store.record
    asked = plan.spec.model_dump(mode="json")
    return store.is_published() and record.get("status") == "complete" and record.get("spec") == asked
