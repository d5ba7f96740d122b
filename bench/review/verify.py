"""Verifies a finished run against itself and against what it was made from, as a reviewer would.

Digests of its files, data, models and networks are computed anew; ``scores.parquet`` is compared with the
parts of its shards, the summary with the scores. Stored outputs are scored again, with the features that
scores of sets rest on; those scores, all tests and ranks, and what the record says of cards and of real
images are computed again too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fesbench.datasets.loading import ImageLoader, load_ahead

from ..core.allocator import return_freed_memory
from ..core.contracts import Edit, Failure, Features, Image
from ..core.device import check_device
from ..core.environment import commit, versions
from ..core.errors import BenchError, ImageError
from ..core.reasons import FAILED, WITHOUT_OUTPUT, have_reason
from ..runs.identities import ABSENT, identities, network_identities
from ..runs.models import load_scorer
from ..runs.plan import DatasetPlan, Plan, dataset_records, make_plan
from ..runs.results import RunResults
from ..runs.store.store import DIGESTS, RunStore
from ..scoring.scorer import Scorer
from ..scoring.shards import References, score_shard, shard_references
from .checks import Check, compared
from .tables import card_checks, summary_check, table_checks

TOLERANCE = 1e-4
"""Other processors, threads and versions move scores by less than this; an altered image by more."""
EXACT = 1e-9
FEATURES = 1e-3
"""Features may differ by this share of the largest one."""
KEYS = ["generator", "dataset", "edit", "metric"]
CELL_KEYS = ["generator", "dataset", "domain", "metric"]


@dataclass(frozen=True)
class Depth:
    """How much to score again: every shard, or one of each generator and data set, drawn by ``seed``.

    ``tolerance`` is the largest difference of a score, relative to the score where that is above 1.
    """

    everything: bool = False
    seed: int = 0
    tolerance: float = TOLERANCE
    device: str = "cpu"


def verify_run(results: RunResults, depth: Depth) -> Iterator[Check]:
    """Check a finished run; yield every check as soon as it is done.

    Raises:
        BenchError: the device cannot be used, or the scores are damaged.
    """
    check_device(depth.device)
    yield _code_check(results)
    yield from _file_checks(results.store)
    yield from _tables(results)
    yield from _models(results)
    try:
        plan = make_plan(results.spec)
    except BenchError as error:
        yield Check("data sets", "not checked", f"{error} Without them no score can be computed again.")
        return
    data = list(_data(plan, results))
    yield from data
    scorer, checks = _trusted(plan, results, depth)
    yield from checks
    for dataset in plan.datasets:
        if scorer.cards:
            yield from _scores_in(dataset, scorer, results, depth)
    if all(check.outcome == "ok" for check in (*data, *checks)):
        yield from table_checks(plan, results, scorer, depth.tolerance, depth.everything)
        yield from card_checks(plan, results, depth.device)
    else:
        yield Check("tables from features", "not checked", "other data or networks give other numbers")


def _code_check(results: RunResults) -> Check:
    """Tell whether the run was made by this code: another version may compute other intervals and cards."""
    made = _version(results.record.versions.get("fesbench"), results.record.code.commit)
    here = _version(versions()["fesbench"], commit()["commit"])
    if made == here:
        return Check("code", "ok", f"{made} made the run, as is here")
    changed = "what changed between them differs below though nobody altered it"
    return Check("code", "not checked", f"{made} made the run; here is {here}: {changed}")


def _version(version: str | None, revision: object) -> str:
    return f"fesbench {version or 'of no known version'}" + (f", commit {revision!s:.12}" if revision else "")


def _file_checks(store: RunStore) -> Iterator[Check]:
    recorded = store.read_digests()
    if not recorded:
        yield Check("files", "not checked", f"this run has no {DIGESTS}; runs of earlier versions have none")
        return
    present = store.digested_files()
    altered = [name for name in present if name in recorded and store.digest(name) != recorded[name]]
    problems = {
        "altered": altered,
        "missing": sorted(recorded.keys() - set(present)),
        "added": sorted(set(present) - recorded.keys()),
    }
    for kind, names in problems.items():
        yield from (Check(f"file {name}", "mismatch", f"{kind} since the run was finished") for name in names)
    if not any(problems.values()):
        yield Check("files", "ok", f"{len(recorded)} files are as they were when the run was finished")


def _tables(results: RunResults) -> Iterator[Check]:
    """Check that the tables of the run agree with each other."""
    scores = results.scores
    differing = _differing(scores, results.store.parts.read_all_rows(), KEYS, ["value"], EXACT)
    yield compared("scores.parquet against the parts of its shards", len(scores), differing)
    yield summary_check(results, EXACT)


def _differing(
    recorded: pd.DataFrame, found: pd.DataFrame, keys: list[str], columns: list[str], tolerance: float
) -> list[str]:
    """Return descriptions of the rows that only one frame has, or in which a number differs."""
    both = recorded[[*keys, *columns]].merge(
        found[[*keys, *columns]], on=keys, how="outer", suffixes=("_recorded", "_now"), indicator="side"
    )
    odd = both["side"] != "both"
    for column in columns:
        old, new = (
            pd.to_numeric(both[f"{column}_{side}"]).to_numpy(np.float64) for side in ("recorded", "now")
        )
        equal = np.isclose(old, new, rtol=tolerance, atol=tolerance, equal_nan=True)
        odd |= ~equal
    return [_described(row, keys, columns[0]) for row in both[odd].to_dict("records")]


def _described(row: Mapping[Any, Any], keys: list[str], column: str) -> str:
    place = " ".join(str(row[key]) for key in keys)
    sides = {"left_only": "is not found again", "right_only": "is not recorded"}
    gap = f"{row[f'{column}_recorded']:.6g} recorded, {row[f'{column}_now']:.6g} found"
    return f"{place}: {sides.get(str(row['side']), gap)}"


def _models(results: RunResults) -> Iterator[Check]:
    """Check that models and metrics here are those that the run was made with."""
    found = identities(results.spec)
    kinds = {"models": (results.identities.models, found.models)}
    kinds |= {"metrics": (results.identities.metrics, found.metrics)}
    for kind, (recorded, now) in kinds.items():
        changed = list(_changed(recorded, now))
        yield from (Check(f"{kind.removesuffix('s')} {text}", "mismatch", detail) for text, detail in changed)
        if not changed:
            yield Check(
                kind,
                "ok",
                f"{sum(map(len, recorded.values()))} files of {len(recorded)} {kind} are unchanged",
            )


def _changed(
    recorded: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    for name, parts in recorded.items():
        for part, digest in parts.items():
            now = found.get(name, {}).get(part, ABSENT)
            if now != digest:
                yield f"{name}: {part}", f"{digest} when the run was made, {now} now"


def _data(plan: Plan, results: RunResults) -> Iterator[Check]:
    for name, entry in dataset_records(plan).items():
        recorded = results.record.datasets[name]
        pairs = [("data set", recorded.digest, entry.digest)]
        if recorded.references_digest:
            pairs.append(("reference images of", recorded.references_digest, entry.references_digest))
        for what, then, now in pairs:
            if then == now:
                yield Check(f"{what} {name}", "ok", then)
            else:
                yield Check(f"{what} {name}", "mismatch", f"{then} when the run was made, {now} now")


def _trusted(plan: Plan, results: RunResults, depth: Depth) -> tuple[Scorer, list[Check]]:
    """Return the metrics whose networks are those of the run, and what is wrong with the others."""
    scorer, unavailable = load_scorer(plan.spec, depth.device)
    checks = [Check(f"metric {name}", "not checked", reason) for name, reason in unavailable.items()]
    networks = network_identities(scorer.networks).networks
    changed = list(_changed(results.identities.networks, networks))
    checks += [Check(f"network {text}", "mismatch", detail) for text, detail in changed]
    names = {text.partition(": ")[0] for text, _ in changed}
    usable = frozenset(
        metric
        for metric, read in scorer.networks_by_metric
        if not names & {network.card.name for network in read}
    )
    return scorer.only(usable), checks


def _scores_in(plan: DatasetPlan, scorer: Scorer, results: RunResults, depth: Depth) -> Iterator[Check]:
    models = sorted(results.record.models_on(plan.name))
    draw = np.random.default_rng(depth.seed)
    everything = range(len(plan.shards))
    chosen = {
        name: everything if depth.everything else [int(draw.integers(len(plan.shards)))] for name in models
    }
    numbers = sorted({number for wanted in chosen.values() for number in wanted})
    differing: dict[str, list[str]] = {name: [] for name in models}
    counts = dict.fromkeys(models, 0)
    loaded_shards = load_ahead([plan.shards[number] for number in numbers], ImageLoader(0))
    for number, loaded in zip(numbers, loaded_shards, strict=True):
        references = shard_references(loaded.edits, loaded.failures, scorer)
        for name in (name for name in models if number in chosen[name]):
            again = _again(name, plan, number, references, scorer, results.store)
            counts[name] += len(again.recorded)
            differing[name] += _differing(again.recorded, again.found, KEYS, ["value"], depth.tolerance)
            differing[name] += again.features
        return_freed_memory()
    for name in models:
        extent = "all shards" if depth.everything else "one shard"
        yield compared(
            f"scores of {name} on {plan.name}, {extent}, from its outputs", counts[name], differing[name]
        )


class _StoredShard(NamedTuple):
    """A shard of a generator's outputs."""

    store: RunStore
    generator: str
    dataset: str
    number: int


class _Again(NamedTuple):
    """A shard's rows as computed now and as recorded, and what is wrong with its stored features."""

    found: pd.DataFrame
    recorded: pd.DataFrame
    features: list[str]


def _again(
    name: str, plan: DatasetPlan, number: int, references: References, scorer: Scorer, store: RunStore
) -> _Again:
    """Score a shard again, by the metrics that can be computed."""
    recorded = store.parts.read_rows(name, plan.name, number)
    columns = [column for column in scorer.columns if column in set(recorded["metric"])]
    lost = recorded[have_reason(recorded["reason"], *WITHOUT_OUTPUT)]
    failed = dict(zip(lost["edit"], lost["reason"].str.removeprefix(FAILED), strict=True))
    shard = _StoredShard(store, name, plan.name, number)
    outputs = [_output(shard, edit, scorer.resolution, failed) for edit in references.edits]
    scored = score_shard(outputs, references, scorer)
    found = scored.rows.assign(generator=name, dataset=plan.name)
    rows, stored = (part[part["metric"].isin(columns)] for part in (found, recorded))
    return _Again(rows, stored, _altered_features(name, plan, number, scored.features, store))


def _altered_features(
    name: str, plan: DatasetPlan, number: int, found: Mapping[str, Features], store: RunStore
) -> list[str]:
    """Return descriptions of the stored features of a shard that its outputs do not have."""
    stored = store.parts.read_features(name, plan.name, number)
    return [
        f"part {number}: features of {network} are not those of the outputs"
        for network, values in found.items()
        if network not in stored or not _alike(stored[network], values)
    ]


def _alike(old: Features, new: Features) -> bool:
    """Return whether features agree up to what other processors change."""
    return old.shape == new.shape and bool(
        np.allclose(
            old, new, rtol=FEATURES, atol=FEATURES * float(np.nanmax(np.abs(new), initial=1)), equal_nan=True
        )
    )


def _output(stored: _StoredShard, edit: Edit, size: int, failed: Mapping[str, str]) -> Image | Failure:
    """Return the stored image; an answer that is missing or of another size counts as none, and so shows."""
    if edit.id in failed:
        return Failure(failed[edit.id])
    try:
        image = stored.store.read_output(stored.generator, stored.dataset, edit.id, stored.number)
    except ImageError as error:
        return Failure(str(error))
    return image if image.shape == (size, size, 3) else Failure(f"its stored image is {image.shape}")
