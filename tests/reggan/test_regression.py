import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fesbench.core.errors import BenchError
from fesbench.reggan import LocalRidge, regression, solvers


def images(count, *shape, seed=0):
    return np.random.default_rng(seed).random((count, *shape))


def dense_solution(sources, targets, window, alpha, channels, residual):
    """One numpy solve for each pixel of (N, C, H, W) images, from padded windows."""
    count, planes, height, width = sources.shape
    margin = window // 2
    padded = np.pad(sources, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    features = (planes if channels == "all" else 1) * window**2 + 1
    coef = np.zeros((planes, height, width, features))
    for c, y, x in np.ndindex(planes, height, width):
        seen = slice(None) if channels == "all" else slice(c, c + 1)
        block = padded[:, seen, y : y + window, x : x + window].reshape(count, -1)
        a = np.column_stack([block, np.ones(count)])
        wanted = targets[:, c, y, x] - (sources[:, c, y, x] if residual else 0)
        coef[c, y, x] = np.linalg.solve(a.T @ a + alpha * np.eye(features), a.T @ wanted)
    return coef


@pytest.mark.parametrize("window", [1, 3, 5, 7])
@pytest.mark.parametrize("channels", ["same", "all"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("count", [2, 40])
def test_equals_a_dense_solve(window, channels, residual, count):
    x, y = images(count, 2, 5, 9), images(count, 2, 5, 9, seed=1)
    coef = LocalRidge(window, 0.4, channels, residual).fit(x, y).coef_
    assert coef.dtype == torch.float64
    np.testing.assert_allclose(coef, dense_solution(x, y, window, 0.4, channels, residual), atol=1e-9, rtol=0)


@pytest.mark.parametrize("channels", ["same", "all"])
@pytest.mark.parametrize("residual", [False, True])
def test_predicts_what_its_weights_say_with_zeros_beyond_the_border(channels, residual):
    x, y, new = images(30, 2, 6, 5), images(30, 2, 6, 5, seed=1), images(4, 2, 6, 5, seed=2)
    ridge = LocalRidge(3, 0.4, channels, residual).fit(x, y)
    padded = np.pad(new, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros_like(new)
    for c, i, j in np.ndindex(2, 6, 5):
        seen = slice(None) if channels == "all" else slice(c, c + 1)
        window = padded[:, seen, i : i + 3, j : j + 3].reshape(4, -1)
        expected[:, c, i, j] = window @ ridge.coef_[c, i, j, :-1].numpy() + float(ridge.coef_[c, i, j, -1])
    np.testing.assert_allclose(ridge.predict(new), expected + (new if residual else 0), atol=1e-12)


def test_weights_of_pixels_beyond_the_border_are_zero():
    coef = LocalRidge(3).fit(images(20, 1, 5, 5), images(20, 1, 5, 5, seed=1)).coef_
    windows = coef[..., :-1].reshape(1, 5, 5, 3, 3)
    assert windows[:, 0, :, 0].abs().max() == 0
    assert windows[:, :, -1, :, 2].abs().max() == 0
    assert windows[:, 0, 0, 1:, 1:].abs().min() > 0


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 23), max_size=5, unique=True), residual=st.booleans())
def test_any_batching_gives_the_same_fit(cuts, residual):
    x, y = images(24, 2, 5, 9), images(24, 2, 5, 9, seed=1)
    streamed = LocalRidge(3, 0.4, residual=residual)
    for a, b in zip(np.split(x, sorted(cuts)), np.split(y, sorted(cuts)), strict=True):
        streamed.partial_fit(a, b)
    whole = LocalRidge(3, 0.4, residual=residual).fit(x, y)
    np.testing.assert_allclose(streamed.coef_, whole.coef_, atol=1e-11, rtol=0)


@pytest.mark.parametrize("first", [3, 20])
def test_partial_fit_goes_on_from_fit(first):
    x, y = images(24, 2, 5, 9), images(24, 2, 5, 9, seed=1)
    ridge = LocalRidge(5, 0.4, "all").fit(x[:first], y[:first]).partial_fit(x[first:], y[first:])
    np.testing.assert_allclose(ridge.coef_, LocalRidge(5, 0.4, "all").fit(x, y).coef_, atol=1e-10, rtol=0)


def test_images_are_summed_in_several_rounds_when_they_are_many(monkeypatch):
    x, y = images(30, 2, 6, 6), images(30, 2, 6, 6, seed=1)
    whole = LocalRidge(3).fit(x, y).coef_
    monkeypatch.setattr("fesbench.reggan.correlations.BATCH_BYTES", 8 * 6 * 8 * 7)
    np.testing.assert_allclose(LocalRidge(3).fit(x, y).coef_, whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("channels", ["same", "all"])
@pytest.mark.parametrize("residual", [False, True])
def test_all_solvers_agree(channels, residual, monkeypatch):
    x, y = images(12, 2, 6, 6), images(12, 2, 2, 6, 6, seed=1)
    y = np.stack([y[:, 0], y[:, 1], x], axis=1)
    results = []
    for share, limit, room in [(0, 99, 2**22), (0, 0, 2**22), (9, 0, 2**22), (0, 99, 1), (9, 0, 1)]:
        monkeypatch.setattr(solvers, "DUAL_SHARE", share)
        monkeypatch.setattr(solvers, "ELIMINATION_LIMIT", limit)
        monkeypatch.setattr(solvers, "SOLVE_BYTES", room)
        results.append(LocalRidge(3, 0.4, channels, residual).fit(x, y).coef_)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("channels", ["same", "all"])
@pytest.mark.parametrize("residual", [False, True])
def test_several_targets_are_as_many_fits(channels, residual):
    x, y, new = images(20, 3, 5, 6), images(20, 2, 3, 5, 6, seed=1), images(2, 3, 5, 6, seed=2)
    together = LocalRidge(3, 0.4, channels, residual).fit(x, y)
    assert together.coef_.shape[:-1] == (2, 3, 5, 6)
    for k in range(2):
        alone = LocalRidge(3, 0.4, channels, residual).fit(x, y[:, k])
        np.testing.assert_allclose(together.coef_[k], alone.coef_, atol=1e-12, rtol=0)
        np.testing.assert_allclose(together.predict(new)[:, k], alone.predict(new), atol=1e-12, rtol=0)


@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("residual", [False, True])
def test_alpha_is_selected_by_exact_leave_subjects_out(window, residual):
    x, y = images(12, 1, 5, 5), images(12, 2, 1, 5, 5, seed=1)
    groups, alphas = list("aabbbcaddcdd"), (0.01, 1.0, 30.0)
    ridge = LocalRidge(window, 0.5, residual=residual).fit(x, y).select_alpha(alphas, groups)
    labels = np.array(groups)
    for alpha in alphas:
        squares = 0.0
        for label in "abcd":
            held = labels == label
            fold = LocalRidge(window, alpha, residual=residual).fit(x[~held], y[~held])
            squares += float(((fold.predict(x[held]).numpy() - y[held]) ** 2).sum())
        assert ridge.errors_[alpha] == pytest.approx(squares / y.size, abs=1e-12)
    assert ridge.alpha == min(alphas, key=ridge.errors_.__getitem__)
    refitted = LocalRidge(window, ridge.alpha, residual=residual).fit(x, y)
    np.testing.assert_allclose(ridge.coef_, refitted.coef_, atol=1e-12, rtol=0)


def test_a_regression_without_some_images_is_that_on_the_others():
    x, y = images(9, 2, 6, 6), images(9, 2, 2, 6, 6)
    ridges = [
        LocalRidge(3, 0.5, residual=True).partial_fit(x[part], y[part]) for part in (slice(9), slice(4))
    ]
    whole = ridges[0].coef_
    expected = LocalRidge(3, 0.5, residual=True).partial_fit(x[4:], y[4:]).coef_
    torch.testing.assert_close(ridges[0].without(ridges[1]).coef_, expected, atol=1e-9, rtol=1e-7)
    assert torch.equal(ridges[0].coef_, whole)
    with pytest.raises(BenchError, match="partial_fit"):
        ridges[0].without(LocalRidge(3, 0.5, residual=True))


def test_regressions_on_parts_join_to_that_on_all_images():
    x, y = images(9, 2, 6, 6), images(9, 2, 2, 6, 6)
    parts = [
        LocalRidge(3, 0.5).partial_fit(x[part], y[part]) for part in (slice(4), slice(4, 7), slice(7, 9))
    ]
    first = parts[0].coef_
    expected = LocalRidge(3, 0.5).partial_fit(x, y).coef_
    torch.testing.assert_close(parts[0].joined(parts[1:]).coef_, expected, atol=1e-11, rtol=1e-9)
    assert torch.equal(parts[0].coef_, first)
    with pytest.raises(BenchError, match="partial_fit"):
        parts[0].joined([LocalRidge(3, 0.5)])


def test_copies_of_a_person_do_not_shrink_the_penalty():
    """Leaving out single images of a jittered person would choose a smaller alpha than leaving out people."""
    rng = np.random.default_rng(3)
    people, noise = images(8, 1, 4, 4), rng.normal(size=(8, 1, 4, 4))
    x = np.repeat(people, 3, axis=0) + rng.normal(scale=1e-3, size=(24, 1, 4, 4))
    y = np.repeat(people + noise, 3, axis=0)
    alphas = (1e-3, 1e-1, 10.0, 1000.0)
    by_person = LocalRidge(3).fit(x, y).select_alpha(alphas, np.repeat(np.arange(8), 3).tolist())
    by_image = LocalRidge(3).fit(x, y).select_alpha(alphas, range(24))
    assert by_image.alpha < by_person.alpha


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(-5, 5), seed=st.integers(0, 99))
def test_linear_in_the_targets(scale, seed):
    x, y, z = (images(9, 1, 4, 5, seed=seed + i) for i in range(3))
    coef = [LocalRidge(3).fit(x, target).coef_ for target in (y, z, scale * y + z)]
    np.testing.assert_allclose(coef[2], scale * coef[0] + coef[1], atol=1e-10)


@settings(max_examples=10, deadline=None)
@given(alpha=st.floats(1e9, 1e14), channels=st.sampled_from(["same", "all"]))
def test_an_endless_penalty_copies_with_a_residual_and_blackens_without(alpha, channels):
    x, y = images(9, 2, 4, 5), images(9, 2, 4, 5, seed=1)
    np.testing.assert_allclose(
        LocalRidge(3, alpha, channels, residual=True).fit(x, y).predict(x), x, atol=1e-6
    )
    np.testing.assert_allclose(LocalRidge(3, alpha, channels).fit(x, y).predict(x), 0, atol=1e-6)


def test_float32_images_are_solved_in_float64():
    x, y = images(50, 1, 8, 8).astype(np.float32), images(50, 1, 8, 8, seed=1).astype(np.float32)
    rounded = LocalRidge(3).fit(x, y).coef_
    exact = LocalRidge(3).fit(x.astype(np.float64), y.astype(np.float64)).coef_
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, exact.float())


def test_predictions_do_not_depend_on_the_batch():
    ridge = LocalRidge(3).fit(images(9, 2, 6, 6), images(9, 2, 6, 6, seed=1))
    new = images(5, 2, 6, 6, seed=2)
    assert torch.equal(ridge.predict(new)[3:4], ridge.predict(new[3:4]))


def test_a_new_alpha_is_a_new_solution_of_the_same_images():
    x, y = images(30, 1, 5, 5), images(30, 1, 5, 5, seed=1)
    ridge = LocalRidge(3, 0.4).partial_fit(x, y)
    first = ridge.coef_
    ridge.alpha = 2.0
    assert not torch.allclose(ridge.coef_, first)
    np.testing.assert_allclose(ridge.coef_, LocalRidge(3, 2.0).fit(x, y).coef_, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: LocalRidge(4), "odd"),
        (lambda: LocalRidge(3, 0.0), "positive"),
        (lambda: LocalRidge(3, channels="some"), "'same' or 'all'"),  # type: ignore[arg-type]
        (lambda: LocalRidge().coef_, "not fitted"),
        (lambda: LocalRidge().predict(images(1, 1, 4, 4)), "not fitted"),
        (lambda: LocalRidge().fit(images(2, 1, 4, 4), images(3, 1, 4, 4)), r"\(3, 1, 4, 4\)"),
        (lambda: LocalRidge().fit(images(0, 1, 4, 4), images(0, 1, 4, 4)), "N > 0"),
        (
            lambda: LocalRidge().fit(np.zeros((2, 1, 4, 4), np.uint8), images(2, 1, 4, 4)),
            "float32 or float64",
        ),
        (lambda: LocalRidge().fit(np.full((20, 1, 4, 4), np.nan), images(20, 1, 4, 4)), "finite"),
        (lambda: LocalRidge(5).fit(images(2, 1, 4, 4), np.full((2, 1, 4, 4), np.inf)), "finite"),
        (
            lambda: (
                LocalRidge().partial_fit(images(2, 1, 4, 4), images(2, 1, 4, 4)).predict(images(1, 1, 5, 4))
            ),
            "fitted",
        ),
        (
            lambda: (
                LocalRidge()
                .partial_fit(images(2, 1, 4, 4), images(2, 1, 4, 4))
                .partial_fit(images(2, 1, 5, 4), images(2, 1, 5, 4))
            ),
            "before",
        ),
        (
            lambda: (
                LocalRidge()
                .partial_fit(images(2, 1, 4, 4), images(2, 1, 4, 4))
                .select_alpha([1.0], ["a", "b"])
            ),
            "call fit",
        ),
        (
            lambda: LocalRidge().fit(images(2, 1, 4, 4), images(2, 1, 4, 4)).select_alpha([1.0], ["a", "a"]),
            "at least 2 subjects",
        ),
        (
            lambda: LocalRidge().fit(images(2, 1, 4, 4), images(2, 1, 4, 4)).select_alpha([], ["a", "b"]),
            "alphas",
        ),
    ],
)
def test_wrong_use_is_told_what_is_wrong(call, said):
    with pytest.raises(BenchError, match=said):
        call()


MEMORY = """
import json, resource, sys, torch
from fesbench.reggan import LocalRidge
torch.set_num_threads(1)
rounds, window = map(int, sys.argv[1:])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
x, y = torch.rand(50, 3, 128, 128), torch.rand(50, 3, 128, 128)
LocalRidge(3).fit(x[:2, :, :16, :16], y[:2, :, :16, :16])
before, ridge = peak(), LocalRidge(window)
for _ in range(rounds):
    ridge.partial_fit(x, y)
ridge.coef_
print(json.dumps(peak() - before))
"""


def extra_megabytes(rounds, window):
    command = [sys.executable, "-c", MEMORY, str(rounds), str(window)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_memory_is_small_and_does_not_grow_with_the_images():
    little, much = extra_megabytes(1, 3), extra_megabytes(6, 3)
    assert much < 300
    assert much < little + 20


def test_memory_of_a_wide_window_at_full_size():
    assert extra_megabytes(1, 7) < 300


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("window", [3, 7])
@pytest.mark.parametrize("count", [5, 60])
def test_cuda_gives_the_same_weights(window, count):
    x, y = (torch.from_numpy(images(count, 3, 16, 16, seed=seed)) for seed in (0, 1))
    here = LocalRidge(window, residual=True).fit(x, y)
    there = LocalRidge(window, residual=True).fit(x.cuda(), y.cuda())
    np.testing.assert_allclose(there.coef_.cpu(), here.coef_, atol=1e-9, rtol=0)
    np.testing.assert_allclose(there.predict(x.cuda()).cpu(), here.predict(x), atol=1e-9, rtol=0)
    there.select_alpha((0.1, 1.0), range(count))
    assert there.alpha == here.select_alpha((0.1, 1.0), range(count)).alpha


def test_apply_windows_leaves_its_inputs_alone():
    x, weights = torch.rand(2, 1, 5, 5), torch.rand(10, 1, 5, 5)
    before = x.clone(), weights.clone()
    regression.apply_windows(x, weights, "same", residual=True)
    assert torch.equal(x, before[0])
    assert torch.equal(weights, before[1])


def test_a_fit_that_is_refused_leaves_nothing_behind():
    ridge = LocalRidge(3).fit(images(20, 1, 4, 4), images(20, 1, 4, 4))
    with pytest.raises(BenchError, match="finite"):
        ridge.fit(np.full((2, 1, 5, 5), np.nan), images(2, 1, 5, 5))
    with pytest.raises(BenchError, match="not fitted"):
        ridge.predict(images(1, 1, 4, 4))
