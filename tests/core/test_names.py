from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.names import safe_name, sample_ids

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

part = st.text(min_size=1, max_size=120).filter(lambda text: "/" not in text)
paths = st.lists(st.lists(part, min_size=1, max_size=3).map("/".join), max_size=12)


@given(paths)
def test_ids_are_safe_and_unique_on_any_file_system(names):
    ids = sample_ids(names)
    assert ids.keys() == set(names)
    assert len({name.casefold() for name in ids.values()}) == len(ids)
    for name in ids.values():
        assert SAFE.fullmatch(name)
        assert not RESERVED.fullmatch(name)
        assert len(name) <= 80


@given(paths, part)
def test_plain_ids_do_not_depend_on_the_other_images(names, more):
    tidy = {f"happy/{i:03}.jpg": f"happy-{i:03}" for i in range(5)}
    assert tidy.items() <= sample_ids([*tidy, *names, "zz/" + more]).items()


@pytest.mark.parametrize(
    ("path", "name"),
    [("happy/001.jpg", "happy-001"), ("AF01HAS.JPG", "AF01HAS"), ("a/b/c_1.5.png", "a-b-c_1.5")],
)
def test_ordinary_names_stay_readable(path, name):
    assert sample_ids([path])[path] == name


def test_names_that_collide_are_told_apart():
    ids = sample_ids(
        ["a/x.jpg", "a/x.png", "a/X.jpg", "a-x.jpg", "é.png", "è.png", "con.png", "." * 3 + ".png"]
    )
    assert len({name.casefold() for name in ids.values()}) == 8
    assert ids["con.png"].startswith("_con-")


def test_composed_and_decomposed_accents_are_one_name():
    assert safe_name("\u00e9") == safe_name("e\u0301")


def test_a_name_that_looks_like_a_made_up_id_does_not_share_it():
    taken = sample_ids(["p-1.png", "p/1.png"])["p/1.png"]
    ids = sample_ids(["p-1.png", "p/1.png", f"{taken}.png"])
    assert len({name.casefold() for name in ids.values()}) == 3
