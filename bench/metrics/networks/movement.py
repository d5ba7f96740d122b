"""The embedded estimator of facial movement: what moved between two pictures of a face.

Linear in histograms of oriented gradients (N. Dalal, B. Triggs, 'Histograms of Oriented Gradients for Human
Detection', CVPR 2005), of which the neutral picture's are taken off: appearance features with the person's
neutral face removed are what OpenFace estimates action units from (T. Baltrušaitis, M. Mahmoud, P. Robinson,
'Cross-dataset learning and person-specific normalisation for automatic Action Unit detection', FG 2015).
Here a ridge regression, fitted in closed form by ``movement_training``. Being linear, the estimate for a pair
is the difference of what ``features`` gives for each picture.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fesbench.datasets.rendered import AU_NUMBERS, LANDMARKS
from fesbench.datasets.rendered.view import EYE_SPAN

from ...core.contracts import Annotation
from .cropping import LUMINANCE

SIDE, CELL, ORIENTATIONS = 64, 4, 8
"""Side of the input and of a cell, in pixels; directions of a gradient over the full circle."""
CELLS = SIDE // CELL
GRADIENTS = CELLS * CELLS * ORIENTATIONS
FLOOR = 0.005
"""Added to a neighbourhood's strength, so that flat skin does not become texture."""
UNITS, POINTS = len(AU_NUMBERS), len(LANDMARKS)


class Movement(nn.Module):
    """(B, 3, 64, 64) in [0, 1] to (B, 17 + 2 x 26): action units, then x and y of each landmark.

    Only differences between two pictures of a person mean anything: of action units in their scale 0..1, of
    landmarks in distances between the eyes.
    """

    luminance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(GRADIENTS, UNITS + 2 * POINTS, bias=False)
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The estimates."""
        estimates: Tensor = self.head(self.gradients(images))
        return estimates

    def gradients(self, images: Tensor) -> Tensor:
        """(B, 2048) histograms of gradients in overlapping windows, each relative to its neighbourhood."""
        grey = functional.pad((images * self.luminance).sum(1, keepdim=True), (1, 1, 1, 1), "replicate")
        across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
        down = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
        place = torch.atan2(down, across) * (ORIENTATIONS / (2 * math.pi))
        bins = torch.arange(ORIENTATIONS, device=images.device).view(1, -1, 1, 1)
        apart = ((place - bins + ORIENTATIONS / 2) % ORIENTATIONS - ORIENTATIONS / 2).abs()
        votes = (1 - apart).clamp(min=0) * (across**2 + down**2).sqrt()
        cells = functional.avg_pool2d(votes, 2 * CELL, CELL, padding=CELL // 2)
        energy = functional.pad((cells**2).sum(1, keepdim=True), (1, 1, 1, 1), "replicate")
        strength = functional.avg_pool2d(energy, 3, 1).sqrt()
        return (cells / (strength + FLOOR)).flatten(1)


def movement(before: Annotation, after: Annotation) -> NDArray[np.float64]:
    """(17 + 2 x 26,) float64 what moved between two pictures of a face; the eyes are ``EYE_SPAN`` apart."""
    units = after.action_units.astype(np.float64) - before.action_units
    points = (after.landmarks.astype(np.float64) - before.landmarks) / EYE_SPAN
    return np.concatenate([units, points.ravel()])


def unit_errors(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 17 + 2 x 26) to (N,) root mean square over the action units."""
    errors: NDArray[np.float64] = np.sqrt((difference[:, :UNITS] ** 2).mean(axis=1))
    return errors


def point_errors(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 17 + 2 x 26) to (N,) mean distance over the landmarks, in percent of the eye distance."""
    points = difference[:, UNITS:].reshape(len(difference), -1, 2)
    errors: NDArray[np.float64] = 100 * np.linalg.norm(points, axis=2).mean(axis=1)
    return errors
