"""What chooses among the weights of a training: the expressions they show on people they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import cache

import pandas as pd

from fesbench.datasets.loading import ImageLoader, load_ahead

from ..core.contracts import STUDIO, Dataset, Edit
from ..core.errors import SpecError
from ..generators.neural import NeuralGenerator
from ..generators.synthesis import GeneratorSynthesizer, at_size
from ..metrics.ecs import ExpressionConsistency
from ..metrics.registry import load_metric
from ..scoring.scorer import Scorer
from ..scoring.shards import References, score_shard, shard_references
from .checkpoint_selection import Validation

SIZE = 128
"""Pixels at which the judge sees outputs, as in a run that asks for nothing else."""
DEVELOPMENT_JUDGE = "ecs@embedded-judge1"
"""Chooses among weights that learned from rendered faces; the final tables are another network's."""


def expression_validation(metric: str, unseen: Dataset) -> Validation:
    """Chooses the weights whose outputs show the target expression most often, on studio images.

    Args:
        metric: Id of an expression metric.
        unseen: Subjects outside the training.

    Raises:
        SpecError: the metric is none of expressions, or there is nothing to edit that it can judge.
        UnknownName, WeightsMissing: there is no such metric here.
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
    def material() -> tuple[Sequence[Edit], References]:
        with closing(ImageLoader(0)) as loader:
            loaded = next(load_ahead([judged], loader))
        return loaded.edits, shard_references(loaded.edits, loaded.failures, scorer)

    def score(generator: NeuralGenerator) -> float:
        rows = edit_and_score(generator, *material(), scorer)
        return float(rows.loc[rows["metric"] == column, "value"].mean())

    origin = f"{column}, {len(judged)} edits of {unseen.name} ({unseen.split}, {STUDIO})"
    return Validation(score, origin, (judge.networks[0].card.name,))


def edit_and_score(
    generator: NeuralGenerator, edits: Sequence[Edit], references: References, scorer: Scorer
) -> pd.DataFrame:
    """Let a generator answer edits, and score the answers: rows as those of ``score_shard``."""
    device, size = str(next(generator.network.parameters()).device), scorer.resolution
    answers = GeneratorSynthesizer(generator, generator.card.expressions, size, device=device).answer(edits)
    return score_shard(at_size(answers, size), references, scorer).rows
