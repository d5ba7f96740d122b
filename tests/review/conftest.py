"""Small runs whose results can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from fesbench.core.contracts import GeneratorCard, MetricCard
from fesbench.runs.results import RunResults
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.records import (
    DatasetRecord,
    MetricRecord,
    ModelRecord,
    NetworkRecord,
    RunRecord,
    TrainingSetRecord,
)
from fesbench.runs.store.store import RunStore
from fesbench.scoring.score_rows import SCORES
from fesbench.statistics.summary import summarise

SUBJECTS = [f"s{i:02}" for i in range(12)]
FSS = MetricCard("fss@dlib", "similarity", "higher", -1.0, 1.0, "cosine", "-")
FID = MetricCard("fid@inception-2015", "distance", "lower", 0.0, 1e9, "distance", "-")
NO_SETS = pd.DataFrame(columns=["generator", "dataset", "domain", "metric", "value"])


def make_scores(
    values: Mapping[str, float], dataset: str = "photos", metric: str = "fss@dlib"
) -> pd.DataFrame:
    """One edit of each subject: the model's value, a variation that all models share, and one of its own."""
    rows = [
        (model, dataset, "studio", subject, f"{subject}--happy", "neutral", "happy", column, value, None)
        for place, (model, level) in enumerate(values.items())
        for i, subject in enumerate(SUBJECTS)
        for column, value in (
            ("output", 1.0),
            (metric, level + 0.05 * (i % 3) + 0.001 * ((i * (place + 1)) % 5)),
        )
    ]
    return pd.DataFrame(rows, columns=SCORES.names)


def dataset_record(digest: str = "d") -> DatasetRecord:
    """A record of the data set 'photos'."""
    trained = TrainingSetRecord(home="photos", protocol="split", digest="t")
    return DatasetRecord(digest=digest, edits=12, problems=[], references={}, trained_on=trained)


def make_results(
    folder: Path,
    scores: pd.DataFrame,
    sets: pd.DataFrame = NO_SETS,
    cards: Sequence[MetricCard] = (FSS, FID),
    **record: object,
) -> RunResults:
    """The results of a run with these scores."""
    folder.mkdir()
    store = RunStore(folder)
    store.write_scores(scores)
    models, dataset = list(scores["generator"].unique()), scores["dataset"].iloc[0]
    summary = summarise(scores, sets, cards, {(name, dataset): "main" for name in models})
    network = NetworkRecord("dlib", "dlib", "n", "v1", 128, metrics=("fss@dlib",))
    known = RunRecord.new().updated(
        status="complete",
        spec=RunSpec(models=tuple(models), data=(dataset,)),
        datasets={dataset: dataset_record()},
        models={
            name: {dataset: ModelRecord(block="main", card=GeneratorCard(name, name))} for name in models
        },
        names={name: name for name in models},
        metrics={card.id: MetricRecord.of(card) for card in cards},
        networks={"dlib": network},
        versions={"torch": "1"},
    )
    return RunResults(store, known.updated(**record), summary)


@pytest.fixture(name="make_scores")
def _make_scores():
    return make_scores


@pytest.fixture(name="make_results")
def _make_results():
    return make_results
