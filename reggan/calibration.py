"""How strong a predicted change should be: as strong as people show it, measured on people held out.

The mean of many smiles is weaker than most of them, and a regression predicts means. The strength is the
factor that gives the prediction the energy that true changes have along it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fesbench.datasets.splits import subject_folds

FOLDS = 5
"""Folds of the training people by which changes are predicted of people held out; fewer for fewer people."""
STRONGEST = 1.5
"""Largest strength, and largest intensity."""


def folds_of(subjects: Iterable[str]) -> dict[str, int]:
    """Return the number of each subject's fold."""
    names = set(subjects)
    parts = subject_folds(names, min(FOLDS, len(names)), seed=0)
    return {name: number for number, part in enumerate(parts) for name in part}


def strength(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the factor that gives predictions the energy of true changes along them, at most ``STRONGEST``.

    The square root of Σ ⟨t, p⟩² / |p|² over Σ |p|²: what a person's change t has in other directions than its
    prediction p, such as other light, does not count; noise along p does. 1 without any prediction.

    Args:
        true: (n, f), true changes.
        predicted: (n, f), their predictions by fits without those people.
    """
    return strength_of((true * predicted).sum(axis=1), (predicted * predicted).sum(axis=1))


def strength_of(products: NDArray[np.float64], squares: NDArray[np.float64]) -> float:
    """Return ``strength`` from ⟨t, p⟩ and |p|² of each prediction: (n,) each."""
    some = squares > 0
    if not some.any():
        return 1.0
    along = (products[some] ** 2 / squares[some]).sum() / squares[some].sum()
    return float(min(np.sqrt(along), STRONGEST))
