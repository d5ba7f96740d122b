"""Where the landmarks of a face go when it shows an expression: ridge regression on principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fesbench.core.errors import LandmarkError
from fesbench.datasets.preparation.alignment import EYE_DISTANCE
from fesbench.datasets.registration.frame import COUNT, STABLE, Frame, Points, normalised_shapes, pose_between

from .calibration import strength

COMPONENTS = 8
PENALTIES = tuple(0.001 * 10 ** (step / 2) for step in range(9))
"""Ridge penalties to choose from, not scaled by the number of faces, for components in sides of the frame."""
SPREAD = 3.0
"""Standard deviations by which a plausible shape differs from the mean along a component, at most."""
MOST_IMPLAUSIBLE = 0.25
"""Largest mean distance of landmarks from a plausible shape, in distances between the eyes."""


class Moves(NamedTuple):
    """The pairs of an expression.

    Attributes:
        before: (n, 68, 2), landmarks of the sources, in their pictures.
        after: (n, 68, 2), landmarks of the same people showing the expression.
        folds: (n,), the fold of each person.
    """

    before: Points
    after: Points
    folds: NDArray[np.int64]


class _Problem(NamedTuple):
    """One regression: (n, k) scores, (n, 136) displacements, (n,) folds."""

    scores: Points
    moves: Points
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class ShapeRegression:
    """Fitted maps from the landmarks of a face to their displacements, one for each expression.

    Everything is in sides of the frame, so that it holds for pictures of any size.

    Attributes:
        frame: The frame; its shape is the mean over the expressions of their mean shapes.
        mean: (136,) float64, the mean shape of the sources.
        basis: (k, 136) float64, the first principal components of the sources' shapes.
        deviations: (k,) float64, the standard deviations along them.
        displacements: (K, 136) float64, mean displacement of each expression.
        maps: (K, k, 136) float64, from components to further displacements.
    """

    frame: Frame
    mean: Points
    basis: Points
    deviations: Points
    displacements: Points
    maps: Points

    @classmethod
    def fit(cls, sources: Points, moves: Sequence[Moves], calibrate: bool = True) -> Self:
        """Fit the maps of all expressions, with the penalty of the smallest error on people held out.

        Args:
            sources: (n, 68, 2) landmarks of distinct sources, from which the components are learned.
            moves: The pairs of each expression.
            calibrate: Give displacements their ``strength`` on people held out.
        """
        shapes = normalised_shapes(sources)
        reference = shapes.mean(axis=0)
        pairs = [(_normalised(m.before, reference), _normalised(m.after, reference)) for m in moves]
        flat = _flat(shapes)
        mean = flat.mean(axis=0)
        _, spread, axes = np.linalg.svd(flat - mean, full_matrices=False)
        count = min(COMPONENTS, max(len(flat) - 1, 0))
        basis = axes[:count]
        problems = [
            _Problem((_flat(before) - mean) @ basis.T, _flat(after - before), m.folds)
            for (before, after), m in zip(pairs, moves, strict=True)
        ]
        penalty = _best_penalty(problems)
        strengths = [_strength(problem, penalty) if calibrate else 1.0 for problem in problems]
        fits = [_solved(problem.scores, problem.moves, penalty) for problem in problems]
        return cls(
            frame=Frame(np.mean([after.mean(axis=0) for _, after in pairs], axis=0)),
            mean=mean,
            basis=basis,
            deviations=spread[:count] / np.sqrt(max(len(flat) - 1, 1)),
            displacements=np.stack([s * fit[0] for s, fit in zip(strengths, fits, strict=True)]),
            maps=np.stack([s * fit[1] for s, fit in zip(strengths, fits, strict=True)]),
        )

    def moved(self, shape: Points, label: int, intensity: float) -> Points:
        """Return where the landmarks of a normalised (68, 2) shape go: (68, 2)."""
        displacement = self.displacements[label] + self._scores(shape) @ self.maps[label]
        moved: Points = shape + intensity * displacement.reshape(COUNT, 2)
        return moved

    def check(self, shape: Points) -> None:
        """Refuse a normalised shape that is not that of a face.

        Raises:
            LandmarkError: it lies farther than ``MOST_IMPLAUSIBLE`` from all shapes within ``SPREAD``
                standard deviations of the sources' components.
        """
        distance = self.implausibility(shape)
        if not distance <= MOST_IMPLAUSIBLE:
            raise LandmarkError(
                f"the landmarks are not those of a face: they lie {distance:.2f} eye distances from the "
                f"nearest shape that the training faces make plausible, and {MOST_IMPLAUSIBLE} is the limit"
            )

    def implausibility(self, shape: Points) -> float:
        """Return the root mean square distance to the nearest plausible shape, in eye distances."""
        plausible = (self.mean + self._scores(shape) @ self.basis).reshape(COUNT, 2)
        return float(np.sqrt(((shape - plausible) ** 2).sum(axis=1).mean()) / EYE_DISTANCE)

    def _scores(self, shape: Points) -> Points:
        """The components of a shape, as far as they are plausible: (k,)."""
        scores = self.basis @ (shape.reshape(-1) - self.mean)
        return np.clip(scores, -SPREAD * self.deviations, SPREAD * self.deviations)

    def state(self) -> dict[str, Points]:
        """Return the fitted arrays by name."""
        return {
            "frame": self.frame.shape,
            "mean": self.mean,
            "basis": self.basis,
            "deviations": self.deviations,
            "displacements": self.displacements,
            "maps": self.maps,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Restore the arrays of an earlier ``state()``.

        Raises:
            KeyError: an array is missing.
            ValueError: shapes do not fit each other.
        """
        arrays = {name: np.array(state[name], dtype=np.float64) for name in AXES}
        sizes = {
            "K": len(arrays["displacements"]),
            "k": len(arrays["basis"]),
            "n": COUNT,
            "f": 2 * COUNT,
            "2": 2,
        }
        for name, axes in AXES.items():
            expected = tuple(sizes[axis] for axis in axes)
            if arrays[name].shape != expected or not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} must be finite and of shape {expected}, not {arrays[name].shape}")
        return cls(frame=Frame(arrays.pop("frame")), **arrays)


AXES = {
    "frame": "n2",
    "mean": "f",
    "basis": "kf",
    "deviations": "k",
    "displacements": "Kf",
    "maps": "Kkf",
}
"""The arrays of a state with their axes: K expressions, k components, n landmarks, f coordinates."""


def _normalised(faces: Points, reference: Points) -> Points:
    """Return (n, 68, 2) faces without their poses relative to a reference."""
    return np.stack([pose_between(reference[STABLE], face[STABLE]).normalise(face) for face in faces])


def _flat(shapes: Points) -> Points:
    return shapes.reshape(len(shapes), -1)


def _solved(scores: Points, moves: Points, penalty: float) -> tuple[Points, Points]:
    """Return the mean displacement, (136,), and the map of the rest from components, (k, 136)."""
    gram = scores.T @ scores + penalty * np.eye(scores.shape[1])
    weights: Points = np.linalg.solve(gram, scores.T @ (moves - moves.mean(axis=0)))
    return moves.mean(axis=0), weights


def _held_out(problem: _Problem, penalty: float) -> Points:
    """Return each displacement as a fit without its fold predicts it, 0 without another fold: (n, 136)."""
    predicted = np.zeros_like(problem.moves)
    for fold in np.unique(problem.folds):
        held = problem.folds == fold
        if not held.all():
            mean, weights = _solved(problem.scores[~held], problem.moves[~held], penalty)
            predicted[held] = mean + problem.scores[held] @ weights
    return predicted


def _strength(problem: _Problem, penalty: float) -> float:
    return strength(problem.moves, _held_out(problem, penalty))


def _best_penalty(problems: Sequence[_Problem]) -> float:
    """Return the penalty of the smallest squared error on people held out, over all expressions."""

    def error(penalty: float) -> float:
        return sum(float(((p.moves - _held_out(p, penalty)) ** 2).sum()) for p in problems)

    return min(PENALTIES, key=error)
