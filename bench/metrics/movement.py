"""Movement of the face: landmarks and action units of an output against those of the truth.

The renderer knows where the landmarks of its faces lie and which action units they show; for an output both
are estimated from how it differs from its input (``nets.movement``). The control 'True target' goes through
the same estimator, so its row is the error of the estimator itself: the floor of every other row. The row of
the input is the error of moving nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import Batch, Column, Edit, FeatureExtractor, ImageMetric, MetricCard
from .networks.movement import movement, point_errors, unit_errors

UNKNOWN = "nobody knows the landmarks and action units of this edit's input and truth"


class MovementError(ImageMetric):
    """How far the movement from input to output is from that to the truth.

    Columns: ``landmarks`` mean distance between estimated and true movement of 26 landmarks, in percent of
    the distance between the eyes; ``action-units`` root mean square difference over 17 action units, in
    their scale 0..1. Both 0 at best, in practice what the truth reaches; NaN where an edit's input and truth
    are not annotated.

    Args:
        network: Estimates movement as a difference of features: 17 action units, then x and y of each
            landmark in distances between the eyes.
        backend: The name behind the @ of the metric's id.
    """

    compared_with = ("source",)

    def __init__(self, network: FeatureExtractor, backend: str) -> None:
        self.networks = (network,)
        self.card = MetricCard(
            id=f"movement@{backend}",
            title="Movement of the face",
            direction="lower",
            low=0.0,
            high=np.inf,
            unit="% of the eye distance",
            meaning="Distance of the landmarks' movement, estimated, from that to the true target.",
            columns=(
                Column(
                    f"landmarks@{backend}",
                    "movement of the landmarks",
                    "lower",
                    0.0,
                    np.inf,
                    "% of the eye distance",
                ),
                Column(
                    f"action-units@{backend}", "error of the action units", "lower", 0.0, 2.0, "intensity"
                ),
            ),
            needs_truth=True,
        )

    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """The errors of each output; see the class."""
        features = batch.features[self.networks[0].card.name]
        estimated = features["output"].astype(np.float64) - features["source"]
        difference = estimated - np.stack([true_movement(edit, estimated.shape[1]) for edit in batch.edits])
        points, units = self.card.column_names
        return {points: point_errors(difference), units: unit_errors(difference)}

    def reason(self, edit: Edit, column: str) -> str:
        """Why an edit has no score; empty where it has one."""
        if edit.truth is None:
            return "the data set has no true target for this edit"
        return "" if edit.source.annotate and edit.truth.annotate else UNKNOWN


def true_movement(edit: Edit, size: int) -> NDArray[np.float64]:
    """(size,) float64 what ``movement`` gives from input to truth; NaN where that is not known."""
    if not (edit.truth and edit.truth.annotate and edit.source.annotate):
        return np.full(size, np.nan)
    return movement(edit.source.annotate(), edit.truth.annotate())
