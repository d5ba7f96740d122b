"""What chooses among the weights of a training: the expressions they show on people they have not seen."""

from __future__ import annotations

from fesbench.baselines.neural import NeuralGenerator
from fesbench.baselines.training import Validation
from fesbench.baselines.training_data import STUDIO
from fesbench.datasets.images import resize

from .contracts import Dataset, Failure, Image
from .errors import SpecError
from .execute.scoring import Scorer, score_shard, shard_references
from .execute.synthesis import GeneratorSynthesizer
from .metrics.ecs import ExpressionConsistency
from .metrics.registry import load_metric

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
        SpecError: the metric is none of expressions, or there is nothing to edit.
        UnknownName, WeightsMissing: there is no such metric here.
    """
    judge = load_metric(metric)
    if not isinstance(judge, ExpressionConsistency):
        raise SpecError(f"{metric} judges no expressions; name one such as {DEVELOPMENT_JUDGE}")
    edits = [edit for edit in unseen.edits() if edit.source.domain == STUDIO]
    if not edits:
        raise SpecError(
            f"{unseen.name} ({unseen.split}) has no neutral {STUDIO} image to choose weights by; name no "
            "judge, and the last weights are kept"
        )
    scorer = Scorer.of([judge], SIZE)
    references = shard_references(edits, {}, scorer)

    def score(generator: NeuralGenerator) -> float:
        outputs = GeneratorSynthesizer(generator.to("cpu"), unseen.expressions, SIZE).answer(edits)
        rows = score_shard([_resized(output) for output in outputs], references, scorer).rows
        return float(rows.loc[rows["metric"] == metric, "value"].mean())

    origin = f"{metric}, {len(edits)} edits of {unseen.name} ({unseen.split}, {STUDIO})"
    return Validation(score, origin, (judge.networks[0].card.name,))


def _resized(output: Image | Failure) -> Image | Failure:
    return output if isinstance(output, Failure) else resize(output, SIZE)
