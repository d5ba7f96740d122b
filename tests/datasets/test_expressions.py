from __future__ import annotations

import pytest

from fesbench.core.errors import UnknownName
from fesbench.datasets.expressions import ALIASES, BASIC, CFEE, COMPOUND, canonical, in_order


def test_taxonomies_have_their_sizes():
    assert (len(BASIC), len(COMPOUND), len(set(CFEE))) == (7, 15, 22)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Happiness", "happy"),
        ("AFS", "fearful"),
        ("ans", "angry"),
        ("DIS", "disgusted"),
        ("HAS", "happy"),
        ("NES", "neutral"),
        ("SAS", "sad"),
        ("SUS", "surprised"),
        ("afraid", "fearful"),
        ("Happily Surprised", "happily-surprised"),
        ("sadly_disgusted", "sadly-disgusted"),
        (" contempt ", "contemptuous"),
        ("awe", "awed"),
    ],
)
def test_other_spellings(spelling, name):
    assert canonical(spelling) == name


def test_names_are_their_own_canonical_form():
    assert all(canonical(name) == name for name in ALIASES.values())


def test_unknown_names_answer_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean happy"):
        canonical("hapy")


def test_order_is_that_of_the_taxonomy():
    assert in_order(["awed", "sad", "neutral", "sad"]) == ("neutral", "sad", "awed")
