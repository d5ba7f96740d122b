"""Scores of sets of outputs by set metrics, with intervals."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from ..core.contracts import SetMetric
from ..core.errors import BenchError, explain
from ..core.reasons import UNSCORED
from ..metrics.frechet import FrechetDistance, Gaussian
from ..statistics.intervals import UNBOUNDED, Bounds
from ..statistics.jackknife import Replicates, replicates

log = logging.getLogger(__name__)


Array = NDArray[np.float32]


SMALLEST_SET = 16
"""The fewest outputs and reference images that a set metric is computed of."""

ONE_THREAD = 512
"""Features up to which linear algebra is done in one thread: several would wait longer than they compute."""


COLUMNS = [
    "generator",
    "dataset",
    "domain",
    "metric",
    "value",
    "low",
    "high",
    "n_outputs",
    "n_references",
    "references",
    "reason",
]


class SetScore(NamedTuple):
    """A set metric's score of some outputs, or why there is none.

    ``n_references`` is None where there are only statistics of them, which do not hold the count. The
    interval is cut at ``limits``, the ends of the metric's range.
    """

    n_outputs: int
    n_references: int | None
    replicates: Replicates | None = None
    reason: str | None = None
    limits: Bounds = UNBOUNDED

    def columns(self) -> dict[str, object]:
        """Return value, low, high (NaN without a score), n_outputs, n_references and reason."""
        counts = {"n_outputs": self.n_outputs, "n_references": self.n_references, "reason": self.reason}
        if self.replicates is None:
            return counts | dict.fromkeys(("value", "low", "high"), np.nan)
        found = self.replicates.estimate()
        low, high = np.clip(found[1:3], *self.limits).tolist()
        return counts | {"value": found.value, "low": low, "high": high}


def set_score(
    metric: SetMetric, outputs: Array, groups: NDArray[np.int64], references: Array | Gaussian
) -> SetScore:
    """Score a set of outputs by a set metric.

    Args:
        metric: The metric.
        outputs: (N, d) features.
        groups: (N,) the group of each output's subject, for the interval.
        references: (M, d) features of the reference images, or statistics of them for a Fréchet distance.
    """
    counts = len(outputs), _count(references)
    if min(count for count in counts if count is not None) < SMALLEST_SET:
        reason = f"needs {SMALLEST_SET} outputs and references, has {counts[0]} and {counts[1]}"
        return SetScore(*counts, reason=reason)
    if not isinstance(references, Gaussian) and not np.isfinite(references).all():
        return SetScore(*counts, reason=f"{UNSCORED}its network failed on reference images")
    try:
        with _threads(outputs.shape[1]):
            found = _replicates(metric, outputs, groups, references)
    except MemoryError:
        raise
    except Exception as error:
        log.warning("%s", metric.card.id, exc_info=error)
        return SetScore(*counts, reason=f"{UNSCORED}{explain(error)}")
    return SetScore(*counts, replicates=found, limits=(metric.card.low, metric.card.high))


def _threads(dimension: int) -> AbstractContextManager[object]:
    """Return the context in which matrices of this dimension are computed."""
    return _libraries().limit(limits=1, user_api="blas") if dimension <= ONE_THREAD else nullcontext()


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _count(references: Array | Gaussian) -> int | None:
    """Return the number of reference images; None where statistics do not hold it."""
    return (references.count or None) if isinstance(references, Gaussian) else len(references)


def _replicates(
    metric: SetMetric, outputs: Array, groups: NDArray[np.int64], references: Array | Gaussian
) -> Replicates:
    if isinstance(references, Gaussian) and not isinstance(metric, FrechetDistance):
        raise BenchError(f"{metric.card.id} needs the images themselves: statistics do not hold them")
    compared: Any = references
    value = metric.compute(*deepcopy((outputs, compared)))  # a metric may change its arguments
    return replicates(value, groups, partial(metric.on_subsets, *deepcopy((outputs, compared))))
