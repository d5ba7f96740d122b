"""One visit to a run directory: continue the run if anything is missing, then read what it came to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BenchError, SpecError
from .plan import Plan, dataset_records, make_plan
from .provenance import check_identities, identities
from .reporting.publish import Published, load_published, publish
from .store import RunStore

if TYPE_CHECKING:
    from .execute.local import Listener


def complete_run(plan: Plan, store: RunStore, device: str, workers: int, listener: Listener) -> Published:
    """Do what the run directory lacks, and return what it then holds.

    Args:
        plan: What is asked for; what the run was asked before, and by others in the meantime, is added.
        store: Its directory.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Hears of progress.

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
            from .runner import run_plan

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
    files = [folder / name for name in ("summary.json", "scores.parquet")]
    missing = [path.name for path in files if not path.is_file()]
    if missing or store.record.get("status") == "started":
        raise BenchError(
            f"the run in {folder} was not finished{f' ({missing[0]} is missing)' if missing else ''}; "
            "run its command again: it continues where it was stopped"
        )
    return load_published(store)


@contextmanager
def _logged(store: RunStore) -> Iterator[None]:
    """Write what the suite logs to the run's own file."""
    handler = logging.FileHandler(store.folder / "run.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("fesbench")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def check_unchanged(plan: Plan, store: RunStore) -> None:
    """Refuse to continue a run whose data changed under it.

    Raises:
        SpecError: a data set's digest differs from the recorded one.
    """
    recorded = store.record.get("datasets", {})
    assert isinstance(recorded, dict)
    for name, entry in dataset_records(plan).items():
        for field in ("digest", "trained_on"):
            if name in recorded and recorded[name].get(field) != entry[field]:
                raise SpecError(
                    f"{field} of the data set {name} is no longer what it was when {store.folder} was begun; "
                    "choose another folder with --out"
                )


def is_complete(plan: Plan, store: RunStore) -> bool:
    """Whether the run directory already holds all that the plan asks for."""
    record = store.record
    asked = plan.spec.model_dump(mode="json")
    published = (store.folder / "summary.json").is_file() and (store.folder / "report").is_dir()
    return published and record.get("status") == "complete" and record.get("spec") == asked
