from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.splits import check_split, split_of, subject_folds

names = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=40)


@given(names, st.integers(0, 9), st.integers(1, 8))
def test_folds_hold_every_subject_once(subjects, seed, count):
    distinct = set(subjects)
    if count > len(distinct):
        with pytest.raises(DatasetError, match="ask for fewer"):
            subject_folds(subjects, count, seed)
        return
    folds = subject_folds(subjects, count, seed)
    assert sorted(name for fold in folds for name in fold) == sorted(distinct)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert folds == subject_folds(reversed(subjects), count, seed)


def test_splits_have_their_shares_and_depend_on_the_seed():
    counts = Counter(split_of(f"subject {i}") for i in range(5000))
    assert counts["train"] / 5000 == pytest.approx(0.7, abs=0.02)
    assert counts["val"] / 5000 == pytest.approx(0.1, abs=0.02)
    assert any(split_of(str(i), 1) != split_of(str(i), 2) for i in range(20))


def test_splits_never_change_between_versions():
    assert " ".join(split_of(f"{i:03}") for i in range(1, 13)) == (
        "test train train train train test train test test train test val"
    )


def test_unknown_split():
    with pytest.raises(UnknownName, match="Did you mean train"):
        check_split("trian")


def test_a_subject_has_one_split_whatever_the_normalisation_of_the_name():
    for number in range(30):
        assert split_of(f"Zo\u00e9{number}") == split_of(f"Zoe\u0301{number}")
