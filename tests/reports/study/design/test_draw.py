"""Items are drawn evenly, and independently of the secret."""

from collections import Counter

from fesbench.reports.study.design.build import build
from fesbench.reports.study.design.draw import draw_items


def test_the_draw_spreads_over_domains_expressions_and_people(synthetic):
    material = synthetic(subjects=6)
    drawn = draw_items(material.candidates, 12, seed=1)
    assert len(set(drawn)) == 12
    assert set(Counter(c.domain for c in drawn).values()) == {6}
    assert set(Counter((c.domain, c.expression) for c in drawn).values()) == {2}
    assert set(Counter((c.domain, c.subject) for c in drawn).values()) == {1}
    assert drawn == draw_items(material.candidates, 12, seed=1)
    assert drawn != draw_items(material.candidates, 12, seed=2)


def test_the_draw_does_not_depend_on_the_secret(material, request_of):
    drawn = [
        {item.edit for item in build(material, request_of(secret=secret, participants=1)).key.items}
        for secret in (b"a" * 16, b"b" * 16)
    ]
    assert drawn[0] == drawn[1]
