"""What candidate weights do on subjects outside the training: expression, identity, texture, error."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import laplace

from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader, load_ahead

from ..core.contracts import STUDIO, Dataset, Edit, Failure, Image
from ..core.errors import SpecError
from ..core.plurals import counted
from ..generators.neural import NeuralGenerator
from ..generators.synthesis import GeneratorSynthesizer, at_size
from ..metrics.ecs import ExpressionConsistency
from ..metrics.registry import load_metric
from ..scoring.scorer import Scorer
from ..scoring.shards import References, score_shard, shard_references
from .checkpoint_selection import Outcomes, Validation

SIZE = 128
"""Pixels of the outputs that the judge sees: the default resolution of runs."""
COMPARED = 32
"""Pixels at which an output is compared with the faces of all subjects."""
TEXTURED = 64
"""Pixels at which the texture of an output is measured: there chequers of transposed convolutions show."""
DEVELOPMENT_JUDGE = "ecs@embedded-judge1"
"""Chooses among weights trained on rendered faces; the final tables use another network."""
_FLAT = 1e-3
"""Grey levels: the texture of an image of one colour."""
NO_OUTPUT = 255.0
"""The error of an edit without output."""


class _Edits(NamedTuple):
    """Edits with their references, and their true targets: (N, SIZE, SIZE, 3) uint8."""

    edits: Sequence[Edit]
    references: References
    truths: NDArray[np.uint8]


def expression_validation(metric: str, unseen: Dataset) -> Validation:
    """Judge weights by their outputs for studio images.

    An output shows the expression if the judge says so; it is the same person if, of all subjects' true
    targets with that expression, the subject's own is nearest to it in the mean absolute difference of
    their pixels. It is free of artefacts if its fine texture, the mean absolute Laplacian of its grey values
    relative to that of its input, is at most the largest among all true targets. The latter two take no
    network, so the identity and quality networks of the final tables have no say.

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
    studio = [edit for edit in unseen.edits() if edit.source.domain == STUDIO and edit.truth is not None]
    judged = [edit for edit in studio if not judge.reason(edit, column)]
    if not judged:
        raise SpecError(
            f"{unseen.name} ({unseen.split}) has no neutral {STUDIO} image with a true target that {metric} "
            "knows, to choose weights by; name no judge, and the last weights are kept"
        )
    scorer = Scorer.of([judge], SIZE)

    @cache
    def loaded() -> _Edits:
        with closing(ImageLoader(0)) as loader:
            batch = next(load_ahead([judged], loader))
        references = shard_references(batch.edits, batch.failures, scorer)
        usable = [row for row, truth in enumerate(references.truths) if truth is not None]
        edits = [batch.edits[row] for row in usable]
        truths = np.stack([image for image in references.truths if image is not None])
        return _Edits(edits, shard_references(edits, {}, scorer), truths)

    def score(generator: NeuralGenerator) -> Outcomes:
        edits, references, truths = loaded()
        answers = _answers(generator, edits, scorer)
        rows = score_shard(answers, references, scorer).rows
        shown = rows.loc[rows["metric"] == column, "value"]
        return Outcomes(
            [edit.source.subject for edit in edits],
            [float(value) for value in shown],
            _same_person(answers, truths, [edit.target for edit in edits]),
            [_error(answer, truth) for answer, truth in zip(answers, truths, strict=True)],
            _free_of_artefacts(answers, truths, [edit.source.load() for edit in edits]),
        )

    judged_on = f"{counted(len(judged), 'edit')} of {unseen.name} ({unseen.split}, {STUDIO})"
    return Validation(
        score, f"{column}, nearest face, texture and error, {judged_on}", (judge.networks[0].card.name,)
    )


def edit_and_score(
    generator: NeuralGenerator, edits: Sequence[Edit], references: References, scorer: Scorer
) -> pd.DataFrame:
    """Synthesize edits with a generator and score the outputs; return rows like those of ``score_shard``."""
    return score_shard(_answers(generator, edits, scorer), references, scorer).rows


def _answers(generator: NeuralGenerator, edits: Sequence[Edit], scorer: Scorer) -> list[Image | Failure]:
    device, size = str(next(generator.network.parameters()).device), scorer.resolution
    answers = GeneratorSynthesizer(generator, generator.card.expressions, size, device=device).answer(edits)
    return at_size(edits, answers, size)


def _same_person(
    answers: Sequence[Image | Failure], truths: NDArray[np.uint8], targets: Sequence[str]
) -> list[float]:
    """Return 1 for each output whose nearest true target of its expression is its own, else 0."""
    faces = np.stack([_small(truth) for truth in truths])
    groups = {name: np.flatnonzero([target == name for target in targets]) for name in targets}
    return [
        float(not isinstance(answer, Failure) and _nearest(_small(answer), faces, groups[target]) == row)
        for row, (answer, target) in enumerate(zip(answers, targets, strict=True))
    ]


def _nearest(image: NDArray[np.float32], faces: NDArray[np.float32], rows: NDArray[np.intp]) -> int:
    return int(rows[np.abs(faces[rows] - image).mean(axis=(1, 2, 3)).argmin()])


def _small(image: Image) -> NDArray[np.float32]:
    return resize(image, COMPARED).astype(np.float32)


def _free_of_artefacts(
    answers: Sequence[Image | Failure], truths: Sequence[Image] | NDArray[np.uint8], inputs: Sequence[Image]
) -> list[float]:
    """Return 1 for each output whose fine texture is no stronger than that of any true target, else 0."""
    smooth = [max(_texture(image), _FLAT) for image in inputs]
    largest = max(_texture(truth) / level for truth, level in zip(truths, smooth, strict=True))
    return [
        float(not isinstance(answer, Failure) and _texture(answer) / level <= largest)
        for answer, level in zip(answers, smooth, strict=True)
    ]


def _texture(image: Image) -> float:
    """Return the mean absolute Laplacian of the grey values."""
    grey = resize(image, TEXTURED).astype(np.float32).mean(axis=2)
    return float(np.abs(laplace(grey)).mean())


def _error(answer: Image | Failure, truth: Image) -> float:
    """Mean absolute difference in grey levels."""
    if isinstance(answer, Failure):
        return NO_OUTPUT
    return float(np.abs(answer.astype(np.float32) - truth).mean())
