"""The Python interface to runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from fesbench.reports.run.publish import publish

from .runs.identities import check_identities, check_unchanged, identities
from .runs.mending import altered_files, remove_altered
from .runs.plan import Plan, make_plan, resolve
from .runs.results import RunResults
from .runs.spec import validate
from .runs.store.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

    from .runs.execution.executor import Executor, ShardDone
    from .runs.execution.progress import Listener
    from .runs.run import Loaded


class _Silent:
    """A listener that shows nothing."""

    def begin(self, shards: int, edits: int) -> None:
        """Do nothing."""

    def done(self, done: ShardDone) -> None:
        """Do nothing."""

    def stage(self, name: str) -> None:
        """Do nothing."""


def evaluate(
    generators: Sequence[str],
    datasets: Sequence[str] = ("rendered",),
    metrics: Sequence[str] = ("ecs", "fss", "quality", "fid"),
    backend: str = "embedded",
    limit: int | None = None,
    out: Path | str | None = None,
    device: str = "cpu",
    *,
    checkpoints: Mapping[str, Path | str] = MappingProxyType({}),
    labels: Mapping[str, Sequence[str]] = MappingProxyType({}),
    native_sizes: Mapping[str, int] = MappingProxyType({}),
    action_units: Mapping[str, Path | str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Compare generators on data sets; the same as ``bench run``.

    Args:
        generators: Names, ``FILE.py:CLASS``, ``outputs:DIR``, or ``all``.
        datasets: Names or folders.
        metrics: Names or full ids.
        backend: Where the metrics' networks come from.
        limit: Subjects of each domain to keep.
        out: The run's folder; an existing run is continued. Default ``runs/NAME``.
        device: A torch device.
        checkpoints: Generator to the weights to use instead of the shipped ones.
        labels: Generator to the expressions of its checkpoint's labels, in the order of its training; by
            default those of the card beside it, else the authors'.
        native_sizes: Generator to the image size in pixels that its checkpoint was trained at; likewise.
        action_units: Generator to OpenFace's files that drive it; see
            ``datasets.action_units.expression_units``.

    Returns:
        The cells of the summary: generator, dataset, domain, metric, value, low, high, counts.

    Raises:
        BenchError: the specification, a data set or the folder cannot be used.
    """
    fields = {"models": tuple(generators), "data": tuple(datasets), "metrics": tuple(metrics)}
    stated = {
        "checkpoints": {name: str(path) for name, path in checkpoints.items()},
        "labels": {name: tuple(names) for name, names in labels.items()},
        "native_sizes": dict(native_sizes),
        "action_units": {name: str(path) for name, path in action_units.items()},
    }
    spec = resolve(validate(fields | stated | {"backend": backend, "limit": limit}, "evaluate"))
    store = RunStore(Path(out) if out else Path("runs") / spec.run_name)
    plan = make_plan(store.grown_spec(spec))
    return complete_run(plan, store, device, 0, _Silent()).summary.cells


def complete_run(
    plan: Plan,
    store: RunStore,
    device: str,
    workers: int,
    listener: Listener,
    timeout: float | None = None,
    executor: Executor | None = None,
) -> RunResults:
    """Compute what the run directory lacks, and return the results.

    Args:
        plan: What to run; what the run was asked for before, also by others in the meantime, is added.
        store: The run directory.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Receives progress.
        timeout: Seconds that a model of a file or an installed package may take for a batch; None for 300.
        executor: Executes the work; None does so in this process.

    Raises:
        BenchError: the device, the metrics or the models cannot be used, and nothing was written; or the
            directory is in use, its data or models changed, or it cannot be written.
    """
    from .runs.isolation.model import TIMEOUT

    seconds = timeout or TIMEOUT
    with ExitStack() as opened:
        loaded, complete = None, is_complete(plan, store)
        if not complete:  # what cannot be loaded is noticed before the folder is made
            loaded = _load(plan, device, seconds)
            opened.callback(loaded.models.close)
        opened.enter_context(store.writing())
        spec = store.grown_spec(plan.spec)
        if spec != plan.spec:
            plan, loaded, complete = make_plan(spec), None, False
        check_unchanged(plan, store)
        found = identities(spec)
        check_identities(found, store, spec.checkpoints)
        if not (complete or is_complete(plan, store)):
            from .runs.run import finish, run_plan

            remove_altered(plan, store)
            store.update_identities(found)
            with _logged(store):
                run_plan(plan, store, device, workers, listener, executor, loaded, seconds)
                listener.stage("tables and pictures")
                publish(plan, RunResults.read(store))
                finish(store)
        return RunResults.open(store.location)


def _load(plan: Plan, device: str, timeout: float) -> Loaded:
    from .runs.run import load

    return load(plan, device, timeout)


def open_run(folder: Path) -> RunResults:
    """Return the results of a finished run.

    Raises:
        BenchError: the folder holds no run, the run was not finished, or its files are damaged.
    """
    return RunResults.open(folder)


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
    """Return whether the run directory holds the finished results of everything that the plan asks for.

    A result that is missing or was changed since is none.
    """
    record = store.record
    finished = store.is_published() and record.status == "complete" and record.spec == plan.spec
    return finished and not altered_files(store)
