import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fesbench.statistics import clustered_mean, clustered_means
from fesbench.statistics.intervals import UNBOUNDED

SHARE = (0.0, 1.0)


def names(subjects, edits):
    return np.repeat([f"s{index}" for index in range(subjects)], edits).astype(object)


def ends(found):
    return np.array([found.mean, found.low, found.high])


def test_symmetric_subject_means_give_the_textbook_t_interval():
    found = clustered_mean([1.0, 3.0, 3.0, 5.0, 5.0, 7.0], names(3, 2))
    half = stats.t.ppf(0.975, 2) * 2.0 / np.sqrt(3)
    np.testing.assert_allclose(ends(found), [4.0, 4.0 - half, 4.0 + half], rtol=1e-12)
    assert (found.n, found.clusters, found.method) == (6, 3, "clustered t")


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.data())
def test_one_edit_of_each_subject_gives_the_exact_binomial_interval(subjects, data):
    right = data.draw(st.integers(0, subjects))
    found = clustered_mean([1.0] * right + [0.0] * (subjects - right), names(subjects, 1), SHARE)
    exact = stats.binomtest(right, subjects).proportion_ci()
    np.testing.assert_allclose(ends(found)[1:], [exact.low, exact.high], atol=1e-9)
    assert found.method == "exact binomial"


def test_a_second_edit_of_one_subject_hardly_moves_the_exact_interval():
    values = np.array([1.0] * 18 + [0.0] * 2)
    first = clustered_mean(values, names(20, 1), SHARE)
    second = clustered_mean([1.0, *values], ["s0", *names(20, 1)], SHARE)
    np.testing.assert_allclose(ends(second), ends(first), atol=0.01)
    assert second.method == "clustered Wilson"


def wilson(share, size, quantile):
    """The two shares that are ``quantile`` standard errors of their own away: roots of a square equation."""
    k = quantile**2 / size
    return np.sort(np.roots([1 + k, -2 * share - k, share**2]).real)


@pytest.mark.parametrize(("shape", "rho"), [("subjects alike", 1.0), ("no pattern", 0.0)])
def test_a_share_has_the_limits_counted_by_hand(shape, rho):
    """6 of 12 right, 2 edits of each subject: the exact interval counts a quarter, Wilson's three."""
    pairs = [(1, 1)] * 3 + [(0, 0)] * 3 if shape == "subjects alike" else [(0, 1)] * 6
    found = clustered_mean(np.ravel(pairs).astype(float), names(6, 2), SHARE)
    # 12 pairs vary by 1/4 each, all of it shared or, with one for the mean, all of it opposed
    rho = np.clip(((12 if rho else -12) / 4 + 12 / 4 / 12 + 0.25) / (12 / 4 + 0.5), 0, 1)
    t = stats.t.ppf(0.975, 5 / ((0.3 + 0.7 * rho) / 2))
    size = 12 / (1 + rho)
    shrunk = size * (stats.norm.ppf(0.975) / t) ** 2
    exact = stats.beta.ppf([0.025, 0.975], [shrunk / 2, shrunk / 2 + 1], [shrunk / 2 + 1, shrunk / 2])
    np.testing.assert_allclose(ends(found)[1:], exact / 4 + 3 / 4 * wilson(0.5, size, t), rtol=1e-9)


@pytest.mark.parametrize(("worst", "bounds"), [(0.0, SHARE), (0.0, (-1.0, 1.0)), (-1.0, (-1.0, 1.0))])
@pytest.mark.parametrize(("subjects", "edits"), [(5, 1), (15, 1), (3, 6), (10, 6), (20, 4), (40, 2)])
def test_one_success_more_lowers_neither_end(subjects, edits, worst, bounds):
    order = np.arange(subjects * edits).reshape(subjects, edits).T.ravel()
    values = np.full((subjects * edits, subjects * edits + 1), worst)
    for count in range(1, subjects * edits + 1):
        values[order[:count], count] = 1.0
    found = clustered_means(values, names(subjects, edits), bounds)
    for end in (found.low, found.high):
        assert (np.diff(end) >= -1e-9).all()
    assert found.low.min() >= bounds[0]
    assert found.high.max() <= 1


def test_the_last_failure_changes_an_interval_by_little():
    values = np.ones((120, 2))
    values[0, 1] = 0.0
    none, one = np.transpose(clustered_means(values, names(20, 6), SHARE)[1:3])
    np.testing.assert_allclose(none, one, atol=0.01)
    np.testing.assert_allclose(none, [0.89, 1.0], atol=0.005)


def test_means_of_graded_scores_stay_inside_their_range():
    values, subjects = [1.0, 1.0, 0.9, -1.0], ["a", "b", "c", "d"]
    free = clustered_mean(values, subjects)
    assert free.high > 1
    assert free.low < -1
    inside = clustered_mean(values, subjects, limits=(-1.0, 1.0))
    assert (inside.mean, inside.low, inside.high) == (free.mean, -1.0, 1.0)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-np.inf, 1.0), (100.0, np.inf)])
def test_a_mean_outside_the_range_of_its_scores_has_no_interval(limits):
    found = clustered_mean([80, 90, 85, 88, 70], list("abcde"), limits=limits)
    assert (found.mean, found.low, found.high) == (82.6, None, None)
    assert found.reason == "the mean is outside the range of the scores"


def test_an_interval_holds_a_mean_that_rounding_took_out_of_the_range():
    values = [1.000002, 1.000001, 1.0000015]
    found = clustered_mean(values, list("abc"), limits=(-1.0, 1.0))
    assert found.low <= found.mean == found.high == pytest.approx(1.0000015, abs=1e-12)
    mirrored = clustered_mean(-np.array(values), list("abc"), limits=(-1.0, 1.0))
    assert mirrored.low == mirrored.mean <= mirrored.high


def test_graded_scores_allow_for_failures_that_the_sample_has_not_met():
    """Of four subjects: Wilson's interval of that variance, and a fourth of a quarter of one."""
    values, t = [0.6, 0.7, 0.8, 0.9], stats.t.ppf(0.975, 3)
    found = clustered_mean(values, list("abcd"), limits=(0.0, 1.0))
    low, high = wilson(0.75, 0.75 * 0.25 / (np.var(values, ddof=1) / 4), t)
    unseen = t * np.sqrt(0.25 / 4) / 4
    np.testing.assert_allclose(ends(found)[1:], [low - unseen * 0.75, high + unseen * 0.25], rtol=1e-9)
    scaled = clustered_mean(2 * np.array(values) - 1, list("abcd"), limits=(-1.0, 1.0))
    np.testing.assert_allclose(ends(scaled), 2 * ends(found) - 1, rtol=1e-9)


def test_one_failing_subject_widens_the_interval_more_than_scattered_failures():
    together, scattered = np.ones(60), np.ones(60)
    together[:5] = 0
    scattered[::12] = 0
    clumped, spread = (clustered_mean(values, names(10, 6), SHARE) for values in (together, scattered))
    assert clumped.mean == spread.mean
    assert clumped.low < spread.low - 0.1


@pytest.mark.parametrize("subjects", [2, 3, 10, 60])
def test_where_all_are_right_edits_of_a_subject_are_correlated_by_a_half(subjects):
    found = clustered_mean(np.ones(subjects * 6), names(subjects, 6), SHARE)
    t = stats.t.ppf(0.975, (subjects - 1) / (0.65 * 5 / 6))
    size = subjects * 6 / 3.5
    exact = 0.025 ** (t**2 / stats.norm.ppf(0.975) ** 2 / size)
    low = exact / 36 + 35 / 36 * size / (size + t**2)
    np.testing.assert_allclose([found.low, found.high], [low, 1.0], rtol=1e-9)
    wrong = clustered_mean(np.zeros(subjects * 6), names(subjects, 6), SHARE)
    np.testing.assert_allclose([wrong.low, wrong.high], [0.0, 1 - low], atol=1e-9)


def test_no_difference_between_shares_is_not_certainty():
    found = clustered_means(np.zeros((120, 1)), names(20, 6), (-1.0, 1.0), null=0.0)
    # 6 edits of a subject, correlated by 0.5, are worth 6 / 3.5
    t = stats.t.ppf(0.975, 19 / (0.65 * 5 / 6))
    reach = stats.beta.ppf(0.975, 0.5, 120 / 3.5 * (stats.norm.ppf(0.975) / t) ** 2 + 0.5)
    np.testing.assert_allclose([found.low[0], found.high[0]], [-reach, reach], rtol=1e-9)
    assert found.p[0] == 1.0


@pytest.mark.parametrize(
    ("values", "subjects", "reason"),
    [
        ([1.0, 0.0, 1.0], ["a", "a", "a"], "at least 2 subjects"),
        ([np.nan, np.nan], ["a", "b"], "no value"),
        ([], [], "no value"),
        ([0.5, 0.5, 0.5, 0.5], ["a", "a", "b", "b"], "all subjects agree"),
    ],
)
def test_where_no_interval_exists_the_reason_is_given(values, subjects, reason):
    found = clustered_mean(values, subjects)
    assert (found.low, found.high, found.method) == (None, None, "none")
    assert reason in found.reason


def test_missing_values_are_left_out_and_a_subject_without_any_does_not_count():
    values = [1.0, np.nan, 2.0, 4.0, np.nan, np.nan]
    found = clustered_mean(values, names(3, 2))
    assert found == clustered_mean([1.0, 2.0, 4.0], ["s0", "s1", "s1"])
    assert (found.n, found.clusters) == (3, 2)


def test_mean_over_domains_weights_domains_equally():
    values = np.array([[1.0], [1.0], [1.0], [0.0]])
    domains = np.array(["x", "x", "x", "y"], dtype=object)
    found = clustered_means(values, np.array(list("abcd"), dtype=object), UNBOUNDED, domains)
    assert found.mean[0] == 0.5


def test_differences_between_domains_are_no_variation_between_subjects():
    rng = np.random.default_rng(0)
    level = np.repeat([0.0, 10.0], 30)
    values = (level + rng.normal(size=60))[:, None]
    domains = np.repeat(np.array(["x", "y"], dtype=object), 30)
    nested = clustered_means(values, names(20, 3), UNBOUNDED, domains)
    assert nested.high[0] - nested.low[0] < 1.5
    pooled = clustered_means(values, names(20, 3))
    assert pooled.high[0] - pooled.low[0] > 4


columns = st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=3, max_size=40)


@settings(max_examples=60, deadline=None)
@given(columns, st.randoms())
def test_order_of_rows_and_names_of_subjects_change_nothing(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    first = clustered_mean([v for _, v in rows], [f"s{s}" for s, _ in rows])
    second = clustered_mean([v for _, v in shuffled], [f"other{s}" for s, _ in shuffled])
    assert first.reason == second.reason
    for a, b in zip((first.mean, first.low, first.high), (second.mean, second.low, second.high), strict=True):
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=4, max_size=60))
def test_interval_of_a_share_holds_its_mean_mirrors_and_stays_inside(rows):
    subjects = [f"s{s}" for s, _ in rows]
    values = np.array([v for _, v in rows], dtype=float)
    found = clustered_mean(values, subjects, SHARE)
    if found.low is None:
        assert found.clusters < 2
        return
    assert 0 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1
    assert found.high - found.low > 0
    mirror = clustered_mean(1 - values, subjects, SHARE)
    np.testing.assert_allclose([mirror.low, mirror.high], [1 - found.high, 1 - found.low], atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.6, 0.6), st.sampled_from([UNBOUNDED, (-1.0, 1.0)]))
def test_p_is_below_five_percent_exactly_where_the_interval_excludes_zero(seed, shift, bounds):
    rng = np.random.default_rng(seed)
    values = np.clip(np.round(shift + rng.normal(0, 0.5, (48, 1))), -1, 1)
    found = clustered_means(values, names(8, 6), bounds, null=0.0, limits=(-1.0, 1.0))
    if np.isnan(found.low[0]):
        return
    excluded = bool(found.low[0] > 0 or found.high[0] < 0)
    assert excluded == (found.p[0] < 0.05)


def test_columns_are_independent_of_each_other():
    values = np.random.default_rng(1).random((40, 3))
    values[3, 1] = np.nan
    together = clustered_means(values, names(8, 5), SHARE)
    for index in range(3):
        alone = clustered_means(values[:, [index]], names(8, 5), SHARE)
        np.testing.assert_allclose(
            [together.low[index], together.high[index]], [alone.low[0], alone.high[0]], rtol=1e-12
        )


@pytest.mark.parametrize(("mean", "icc"), [(0.5, 0.3), (0.7, 0.7), (0.8, 0.1)])
def test_coverage_with_twenty_subjects(mean, icc):
    rng = np.random.default_rng(5)
    size = 1 / icc - 1
    rate = rng.beta(mean * size, (1 - mean) * size, (20, 1, 2000))
    values = (rng.random((20, 6, 2000)) < rate).astype(float).reshape(120, 2000)
    found = clustered_means(values, names(20, 6), SHARE)
    assert 0.93 <= ((found.low <= mean) & (mean <= found.high)).mean() <= 0.97


def textbook_share(values, subjects, domains):
    """Mean of domains' shares with its 95% limits, value by value: Kish's design effect, Wilson's limits."""
    members = {name: [i for i, one in enumerate(domains) if one == name] for name in dict.fromkeys(domains)}
    weight = [1 / len(members[name]) / len(members) for name in domains]
    own = {name: np.mean([values[i] for i in rows]) for name, rows in members.items()}
    smooth = {name: (own[name] * len(rows) + 0.5) / (len(rows) + 1) for name, rows in members.items()}
    pairs = [(i, j) for i, j in itertools.permutations(range(len(values)), 2) if subjects[i] == subjects[j]]

    def spread(share, i):
        return np.sqrt(share[domains[i]] * (1 - share[domains[i]]))

    def over_pairs(of):
        return sum(weight[i] * weight[j] * of(i) * of(j) for i, j in pairs)

    # half a pair of values of the weight 1 / N, half shared, is added; every domain's mean is an estimate
    count, most = len(values), over_pairs(lambda i: spread(own, i))
    shared = over_pairs(lambda i: values[i] - own[domains[i]]) + most / count
    rho = np.clip((shared * count**2 + 0.25) / (most * count**2 + 0.5), 0, 1)
    single = sum((weight[i] * spread(smooth, i)) ** 2 for i in range(count))
    together = over_pairs(lambda i: spread(smooth, i))
    middle, smoothed = np.mean(list(own.values())), np.mean(list(smooth.values()))
    size = smoothed * (1 - smoothed) / (single + rho * together)
    people = len(set(subjects))
    nested = len(set(zip(subjects, domains, strict=True))) == people
    dof = people - (len(members) if nested else 1)
    each = 1 + together / single
    t = stats.t.ppf(0.975, dof / ((each - 1) / each * (0.3 + 0.7 * rho)))
    shrunk = size * (stats.norm.ppf(0.975) / t) ** 2
    right, wrong = shrunk * middle, shrunk * (1 - middle)
    exact = stats.beta.ppf([0.025, 0.975], [right, right + 1], [wrong + 1, wrong])
    of_exact = 1 / (1 + over_pairs(lambda i: 1) / sum(one**2 for one in weight)) ** 2
    return middle, *(of_exact * exact + (1 - of_exact) * wilson(middle, size, t))


@pytest.mark.parametrize("design", ["nested", "crossed"])
def test_a_share_over_domains_has_the_limits_counted_by_hand(design):
    """Each domain has its own share, and subjects lose a degree of freedom for each only where nested."""
    rng, people, edits = np.random.default_rng(2), 12, 4
    subjects = [f"s{i}" for i in range(people) for _ in range(edits)]
    domains = [
        "xy"[i % 2 if design == "nested" else edit % 2] for i in range(people) for edit in range(edits)
    ]
    ease = np.repeat(rng.normal(0, 0.25, people), edits)
    rate = np.where(np.array(domains) == "x", 0.8, 0.3) + ease
    values = (rng.random(people * edits) < rate).astype(float)
    found = clustered_means(
        values[:, None], np.array(subjects, object), SHARE, np.array(domains, dtype=object)
    )
    expected = textbook_share(values, subjects, domains)
    np.testing.assert_allclose([found.mean[0], found.low[0], found.high[0]], expected, rtol=1e-9)


@pytest.mark.parametrize(("design", "dof"), [("nested", 4), ("crossed", 5)])
def test_the_mean_of_domains_has_the_t_interval_of_its_design(design, dof):
    """Six subjects: of three in each of two domains two means are estimated, of six in both one."""
    if design == "nested":
        values, subjects, domains = [1.0, 2, 3, 11, 12, 13], list("abcdef"), list("xxxyyy")
        error = np.sqrt((1 / 3 + 1 / 3) / 4)
    else:
        values = [1.0, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
        subjects, domains = list("abcdefabcdef"), list("xxxxxxyyyyyy")
        error = np.sqrt(3.5 / 6)
    found = clustered_means(
        np.array(values)[:, None], np.array(subjects, object), UNBOUNDED, np.array(domains, dtype=object)
    )
    half = stats.t.ppf(0.975, dof) * error
    middle = np.mean(values)
    np.testing.assert_allclose([found.low[0], found.high[0]], [middle - half, middle + half], rtol=1e-12)
