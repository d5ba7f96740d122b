"""Merging of the parts of a run that were executed apart: the run that one machine would have made."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from textwrap import shorten

import torch

from fesbench.datasets.loading import ImageLoader

from ..core.device import check_device
from ..core.errors import BenchError, WeightsMissing
from ..scoring.feature_cache import default_cache
from ..scoring.scorer import Scorer
from .execution.progress import Stopwatch
from .identities import network_identities
from .models import load_scorer, recorded_cells
from .plan import Plan, dataset_records
from .progress import Listener
from .run import conclude_run
from .spec import Part, RunSpec
from .store.records import CountsRecord, DeviceRecord, Identities, RunRecord, SynthesisRecord, plain
from .store.store import RunStore

log = logging.getLogger(__name__)

MERGED = ("outputs", "scores")
"""The folders whose files are taken over; everything else is made anew."""

ABSENT = "absent"


@dataclass(frozen=True)
class FinishedPart:
    """A part of a run that has come to its end."""

    store: RunStore
    record: RunRecord
    spec: RunSpec
    part: Part

    def __str__(self) -> str:
        return f"{self.part.title} in {self.store.location}"


def read_parts(stores: Sequence[RunStore]) -> list[FinishedPart]:
    """Return the parts of a run, in order.

    Raises:
        BenchError: a folder holds no finished part, a part is missing or there twice, or parts differ in
            what must be the same for their scores to stand in one table. The message names it.
    """
    parts = sorted(map(_read, stores), key=lambda part: part.part)
    if not parts:
        raise BenchError("no part of a run is there; make them with `bench run … --part 1/N` to N/N")
    _check_numbers(parts)
    first = _fixed(parts[0])
    for part in parts[1:]:
        for what, before, now in _differences(first, _fixed(part)):
            raise BenchError(
                f"{part} does not belong to {parts[0]}: {what} is {_short(now)}, and there {_short(before)}"
                f"{FIT_REMEDY if what.startswith(FIT) else ''}"
            )
    return parts


FIT = "the fit of "
FIT_REMEDY = (
    "; remove it, and run that part again with the FESBENCH_HOME of the others, whose cache has the fit"
)


def _read(store: RunStore) -> FinishedPart:
    record = store.record
    if record.spec is None:
        raise BenchError(f"{store.location} holds no part of a run: there is no run.json that says of which")
    if record.spec.part is None:
        raise BenchError(f"{store.location} holds a whole run; give the folders of `bench run --part`")
    part = FinishedPart(store, record, record.spec, record.spec.part)
    if record.status == "started" or not store.read_digests():
        raise BenchError(f"{part} is not finished; run its command again: it continues where it was stopped")
    return part


def _check_numbers(parts: Sequence[FinishedPart]) -> None:
    """Check that each part of one division is there once."""
    last = parts[-1]
    for part in parts:
        if part.part.total != last.part.total:
            raise BenchError(f"{part} and {last} are not of one division of a run; give all parts of one")
    times = Counter(part.part.number for part in parts)
    for number, count in times.items():
        if count > 1:
            twice = [part.store.location for part in parts if part.part.number == number]
            raise BenchError(f"part {number} is there {count} times, in {' and '.join(twice)}; give one")
    expected = [Part(number, last.part.total) for number in range(1, last.part.total + 1)]
    missing = [str(part) for part in expected if not times[part.number]]
    if missing:
        raise BenchError(f"missing: --part {', '.join(missing)}; run each, or say where it is")


def _fixed(part: FinishedPart) -> dict[str, object]:
    """Return what all parts of a run have in common, each under words that name it."""
    record, identities = part.record, part.store.identities
    found: dict[str, object] = {f"the field {name}": value for name, value in plain(part.spec.whole).items()}
    for name, dataset in record.datasets.items():
        found[f"the digest of the data set {name}"] = dataset.digest
        found[f"the training set of {name}"] = dataset.trained_on.digest
        found[f"the digest of the reference images of {name}"] = dataset.references_digest
    found |= {f"the version of {name}": version for name, version in record.versions.items()}
    found |= {"the commit": record.code.commit, "whether the checkout has changes": record.code.dirty}
    for kind, known in identities.kinds():
        for name, digests in known.items():
            found |= {f"{what} of {kind.removesuffix('s')} {name}": value for what, value in digests.items()}
    for name, fits in record.fits.items():
        found |= {f"{FIT}{name} on {dataset}": ", ".join(digests) for dataset, digests in fits.items()}
    for name, entries in record.models.items():
        found |= {f"the card of {name} on {dataset}": plain(entry) for dataset, entry in entries.items()}
    found |= {f"the metric {name}": "computed" for name in record.metrics}
    return found | {f"why {name} cannot be used": reason for name, reason in record.unavailable.items()}


def _differences(
    first: Mapping[str, object], other: Mapping[str, object]
) -> Iterator[tuple[str, object, object]]:
    for what in {**first, **other}:
        before, now = first.get(what, ABSENT), other.get(what, ABSENT)
        if before != now:
            yield what, before, now


def _short(value: object) -> str:
    return shorten(str(value), 160, placeholder=" …")


def merge_parts(
    parts: Sequence[FinishedPart], plan: Plan, store: RunStore, device: str, workers: int, listener: Listener
) -> None:
    """Take over outputs, scores and features of all parts, and write scores, summary and record.

    The caller calls ``finish`` when everything that is made of the results is written.

    Args:
        parts: What ``read_parts`` returned.
        plan: The plan of the whole run.
        store: The run to write, which the caller holds.
        device: The torch device that reference images are looked at on.
        workers: Processes that load these; 0 loads in this one.
        listener: Receives progress.

    Raises:
        BenchError: a data set or a network is another one than that of the parts, a metric cannot be computed
            here, or a file of a part is missing or damaged; the message names it.
    """
    first = parts[0]
    scorer = _scorer(first, plan, device)
    _check_here(first, plan, scorer)
    _begin(parts, plan, store)
    listener.stage("take over files of parts", len(parts))
    for part in parts:
        listener.step(part.part.title)
        _take_over(part, store)
    stopwatch = Stopwatch()
    for part in parts:
        stopwatch.add(part.record.seconds)
    with closing(ImageLoader(workers)) as loader:
        conclude_run(store, scorer, recorded_cells(plan, first.record), loader, listener, stopwatch)


def _scorer(part: FinishedPart, plan: Plan, device: str) -> Scorer:
    """Return the metrics that the parts were scored by."""
    check_device(device)
    torch.manual_seed(plan.spec.seed)
    scorer, unavailable = load_scorer(plan.spec, device)
    for name in part.record.metrics:
        if name not in scorer.metric_ids:
            reason = unavailable.get(name, "it is unknown")
            raise WeightsMissing(f"{name}, which scored {part}, cannot be computed here: {reason}")
    return replace(scorer.only(frozenset(part.record.metrics)), cache=default_cache(device))


def _check_here(part: FinishedPart, plan: Plan, scorer: Scorer) -> None:
    """Check that the data sets and networks here are those of the parts."""
    for name, entry in dataset_records(plan).items():
        recorded = part.record.datasets[name]
        planned = entry.digest, entry.trained_on, entry.references_digest
        if planned != (recorded.digest, recorded.trained_on, recorded.references_digest):
            raise BenchError(f"the data set {name} is another one here than that of {part}; restore it")
    recorded_networks, here = part.store.identities.networks, network_identities(scorer.networks).networks
    for what, before, now in _differences(recorded_networks, here):
        if what in here:
            raise BenchError(f"the network {what} of {part} is {_short(before)}, and here {_short(now)}")


def _begin(parts: Sequence[FinishedPart], plan: Plan, store: RunStore) -> None:
    """Record what the run was made with."""
    first = parts[0].record
    store.update_identities(Identities(**dict(parts[0].store.identities.kinds())))
    store.update_record(
        status="started",
        spec=plan.spec,
        versions=first.versions,
        code=first.code,
        device=_device(parts),
        datasets=dataset_records(plan),
        names=first.names,
        checkpoints=first.checkpoints,
        unavailable=first.unavailable,
        fits=first.fits,
        counts=_counts(parts),
        synthesis=_synthesis(parts),
        **({"output_form": "shards"} if any(part.record.output_form == "shards" for part in parts) else {}),
        **({"varying": varying} if (varying := _varying(parts)) else {}),
    )


def _device(parts: Sequence[FinishedPart]) -> DeviceRecord:
    """Return what computed; several kinds are named with commas, as their scores may differ slightly."""
    devices = [part.record.device for part in parts]
    kinds, names = ({getattr(device, field): None for device in devices} for field in ("device", "name"))
    if len(names) > 1:
        log.warning("the parts were made on different devices: %s", ", ".join(names))
    return DeviceRecord(device=", ".join(kinds), name=", ".join(names), threads=devices[0].threads)


def _counts(parts: Sequence[FinishedPart]) -> CountsRecord:
    counted = [part.record.counts for part in parts if part.record.counts]
    fields = CountsRecord.model_fields
    return CountsRecord(**{name: sum(getattr(counts, name) for counts in counted) for name in fields})


def _synthesis(parts: Sequence[FinishedPart]) -> dict[str, SynthesisRecord]:
    found: dict[str, SynthesisRecord] = {}
    for part in parts:
        for name, own in part.record.synthesis.items():
            before = found.get(name, SynthesisRecord(outputs=0, seconds=0.0))
            found[name] = SynthesisRecord(
                outputs=before.outputs + own.outputs, seconds=before.seconds + own.seconds
            )
    return found


def _varying(parts: Sequence[FinishedPart]) -> dict[str, dict[str, str]]:
    """Return what any part found its models' outputs to depend on."""
    found: dict[str, dict[str, str]] = {}
    for part in parts:
        for name, datasets in part.record.varying.items():
            for dataset, clause in datasets.items():
                own = found.setdefault(name, {})
                own[dataset] = own.get(dataset) or clause
    return found


def _take_over(part: FinishedPart, store: RunStore) -> None:
    """Copy or link the outputs, scores and features of a part, each checked by its digest."""
    present = set(part.store.digested_files())
    for key, digest in part.store.read_digests().items():
        if key.split("/")[0] not in MERGED:
            continue
        try:
            if key not in present:
                raise FileNotFoundError("it is missing")
            store.take_over(key, digest, part.store)
        except (OSError, ValueError) as error:
            raise BenchError(
                f"{part.store.place(key)} is damaged ({error}); run the command of {part.part.title} again: "
                "it makes the file anew"
            ) from error
