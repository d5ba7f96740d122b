"""The regression layer against the official method, in the same process and on the same images.

pytest benchmarks/test_regression.py
FESBENCH_BENCHMARK_SIZE=128 pytest benchmarks/test_regression.py

At 128 the official method's dense matrices take 2 GB each: have 12 GB free, and minutes.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fesbench.reggan import LocalRidge

pytest.importorskip("pytest_benchmark")

SIZE = int(os.environ.get("FESBENCH_BENCHMARK_SIZE", "64"))
IMAGES = 100
PARITY = Path(__file__).resolve().parents[1] / "tests" / "data" / "parity" / "mr_ref_12x32.npz"


def _load_official() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "official", Path(__file__).with_name("official_masked_regression.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


official = _load_official()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.random((IMAGES, 3, SIZE, SIZE)), rng.random((IMAGES, 3, SIZE, SIZE))


@pytest.fixture(scope="module")
def official_fit(images):
    weights: list[np.ndarray] = []
    seconds = _seconds(lambda: weights.extend(official.fit(*images)))
    return seconds, weights


def test_the_recreation_reproduces_the_official_program():
    reference = np.load(PARITY)
    a, b = (_stretched(reference[name].astype(np.float64)) for name in ("A_u8", "B_u8"))
    weights = official.fit(a, b)
    windows = np.stack([official.by_window(w, 32, 32, 3) for w in weights], axis=2)
    np.testing.assert_allclose(windows, reference["weights_official"], rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        official.predict(weights, a), reference["pred_train_official"], rtol=0, atol=1e-3
    )


def test_fit_is_equal_and_much_faster(benchmark, images, official_fit, capsys):
    seconds, weights = official_fit
    fitted = benchmark.pedantic(lambda: LocalRidge(3, 0.4).fit(*images), rounds=5, warmup_rounds=1)
    expected = np.stack([official.by_window(w, SIZE, SIZE, 3) for w in weights])
    np.testing.assert_allclose(fitted.coef_.numpy(), expected, rtol=0, atol=1e-9)
    best = min(benchmark.stats.stats.data)
    benchmark.extra_info.update(official_seconds=seconds, ratio=seconds / best)
    with capsys.disabled():
        print(
            f"\n{SIZE} x {SIZE}, {IMAGES} pairs, r=3: official method {seconds:.2f} s, ours {best:.3f} s, "
            f"{seconds / best:.0f} times faster (official program at 128: {official.OFFICIAL_SECONDS} s)"
        )
    assert seconds / best > 20


@pytest.mark.parametrize(
    ("images_count", "window", "channels"),
    [
        (100, 3, "same"),
        (1000, 3, "same"),
        (100, 5, "same"),
        (100, 11, "same"),
        (100, 5, "all"),
        (100, 11, "all"),
    ],
)
def test_fit_at_full_size(benchmark, images_count, window, channels):
    if SIZE < 128:
        pytest.skip("set FESBENCH_BENCHMARK_SIZE=128")
    rng = np.random.default_rng(0)
    x, y = (rng.random((images_count, 3, SIZE, SIZE), dtype=np.float32) for _ in range(2))
    fitted = benchmark.pedantic(lambda: LocalRidge(window, 0.4, channels).fit(x, y), rounds=2)
    assert fitted.coef_.isfinite().all()


def _stretched(images):
    low, high = (f(images, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    return (images - low) / (high - low)
