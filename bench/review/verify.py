"""Verifies a finished run against itself and against what it was made from, as a reviewer would.

Digests of its files, data, models and networks are computed anew; ``scores.parquet`` is compared with the
parts of its shards, the summary with the scores, and stored outputs are scored again. Scores of sets rest on
all outputs and references together: their files are checked by digest, the numbers are not computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from fesbench.datasets.loading import ImageLoader, load_ahead

from ..core.contracts import Edit, Failure, Image
from ..core.device import check_device
from ..core.errors import BenchError, ImageError
from ..core.reasons import WITHOUT_OUTPUT, have_reason
from ..runs.identities import ABSENT, identities, network_identities
from ..runs.models import load_scorer
from ..runs.plan import DatasetPlan, Plan, dataset_records, make_plan
from ..runs.results import RunResults
from ..runs.store.store import DIGESTS, RunStore
from ..scoring.scorer import Scorer
from ..scoring.sets import COLUMNS
from ..scoring.shards import References, score_shard, shard_references
from ..statistics.summary import summarise

Outcome = Literal["ok", "mismatch", "not checked"]

TOLERANCE = 1e-4
"""Other processors, threads and versions move scores by less than this; an altered image by more."""
EXACT = 1e-9
KEYS = ["generator", "dataset", "edit", "metric"]
CELL_KEYS = ["generator", "dataset", "domain", "metric"]


class Check(NamedTuple):
    """One thing that was checked, the outcome, and the details."""

    what: str
    outcome: Outcome
    detail: str = ""


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
    yield from _file_checks(results.store)
    yield from _tables(results)
    yield from _models(results)
    try:
        plan = make_plan(results.spec)
    except BenchError as error:
        yield Check("data sets", "not checked", f"{error} Without them no score can be computed again.")
        return
    yield from _data(plan, results)
    yield from _scores(plan, results, depth)


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
    yield _compared("scores.parquet against the parts of its shards", len(scores), differing)
    again = summarise(scores, pd.DataFrame(columns=COLUMNS), results.metrics, results.blocks).cells
    cells = results.cells[results.cells["references"].isna()]
    differing = _differing(cells, again, CELL_KEYS, ["value", "low", "high", "n_scored"], EXACT)
    yield _compared("summary.json against scores.parquet", len(cells), differing)


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


def _compared(what: str, count: int, differing: Sequence[str]) -> Check:
    if not differing:
        return Check(what, "ok", f"{count} numbers agree")
    more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
    return Check(what, "mismatch", f"{len(differing)} differ: {'; '.join(differing[:3])}{more}")


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
        recorded = results.record.datasets[name].digest
        if recorded == entry.digest:
            yield Check(f"data set {name}", "ok", recorded)
        else:
            detail = f"{recorded} when the run was made, {entry.digest} now"
            yield Check(f"data set {name}", "mismatch", detail)


def _scores(plan: Plan, results: RunResults, depth: Depth) -> Iterator[Check]:
    """Score stored outputs again."""
    scorer, unavailable = load_scorer(plan.spec, depth.device)
    yield from (Check(f"metric {name}", "not checked", reason) for name, reason in unavailable.items())
    networks = network_identities(scorer.networks).networks
    changed = list(_changed(results.identities.networks, networks))
    yield from (Check(f"network {text}", "mismatch", detail) for text, detail in changed)
    names = {text.partition(": ")[0] for text, _ in changed}
    usable = [m for m in scorer.image_metrics if not names & {network.card.name for network in m.networks}]
    trusted = Scorer(usable, [], scorer.resolution, scorer.device)
    for dataset in plan.datasets:
        if usable:
            yield from _scores_in(dataset, trusted, results, depth)


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
            found, recorded = _again(name, plan, number, references, scorer, results.store)
            counts[name] += len(recorded)
            differing[name] += _differing(recorded, found, KEYS, ["value"], depth.tolerance)
    for name in models:
        extent = "all shards" if depth.everything else "one shard"
        yield _compared(
            f"scores of {name} on {plan.name}, {extent}, from its outputs", counts[name], differing[name]
        )


def _again(
    name: str, plan: DatasetPlan, number: int, references: References, scorer: Scorer, store: RunStore
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a shard's rows as computed now, and as recorded; of the metrics that can be computed."""
    recorded = store.parts.read_rows(name, plan.name, number)
    columns = [column for column in scorer.columns if column in set(recorded["metric"])]
    failed = set(recorded.loc[have_reason(recorded["reason"], *WITHOUT_OUTPUT), "edit"])
    outputs = [_output(store, name, plan.name, edit, scorer.resolution, failed) for edit in references.edits]
    found = score_shard(outputs, references, scorer).rows.assign(generator=name, dataset=plan.name)
    return tuple(rows[rows["metric"].isin(columns)] for rows in (found, recorded))  # type: ignore[return-value]


def _output(
    store: RunStore, name: str, dataset: str, edit: Edit, size: int, failed: set[str]
) -> Image | Failure:
    """Return the stored image; an answer that is missing or of another size counts as none, and so shows."""
    if edit.id in failed:
        return Failure("recorded as failed")
    try:
        image = store.read_output(name, dataset, edit.id)
    except ImageError as error:
        return Failure(str(error))
    return image if image.shape == (size, size, 3) else Failure(f"its stored image is {image.shape}")
