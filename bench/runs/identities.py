"""Identities of models, metrics and networks, so that a run does not mix results of different ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fesbench.datasets.action_units import files_digest
from fesbench.datasets.expressions import known_name

from ..core.contracts import FeatureExtractor
from ..core.errors import BenchError, SpecError
from ..core.files import file_digest
from ..generators.registry import CHECKPOINT, identifying_files
from ..metrics.registry import METRICS, metric_id
from .plan import Plan, dataset_records
from .spec import RunSpec
from .store.records import Identities
from .store.store import RunStore

ABSENT = "absent"


def identities(spec: RunSpec) -> Identities:
    """Return the sha256 of each file that the models and metrics of a run depend on.

    Returns:
        ``models`` by how they were asked for and ``metrics`` by id, each with the digest of each of its
        files, or ``absent``. Metrics of the suite itself are identified by their networks, once loaded.
    """
    metrics = {metric_id(name, spec.backend) for name in spec.metrics}
    return Identities(
        models={name: _digests(_model_files(name, spec)) | _stated(name, spec) for name in spec.models},
        metrics={name: _digests(METRICS.files(name)) for name in sorted(metrics)},
    )


def network_identities(networks: Mapping[str, FeatureExtractor]) -> Identities:
    """Return what must agree for features of networks to be comparable between runs."""
    cards = {name: network.card for name, network in networks.items()}
    return Identities(
        networks={
            name: {"weights": card.digest, "preprocessing": card.preprocessing}
            for name, card in cards.items()
        }
    )


def _model_files(model_spec: str, spec: RunSpec) -> dict[str, Path]:
    try:
        return identifying_files(model_spec, spec.checkpoints.get(model_spec))
    except BenchError:  # loading the model will say the same, and stop no other
        return {}


def _stated(model_spec: str, spec: RunSpec) -> dict[str, str]:
    """Return the labels and the image size that the user states of a checkpoint, and its action units."""
    stated = {}
    if model_spec in spec.labels:
        stated["labels"] = ", ".join(map(known_name, spec.labels[model_spec]))
    if model_spec in spec.native_sizes:
        stated["native size"] = str(spec.native_sizes[model_spec])
    if model_spec in spec.action_units:
        stated["action units"] = files_digest(Path(spec.action_units[model_spec]))
    return stated


def _digests(files: dict[str, Path]) -> dict[str, str]:
    return {part: file_digest(path) if path.is_file() else ABSENT for part, path in files.items()}


def check_identities(
    found: Identities, store: RunStore, checkpoints: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Refuse to continue a run whose models, metrics or networks have changed.

    Those without a stored result that would be kept may change: no old and new results would be mixed. Files
    may be added to a folder of outputs, so that edits without an output get one.

    Args:
        found: What a run would use now.
        store: Its directory.
        checkpoints: The paths of checkpoints by model, for the message.

    Raises:
        SpecError: a file, a network or the use of a checkpoint is not what it was.
    """
    names = store.record.names
    now = dict(found.kinds())
    for kind, recorded in store.identities.kinds():
        for name in recorded.keys() & now[kind].keys():
            part = _changed_part(name, recorded[name], now[kind][name])
            if part and _is_kept(kind, names.get(name, name), store):
                old, new = (parts.get(part, ABSENT) for parts in (recorded[name], now[kind][name]))
                file = f" {checkpoints[name]}" if part == CHECKPOINT and name in checkpoints else ""
                raise SpecError(
                    f"{part}{file} of the {kind.removesuffix('s')} {name} is no longer what the results in "
                    f"{store.location} were made with: {old} then, {new} now; restore it, or choose another "
                    "folder with --out"
                )


def _changed_part(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    parts = old if name.startswith("outputs:") else {**old, **new}
    return next((part for part in parts if old.get(part, ABSENT) != new.get(part, ABSENT)), None)


def _is_kept(kind: str, name: str, store: RunStore) -> bool:
    """Return whether scores are stored that a later table would use."""
    if kind == "models":
        return store.parts.any_scored(generator=name)
    return store.parts.any_scored(metric=name) if kind == "metrics" else store.parts.any_scored()


def check_unchanged(plan: Plan, store: RunStore) -> None:
    """Refuse to continue a run whose data sets have changed.

    Raises:
        SpecError: a data set's digest differs from the recorded one.
    """
    recorded = store.record.datasets
    for name, entry in dataset_records(plan).items():
        for field in ("digest", "trained_on", "references_digest"):
            known = getattr(recorded[name], field) if name in recorded else ""
            if known and known != getattr(entry, field):  # earlier versions recorded no digest of references
                raise SpecError(
                    f"{field} of the data set {name} is no longer what it was when {store.location} was "
                    "begun; choose another folder with --out"
                )
