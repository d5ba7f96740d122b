"""The rate limit of requests."""

from fesbench.reports.study.collection.server.limits import MOST_KEYS, Limit


def test_a_limit_refills():
    limit = Limit(rate=2, burst=3)
    assert [limit.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b", 0.0) == 0
    assert limit.wait("a", 0.5) == 0
    assert limit.wait("a", 0.5) == 0.5
    assert [limit.wait("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_the_oldest_key_is_forgotten():
    limit = Limit(rate=1, burst=1)
    assert limit.wait("first", 0.0) == 0
    assert limit.wait("first", 0.0) == 1
    for number in range(MOST_KEYS):
        limit.wait(str(number), 0.0)
    assert limit.wait("first", 0.0) == 0
