"""Validation scores of candidate weights: the expressions shown on subjects outside the training."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import cache

import pandas as pd

from fesbench.datasets.loading import ImageLoader, load_ahead

from ..core.contracts import STUDIO, Dataset, Edit
from ..core.errors import SpecError
from ..core.plurals import counted
from ..generators.neural import NeuralGenerator
from ..generators.synthesis import GeneratorSynthesizer, at_size
from ..metrics.ecs import ExpressionConsistency
from ..metrics.registry import load_metric
from ..scoring.scorer import Scorer
from ..scoring.shards import References, score_shard, shard_references
from .checkpoint_selection import Validation

SIZE = 128
"""Pixels of the outputs that the judge sees: the default resolution of runs."""
DEVELOPMENT_JUDGE = "ecs@embedded-judge1"
"""Chooses among weights trained on rendered faces; the final tables use another network."""


def expression_validation(metric: str, unseen: Dataset) -> Validation:
    """Score weights by how often their outputs show the target expression, on studio images.

    Args:
        metric: Id of an expression metric.
        unseen: Subjects outside the training.

    Raises:
        SpecError: the metric does not judge expressions, or it can judge none of the edits.
        UnknownName: there is no such metric.
        WeightsMissing: its weights are not on this machine.
    """
    judge = load_metric(metric)
    if not isinstance(judge, ExpressionConsistency):
        raise SpecError(f"{metric} judges no expressions; name one such as {DEVELOPMENT_JUDGE}")
    column = judge.card.id
    studio = [edit for edit in unseen.edits() if edit.source.domain == STUDIO]
    judged = [edit for edit in studio if not judge.reason(edit, column)]
    if not judged:
        raise SpecError(
            f"{unseen.name} ({unseen.split}) has no neutral {STUDIO} image with a target that {metric} "
            "knows, to choose weights by; name no judge, and the last weights are kept"
        )
    scorer = Scorer.of([judge], SIZE)

    @cache
    def loaded() -> tuple[Sequence[Edit], References]:
        with closing(ImageLoader(0)) as loader:
            batch = next(load_ahead([judged], loader))
        return batch.edits, shard_references(batch.edits, batch.failures, scorer)

    def score(generator: NeuralGenerator) -> float:
        rows = edit_and_score(generator, *loaded(), scorer)
        return float(rows.loc[rows["metric"] == column, "value"].mean())

    origin = f"{column}, {counted(len(judged), 'edit')} of {unseen.name} ({unseen.split}, {STUDIO})"
    return Validation(score, origin, (judge.networks[0].card.name,))


def edit_and_score(
    generator: NeuralGenerator, edits: Sequence[Edit], references: References, scorer: Scorer
) -> pd.DataFrame:
    """Synthesize edits with a generator and score the outputs; return rows like those of ``score_shard``."""
    device, size = str(next(generator.network.parameters()).device), scorer.resolution
    answers = GeneratorSynthesizer(generator, generator.card.expressions, size, device=device).answer(edits)
    return score_shard(at_size(answers, size), references, scorer).rows
