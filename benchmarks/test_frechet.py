"""The Fréchet distance against pytorch-fid's own function, on the same features, in the same run.

pytest benchmarks/test_frechet.py

The peer takes seconds for each distance. The clock is the wall's, with as many threads as both take by
themselves, so nothing else should run beside it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from fesbench.metrics.frechet import frechet_distance, subset_distances

fid_score = pytest.importorskip("pytorch_fid.fid_score", reason="needs the extra 'paper'")

DIMENSION = 2048
MODELS, RESAMPLES = 7, 1000


def features(seed: int, n: int) -> np.ndarray:
    """Like those of a network: variances that fall, a mean far from zero."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, DIMENSION + 1) ** -0.6
    return rng.standard_normal((n, DIMENSION)) * spread + 0.5


def seconds(work: Callable[[], object], rounds: int = 1) -> float:
    """Time of the fastest of some rounds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def peer(a: np.ndarray, b: np.ndarray) -> float:
    statistics = [part for x in (a, b) for part in (x.mean(axis=0), np.cov(x, rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return float(fid_score.calculate_frechet_distance(*statistics))


@pytest.mark.parametrize(("n", "least"), [(100, 1000), (200, 500), (3000, 10)])
def test_equal_and_much_faster(n, least, capsys):
    """Both start from features: the peer's covariances, which it needs, are counted too."""
    a, b = features(1, n), features(2, n)
    values: dict[str, float] = {}
    theirs = seconds(lambda: values.update(peer=peer(a, b)))
    ours = seconds(lambda: values.update(ours=frechet_distance(a, b)), 5 if n < DIMENSION else 2)
    apart = abs(values["ours"] / values["peer"] - 1)
    with capsys.disabled():
        print(
            f"\nN={n}, d={DIMENSION}: pytorch-fid {theirs:.2f} s, ours {1000 * ours:.1f} ms, "
            f"{theirs / ours:.0f} times faster, {apart:.1e} apart"
        )
    assert apart < 1e-6
    assert theirs / ours >= least


def test_a_thousand_resamples_of_seven_models(capsys):
    """200 of 220 outputs of each model, the same edits for all, drawn without replacement."""
    reference, rng = features(0, 200), np.random.default_rng(0)
    subsets = np.array([rng.permutation(220) < 200 for _ in range(RESAMPLES)])
    models = [features(10 + model, 220) for model in range(MODELS)]
    found: list[np.ndarray] = []
    taken = seconds(lambda: found.extend(subset_distances(model, reference, subsets) for model in models))
    direct = [frechet_distance(models[0][subset], reference) for subset in subsets[:5]]
    np.testing.assert_allclose(found[0][:5], direct, rtol=1e-7)
    with capsys.disabled():
        print(f"\n{RESAMPLES} resamples of {MODELS} models at N=200: {taken:.0f} s")
    assert taken <= 90
