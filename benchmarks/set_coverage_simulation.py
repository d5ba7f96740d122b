"""How often intervals of FID and KID, and of their differences, cover what they should: docs/intervals.md.

python benchmarks/set_coverage_simulation.py [REPEATS]

Features are normal, with variances that fall like 1 / k, and every subject has five images that share half of
their variance. Two models answer the same edits: what is left of a subject and an edit is common to both. The
truth is the expectation of a score, or of a difference, at the same number of images and against the same
references, from ten times as many repeats; the bootstrap runs in a quarter of the repeats.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fesbench.metrics.frechet import frechet_distance, subset_distances
from fesbench.metrics.kid import kernel_distance, subset_kernel_distances
from fesbench.statistics import jackknife

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

EACH, REFERENCES, DRAWS = 5, 200, 50
DISTANCES = {"FID": (frechet_distance, subset_distances), "KID": (kernel_distance, subset_kernel_distances)}


class Setting(NamedTuple):
    """``subjects`` of ``EACH`` images in ``dimension``; the second model is shifted and scaled."""

    subjects: int
    dimension: int
    shift: float
    scale: float


SETTINGS = [Setting(10, 64, shift, scale) for shift, scale in ((0.0, 1.0), (0.3, 1.0), (0.0, 0.9))]


class World:
    """Draws images of real people, and what two models make of the same edits."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self.rng = setting, np.random.default_rng(seed)
        self.spread = 1 / np.sqrt(np.arange(1, setting.dimension + 1))
        self.subjects = np.repeat(np.arange(setting.subjects), EACH)

    def people(self, subjects: Groups) -> Floats:
        names, member = np.unique(subjects, return_inverse=True)
        own = self.rng.standard_normal((len(names), self.setting.dimension))[member]
        return np.sqrt(0.5) * (own + self._noise(len(subjects))) * self.spread

    def models(self) -> tuple[Floats, Floats]:
        """Two models' outputs; 80% of the variance is common to both."""
        common = self.people(self.subjects)
        first, second = (
            np.sqrt(0.8) * common + np.sqrt(0.2) * self._noise(len(common)) * self.spread for _ in range(2)
        )
        return first, second * self.setting.scale + self.setting.shift * self.spread

    def references(self) -> Floats:
        return self.people(np.arange(REFERENCES))

    def _noise(self, count: int) -> Floats:
        return self.rng.standard_normal((count, self.setting.dimension))


METHODS = ("jackknife", "half samples", "bootstrap")
Scores = Callable[[jackknife.Subsets], Floats]
"""(K, N) subsets to (K, 2): the score of one model, and the difference of two."""


def in_use(values: Floats, scores: Scores, subjects: Groups) -> Floats:
    groups = jackknife.subject_groups(subjects)
    names, sizes = np.unique(groups, return_counts=True)
    left_out = scores(groups != names[:, None])
    found = [jackknife.Replicates(values[i], left_out[:, i], sizes).estimate() for i in range(2)]
    return np.array([(each.low, each.high) for each in found])


def half_samples(values: Floats, scores: Scores, subjects: Groups) -> Floats:
    """Half of the subjects, drawn without replacement: their scores spread as those of the whole would."""
    rng, names = np.random.default_rng(0), np.unique(subjects)
    drawn = [np.isin(subjects, rng.permutation(names)[: len(names) // 2]) for _ in range(DRAWS)]
    half = stats.t.ppf(0.975, len(names) - 1) * scores(np.array(drawn)).std(axis=0, ddof=1)
    return np.stack([values - half, values + half], axis=1)


def resampled(score: Callable[[Floats], float], models: tuple[Floats, Floats], subjects: Groups) -> Floats:
    """(DRAWS, 2) scores of subjects drawn with replacement, the same for both models."""
    rng, names = np.random.default_rng(0), np.unique(subjects)
    rows = [np.flatnonzero(subjects == name) for name in names]
    found = []
    for _ in range(DRAWS):
        chosen = np.concatenate([rows[i] for i in rng.integers(len(names), size=len(names))])
        found.append(_with_difference([score(model[chosen]) for model in models]))
    return np.array(found)


def _with_difference(scores: Sequence[Floats | float]) -> Floats:
    return np.stack([scores[0], np.subtract(*scores)], axis=-1)


def simulate(setting: Setting, name: str, repeats: int) -> list[float]:
    """Truths, then percentages of intervals that hold them, one score and difference by each method.

    Last, by how much the mean of the bootstrap's scores is above the score itself.
    """
    distance, on_subsets = DISTANCES[name]
    world, whole = World(setting, 0), np.ones((1, setting.subjects * EACH), bool)
    references = world.references()

    def scores_of(models: tuple[Floats, Floats]) -> Scores:
        return lambda subsets: _with_difference([on_subsets(m, references, subsets) for m in models])

    truth = np.mean([scores_of(world.models())(whole)[0] for _ in range(10 * repeats)], axis=0)
    held: dict[str, list[NDArray[np.bool_]]] = {method: [] for method in METHODS}
    rises = []
    for repeat in range(repeats):
        models = world.models()
        values = scores_of(models)(whole)[0]
        ends = {
            "jackknife": in_use(values, scores_of(models), world.subjects),
            "half samples": half_samples(values, scores_of(models), world.subjects),
        }
        if repeat < repeats // 4:
            drawn = resampled(lambda model: distance(model, references), models, world.subjects)
            ends["bootstrap"] = np.percentile(drawn, (2.5, 97.5), axis=0).T
            rises.append(drawn[:, 0].mean() - values[0])
        for method, (low, high) in ((method, found.T) for method, found in ends.items()):
            held[method].append((low <= truth) & (truth <= high))
    shares = [100 * share for method in METHODS for share in np.mean(held[method], axis=0)]
    return [*truth, *shares, float(np.mean(rises))]


def main(repeats: int) -> None:
    columns = [f"{method}, {what}" for method in METHODS for what in ("one", "difference")]
    heads = ["score", *Setting._fields, "truth", "difference", *columns, "bootstrap's rise"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in DISTANCES:
        for setting in SETTINGS:
            truth, difference, *shares, rise = simulate(setting, name, repeats)
            cells = [name, *setting, f"{truth:.3g}", f"{difference:+.2g}", *(f"{s:.1f}" for s in shares)]
            print(f"| {' | '.join(map(str, cells))} | {rise:+.2g} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
