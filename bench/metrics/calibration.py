"""Whether a distance of sets can rank models at a given number of images.

A Fréchet distance of a few hundred images depends so much on how many there are that a slightly blurred set,
or one that repeats itself, can come out nearer to real images than other real images do. So before anything
is ranked, held-out real images have to beat their own blurred and collapsed versions beyond the interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..core.contracts import Features, SetMetric
from ..core.plurals import counted
from ..statistics.jackknife import replicates, subject_groups

Images = NDArray[np.uint8]

BLUR = 0.01
"""Standard deviation of the blur, as a share of the images' side."""
FEW = 4
"""Different images in a collapsed set."""
GRAIN = 2.0
"""Standard deviation, in grey levels, of the noise added to repeated images, so that they differ."""
FEWEST_IMAGES, FEWEST_SUBJECTS = 16, 6


class Gap(NamedTuple):
    """By how much a degraded set is worse than the real one, with a 95% interval; negative where better."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out real images and of their degraded versions, by a distance of sets.

    Attributes:
        images: How many images are held out.
        references: How many reference images are left.
        value: The distance of the held-out images.
        gaps: Name of each degraded version to how much worse it is.
        reason: Why nothing could be computed; empty where it could.
    """

    images: int
    references: int
    value: float
    gaps: Mapping[str, Gap]
    reason: str = ""

    @property
    def fit_to_rank(self) -> bool:
        """Whether every degraded version is worse beyond its interval."""
        return bool(self.gaps) and all(gap.low > 0 for gap in self.gaps.values())

    @property
    def verdict(self) -> str:
        """Why models must not be ranked; empty where they may."""
        if self.reason or self.fit_to_rank:
            return self.reason
        confused = [name for name, gap in self.gaps.items() if not gap.low > 0]
        return (
            f"{self.images} real images score no better than their own {' and '.join(confused)} versions, so "
            "a better model need not score better either"
        )


def hold_out(subjects: Sequence[str], count: int, seed: int = 0) -> NDArray[np.bool_]:
    """Choose which of N reference images to hold out: whole subjects, ``count`` images or half of all.

    Args:
        subjects: (N,) who is shown.
        count: How many images a model's outputs are.
        seed: Seed of the drawing of subjects.

    Returns:
        (N,) True for those held out.
    """
    names = np.asarray(subjects, dtype=object)
    order = np.random.default_rng(seed).permutation(np.unique(names.astype(str)))
    sizes = np.cumsum([(names == name).sum() for name in order])
    chosen = order[sizes <= min(count, len(names) // 2)]
    return np.isin(names.astype(str), chosen)


def degraded(images: Images, seed: int = 0) -> dict[str, Images]:
    """Return degraded versions of (N, H, W, 3) images: ``blurred`` slightly, and ``collapsed`` to a few."""
    sigma = (BLUR * images.shape[1], BLUR * images.shape[2], 0)
    block = max(1, -(-len(images) // FEW))
    noise = np.random.default_rng(seed)
    blurred, collapsed = np.empty_like(images), np.empty_like(images)
    for i, image in enumerate(images):
        blurred[i] = _grey_levels(gaussian_filter(image.astype(np.float32), sigma))
        collapsed[i] = _grey_levels(images[i // block * block] + noise.normal(0, GRAIN, image.shape))
    return {"blurred": blurred, "collapsed": collapsed}


def _grey_levels(values: NDArray[np.floating]) -> Images:
    levels: Images = np.rint(values).clip(0, 255).astype(np.uint8)
    return levels


def calibrate(
    metric: SetMetric,
    real: Features,
    versions: Mapping[str, Features],
    references: Features,
    subjects: Sequence[str],
) -> Calibration:
    """Compare held-out real images and their degraded versions, all against the same references.

    The interval of each difference leaves out real and degraded images of the same subjects together, so what
    they share cancels: see ``statistics.jackknife``.

    Args:
        metric: The distance.
        real: (N, d) features of held-out images.
        versions: Name to (N, d) features of the same images, degraded.
        references: (M, d) features of other real images.
        subjects: (N,) who is held out.
    """
    names = set(subjects)
    if min(len(real), len(references)) < FEWEST_IMAGES or len(names) < FEWEST_SUBJECTS:
        reason = (
            f"{counted(len(real), 'real image')} of {counted(len(names), 'subject')} can be held out of "
            f"{counted(len(references), 'other')}, "
            f"too few to see what the distance tells apart ({FEWEST_IMAGES} of {FEWEST_SUBJECTS} are needed)"
        )
        return Calibration(len(real), len(references), float("nan"), {}, reason)
    groups = subject_groups(np.asarray(subjects))
    own, *worse = (
        replicates(
            metric.compute(values.copy(), references.copy()),  # a metric may change its arguments
            groups,
            partial(metric.on_subsets, values.copy(), references.copy()),
        )
        for values in (real, *versions.values())
    )
    lower = metric.card.direction == "lower"
    found = [(other - own if lower else own - other).estimate() for other in worse]
    gaps = {name: Gap(*gap[:3]) for name, gap in zip(versions, found, strict=True)}
    return Calibration(len(real), len(references), own.value, gaps)
