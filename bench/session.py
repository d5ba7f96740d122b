"""One visit to a run directory: continue the run if anything is missing, then read what it came to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .errors import SpecError
from .plan import Plan
from .publish import Published, load_published, publish
from .store import RunStore

if TYPE_CHECKING:
    from .execute.local import Listener


def complete_run(plan: Plan, store: RunStore, device: str, workers: int, listener: Listener) -> Published:
    """Do what the run directory lacks, and return what it then holds.

    Args:
        plan: All that the run was ever asked for.
        store: Its directory.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Hears of progress.

    Raises:
        BenchError: the directory is in use, its data changed, or it cannot be written.
    """
    with store.writing():
        check_unchanged(plan, store)
        if not is_complete(plan, store):
            _log_to(store)
            from .runner import run_plan

            publish(plan, store, run_plan(plan, store, device, workers, listener))
        return load_published(store)


def _log_to(store: RunStore) -> None:
    logging.basicConfig(
        filename=store.folder / "run.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        force=True,
    )


def dataset_records(plan: Plan) -> dict[str, dict[str, object]]:
    """What a run records of its data sets."""
    return {
        item.name: {
            "digest": item.dataset.digest,
            "trained_on": {"home": item.home, "protocol": item.protocol, "digest": item.train.digest},
            "edits": len(item.edits),
            "references": {"count": len(item.references), "label": item.references_label},
            "problems": [problem._asdict() for problem in item.dataset.problems],
        }
        for item in plan.datasets
    }


def check_unchanged(plan: Plan, store: RunStore) -> None:
    """Refuse to continue a run whose data changed under it.

    Raises:
        SpecError: a data set's digest differs from the recorded one.
    """
    recorded = store.record.get("datasets", {})
    assert isinstance(recorded, dict)
    for name, entry in dataset_records(plan).items():
        if name in recorded and recorded[name]["digest"] != entry["digest"]:
            raise SpecError(
                f"the data set {name} changed since {store.folder} was begun; choose another with --out"
            )


def is_complete(plan: Plan, store: RunStore) -> bool:
    """Whether the run directory already holds all that the plan asks for."""
    record = store.record
    return record.get("status") == "complete" and record.get("spec") == plan.spec.model_dump(mode="json")
