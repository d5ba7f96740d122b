"""The Python interface to runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console

from fesbench.reports.run.publish import publish

from .core.contracts import Inference, Upscale
from .core.errors import BenchError
from .metrics.registry import backend_for_photos
from .runs.identities import check_identities, check_unchanged, identities
from .runs.mending import altered_files, remove_altered
from .runs.plan import Plan, make_plan, resolve
from .runs.progress import SILENT, Listener, shown_progress
from .runs.rates import record_rates
from .runs.results import RunResults
from .runs.spec import RunSpec, named_as_fields, validate
from .runs.store.store import RunStore
from .statistics.comparisons import CELL_COLUMNS

if TYPE_CHECKING:
    from .runs.execution.executor import Executor
    from .runs.run import Loaded
    from .runs.store.records import OutputForm

log = logging.getLogger(__name__)

_DEFAULT = RunSpec()


def evaluate(
    generators: Sequence[str | Path] | str | Path = _DEFAULT.models,
    datasets: Sequence[str | Path] | str | Path = _DEFAULT.data,
    metrics: Sequence[str] | str = _DEFAULT.metrics,
    backend: str | None = None,
    limit: int | None = _DEFAULT.limit,
    out: Path | str | None = None,
    device: str = "cpu",
    *,
    checkpoints: Mapping[str, Path | str] | Path | str = MappingProxyType({}),
    labels: Mapping[str, Sequence[str]] | str = MappingProxyType({}),
    native_sizes: Mapping[str, int] | int = MappingProxyType({}),
    action_units: Mapping[str, Path | str] | Path | str = MappingProxyType({}),
    resolution: int = _DEFAULT.resolution,
    seed: int = _DEFAULT.seed,
    folds: int = _DEFAULT.folds,
    inference: Inference = _DEFAULT.inference,
    upscale: Upscale = _DEFAULT.upscale,
    registered: bool = _DEFAULT.registered,
    part: str | tuple[int, int] | None = _DEFAULT.part,
    workers: int = 0,
    timeout: float | None = None,
    executor: Executor | None = None,
    outputs: OutputForm | None = None,
    progress: bool | Listener = False,
) -> pd.DataFrame:
    """Compare generators on data sets: what ``bench run`` does, with the same defaults.

    One word or path stands for a list of one. What describes or drives a model is given by the model's name,
    or alone where one model is compared: ``evaluate("stgan", "london", checkpoints="G.pth.tar")``.

    Args:
        generators: Names, ``FILE.py:CLASS``, ``outputs:DIR``, or ``all``.
        datasets: Names or folders.
        metrics: Names or full ids; by default all that the backend has.
        backend: Where the metrics' networks come from; by default that of an earlier run in ``out``, else
            ``embedded`` for rendered faces, and for photos ``portable`` once its files were fetched.
        limit: Subjects of each domain to keep.
        out: The run's folder; an existing run is continued. Default ``runs/NAME``.
        device: A torch device.
        checkpoints: Generator to the weights to use instead of the shipped ones.
        labels: Generator to the expressions of its checkpoint's labels, in the order of its training; by
            default those of the card beside it, else the authors'.
        native_sizes: Generator to the image size in pixels that its checkpoint was trained at; likewise.
        action_units: Generator to OpenFace's files that drive it; see
            ``datasets.action_units.expression_units``.
        resolution: The square size in pixels at which images reach the metrics.
        seed: Decides which subjects ``limit`` keeps, folds, and all other random choices.
        folds: Subject-disjoint parts for closed-form models on small data sets.
        inference: How the generators' networks compute; all but ``float32`` are faster and differ.
        upscale: What is enlarged of outputs smaller than ``resolution``: their ``change`` of the photo, or
            the whole ``output``.
        registered: Show models faces that are brought to a common frame by their landmarks.
        part: ``"3/16"`` executes the third of sixteen parts of the run's shards, for ``merge_runs``.
        workers: Processes that load images; 0 loads in this one. A script that gives more needs the guard
            ``if __name__ == "__main__":``.
        timeout: Seconds that a model or metric of a file or an installed package may take to load, and for a
            batch; None for 300.
        executor: Executes the work, such as ``fesbench.runs.execution.ray.RayExecutor``; None does so in
            this process.
        outputs: ``files`` keeps each output as a file, ``shards`` 32 together in an archive; None takes
            shards where there are more than 50,000.
        progress: True shows on stderr what the run does; a ``Listener`` is told; False shows nothing.

    Returns:
        The cells of the summary: generator, dataset, domain, metric, value, low, high, counts.
        ``attrs["run"]`` is the run's folder, for ``load_run``. A part of a run has a folder and no cells.

    Raises:
        BenchError: the specification, a data set or the folder cannot be used.
    """
    fields = {
        "models": generators,
        "data": datasets,
        "metrics": metrics,
        "limit": limit,
        "checkpoints": checkpoints,
        "labels": labels,
        "native_sizes": native_sizes,
        "action_units": action_units,
        "resolution": resolution,
        "seed": seed,
        "folds": folds,
        "inference": inference,
        "upscale": upscale,
        "registered": registered,
        "part": part,
    }
    stated = named_as_fields(fields | ({"backend": backend} if backend else {}))
    plan, store = plan_run(stated, out, "evaluate", log.warning)
    with _listening(progress) as listener:
        if plan.spec.part:
            complete_part(plan, store, device, workers, listener, timeout, executor, output_form=outputs)
            cells = pd.DataFrame(columns=CELL_COLUMNS)
        else:
            results = complete_run(
                plan, store, device, workers, listener, timeout, executor, output_form=outputs
            )
            cells = results.summary.cells
    cells.attrs["run"] = store.location
    return cells


def merge_runs(
    out: Path | str,
    parts: Sequence[Path | str] = (),
    device: str = "cpu",
    *,
    workers: int = 0,
    progress: bool | Listener = False,
) -> pd.DataFrame:
    """Merge the parts of a run: what ``bench merge`` does.

    Outputs, scores and features are taken over and checked by their digests; set metrics, tests and tables
    are computed as in a run on one machine. The same call continues where an earlier one was stopped.

    Args:
        out: The folder of the whole run.
        parts: The folders of all its parts; by default those that ``evaluate(out=out, part=…)`` wrote.
        device: The torch device that looks at reference images.
        workers: Processes that load these; 0 loads in this one.
        progress: As for ``evaluate``.

    Returns:
        The cells of the summary, as ``evaluate`` returns them.

    Raises:
        BenchError: a part is missing, there twice, not finished or damaged, or parts are not of one run: the
            specification, data, code, models or fits differ. The message names it.
    """
    with _listening(progress) as listener:
        results = complete_merge(RunStore(out), list(map(RunStore, parts)), device, workers, listener)
    cells = results.summary.cells
    cells.attrs["run"] = results.location
    return cells


@contextmanager
def _listening(progress: bool | Listener) -> Iterator[Listener]:
    if isinstance(progress, Listener):
        yield progress
    elif progress:
        with shown_progress(Console(stderr=True)) as listener:
            yield listener
    else:
        yield SILENT


def plan_run(
    fields: Mapping[str, Any], out: Path | str | None, origin: str, tell: Callable[[str], None]
) -> tuple[Plan, RunStore]:
    """Return the plan of a run and its directory, which is not made yet.

    Args:
        fields: The fields of the specification that are stated; others have their defaults, or those of the
            run in ``out``.
        out: The run's folder; None for ``runs/NAME``.
        origin: Who asks, for messages.
        tell: Receives what is to be known of a backend that was chosen here.

    Raises:
        BenchError: the specification, a data set or the folder cannot be used.
    """
    spec = validate(dict(fields), origin)
    if "backend" not in fields:
        earlier = run_store(out, spec).record.spec if out else None
        spec = spec.model_copy(update={"backend": _backend(spec, earlier, tell)})
    spec = resolve(spec)
    store = run_store(out or Path("runs") / spec.run_name, spec)
    return make_plan(store.grown_spec(spec)), store


def run_store(location: Path | str, spec: RunSpec) -> RunStore:
    """Return the directory of a run; that of a part lies in the one of the whole run."""
    whole = RunStore(location)
    return whole.part(spec.part) if spec.part else whole


def _backend(spec: RunSpec, earlier: RunSpec | None, tell: Callable[[str], None]) -> str:
    """Return the backend where none was chosen: that of the run so far, else one that suits the data."""
    if earlier:
        return earlier.backend
    if {*spec.data} == {*_DEFAULT.data}:
        return _DEFAULT.backend
    backend, note = backend_for_photos(spec.metrics)
    if note:
        tell(f"note: {note}")
    return backend


def complete_run(
    plan: Plan,
    store: RunStore,
    device: str,
    workers: int,
    listener: Listener,
    timeout: float | None = None,
    executor: Executor | None = None,
    complete: bool = False,
    output_form: OutputForm | None = None,
) -> RunResults:
    """Compute what the run directory lacks, and return the results; of all shards, see ``complete_part``.

    Args:
        plan: What to run; what the run was asked for before, also by others in the meantime, is added.
        store: The run directory.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Receives progress.
        timeout: Seconds that a model of a file or an installed package may take for a batch; None for 300.
        executor: Executes the work; None does so in this process.
        complete: Whether ``is_complete`` has said so just now; else it is asked.
        output_form: How to keep outputs; None in shards where there are many.

    Raises:
        BenchError: the device, the metrics or the models cannot be used, and nothing was written; or the
            directory is in use, its data or models changed, or it cannot be written.
    """
    complete_part(plan, store, device, workers, listener, timeout, executor, complete, output_form)
    return RunResults.open(store.location)


def complete_part(
    plan: Plan,
    store: RunStore,
    device: str,
    workers: int,
    listener: Listener,
    timeout: float | None = None,
    executor: Executor | None = None,
    complete: bool = False,
    output_form: OutputForm | None = None,
) -> None:
    """Compute what the run directory lacks of the plan, which may be a part of a run.

    Arguments and errors are those of ``complete_run``.
    """
    from .core.host_process import TIMEOUT

    seconds, start = timeout or TIMEOUT, time.perf_counter()
    with ExitStack() as opened:
        loaded, complete = None, complete or is_complete(plan, store)
        if not complete:  # what cannot be loaded is noticed before the folder is made
            listener.stage("load models and metrics")
            loaded = _load(plan, device, seconds)
            opened.callback(loaded.models.close)
        opened.enter_context(store.writing())
        spec = store.grown_spec(plan.spec)
        if spec != plan.spec:
            plan, loaded, complete = make_plan(spec), None, False
        check_unchanged(plan, store)
        found = identities(spec)
        check_identities(found, store, spec.checkpoints)
        if complete or is_complete(plan, store):
            store.update_index()
        else:
            from .runs.run import finish, run_plan

            remove_altered(plan, store)
            store.update_identities(found)
            loaded = loaded or _load(plan, device, seconds)
            with _logged(store):
                run_plan(plan, store, device, workers, listener, executor, loaded, seconds, output_form)
                if not spec.part:
                    publish(plan, RunResults.read(store), listener)
                finish(store)
            if executor is None:
                taken = time.perf_counter() - start
                record_rates(plan, store.record.names, device, taken, loaded.stopwatch)


def complete_merge(
    store: RunStore, parts: Sequence[RunStore], device: str, workers: int, listener: Listener
) -> RunResults:
    """Merge the parts of a run into its directory, unless that is done, and return the results.

    Args:
        store: The directory of the whole run.
        parts: Those of its parts; none for the ones in the directory of the run.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Receives progress.

    Raises:
        BenchError: as for ``merge_runs``; or the directory is in use, or holds another run.
    """
    from .runs.merging import merge_parts, read_parts
    from .runs.run import finish

    listener.stage("check the parts")
    found = read_parts(parts or store.part_runs())
    plan = make_plan(found[0].spec.whole)
    with store.writing():
        if store.grown_spec(plan.spec) != plan.spec:
            raise BenchError(f"{store.location} holds a run that was asked for more; choose another folder")
        if not is_complete(plan, store):
            with _logged(store):
                merge_parts(found, plan, store, device, workers, listener)
                publish(plan, RunResults.read(store), listener)
                finish(store)
        return RunResults.open(store.location)


def _load(plan: Plan, device: str, timeout: float) -> Loaded:
    from .runs.run import load

    return load(plan, device, timeout)


def open_run(folder: Path | str) -> RunResults:
    """Return the results of a finished run, in a folder or at a URL.

    Raises:
        BenchError: the folder holds no run, the run was not finished, or its files are damaged.
    """
    return RunResults.open(folder)


@contextmanager
def _logged(store: RunStore) -> Iterator[None]:
    """Append what the suite logs to the log file of the run."""
    logger = logging.getLogger("fesbench")
    logger.setLevel(logging.INFO)
    with store.log_file() as path, closing(_RunLog(path, encoding="utf-8", delay=True)) as handler:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _RunLog(logging.FileHandler):
    """Writes the log of a run; on a full disk, lines are lost and the run goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose a line that cannot be written."""

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            super().close()


def is_complete(plan: Plan, store: RunStore) -> bool:
    """Return whether the run directory holds the finished results of everything that the plan asks for.

    A result that is missing or was changed since is none.
    """
    record = store.record
    published = plan.spec.part is not None or store.is_published()
    finished = published and record.status == "complete" and record.spec == plan.spec
    return finished and not altered_files(store)
