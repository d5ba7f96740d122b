"""What a result depends on besides its data: files of models and metrics, versions, commit, device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ..core.contracts import FeatureExtractor
from ..core.errors import BenchError, SpecError
from ..core.files import file_digest
from ..generators.registry import CHECKPOINT, identifying_files
from ..metrics.registry import METRICS, metric_id
from .plan import Plan, dataset_records
from .spec import RunSpec
from .store.store import Identities, RunStore

ABSENT = "absent"


def identities(spec: RunSpec) -> Identities:
    """sha256 of every file that decides what the models and metrics of a run answer.

    Returns:
        ``models`` and ``metrics`` by reference and id, each from the part that a file is to its digest, or
        to ``absent``. Metrics of the suite itself are known by their networks, once they are loaded.
    """
    metrics = {metric_id(name, spec.backend) for name in spec.metrics}
    return {
        "models": {name: _digests(_model_files(name, spec)) for name in spec.models},
        "metrics": {name: _digests(METRICS.files(name)) for name in sorted(metrics)},
    }


def network_identities(networks: Mapping[str, FeatureExtractor]) -> Identities:
    """What makes features of loaded networks comparable with those of another day."""
    cards = {name: network.card for name, network in networks.items()}
    return {
        "networks": {
            name: {"weights": card.digest, "preprocessing": card.preprocessing}
            for name, card in cards.items()
        }
    }


def _model_files(reference: str, spec: RunSpec) -> dict[str, Path]:
    try:
        return identifying_files(reference, spec.checkpoints.get(reference))
    except BenchError:  # loading the model will say the same, and stop no other
        return {}


def _digests(files: dict[str, Path]) -> dict[str, str]:
    return {part: file_digest(path) if path.is_file() else ABSENT for part, path in files.items()}


def check_identities(
    found: Identities, store: RunStore, checkpoints: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Refuse to continue a run whose models, metrics or networks changed under it.

    What has no result yet, or none that would be kept, may change: nothing old would stand beside the new.
    A folder of outputs may be added to, so that edits without an output get one.

    Args:
        found: What a run would use now.
        store: Its directory.
        checkpoints: Paths by model reference, for the message.

    Raises:
        SpecError: a file, a network or the use of a checkpoint is not what it was.
    """
    names = store.record.get("names", {})
    assert isinstance(names, dict)
    for kind, recorded in store.identities.items():
        for name in recorded.keys() & found.get(kind, {}).keys():
            part = _changed_part(name, recorded[name], found[kind][name])
            if part and _is_kept(kind, names.get(name, name), store):
                old, new = (parts.get(part, ABSENT) for parts in (recorded[name], found[kind][name]))
                file = f" {checkpoints[name]}" if part == CHECKPOINT and name in checkpoints else ""
                raise SpecError(
                    f"{part}{file} of the {kind.removesuffix('s')} {name} is no longer what the results in "
                    f"{store.folder} were made with: {old} then, {new} now; restore it, or choose another "
                    "folder with --out"
                )


def _changed_part(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    parts = old if name.startswith("outputs:") else {**old, **new}
    return next((part for part in parts if old.get(part, ABSENT) != new.get(part, ABSENT)), None)


def _is_kept(kind: str, name: str, store: RunStore) -> bool:
    """Whether scores are stored that a later table would take over."""
    if kind == "models":
        return store.keeps(generator=name)
    return store.keeps(metric=name) if kind == "metrics" else store.keeps()


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
