from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.contracts import Edit, Sample
from fesbench.core.errors import DatasetError
from fesbench.core.names import file_name
from fesbench.datasets.edits import safe_edits


def blank() -> np.ndarray:
    return np.zeros((4, 4, 3), np.uint8)


def edit(identifier: str, target: str = "happy") -> Edit:
    return Edit(Sample(identifier, identifier, "neutral", "studio", blank), target)


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.lists(anything, min_size=1, max_size=8, unique=True), anything)
def test_files_of_any_ids_stay_in_their_folder_and_apart(identifiers, target):
    names = [file_name(item.id) for item in safe_edits([edit(name, target) for name in identifiers])]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        path = PurePosixPath(f"{name}.png")
        assert path.parts == (f"{name}.png",)
        assert len(f"{name}.png".encode()) <= 255
        assert not set(name) & set('/\\:*?"<>|\0 ')


@pytest.mark.parametrize(
    "identifier", ["../../../escaped", "/etc/passwd", "a/../..", "x" * 400, "NUL", "..", ""]
)
def test_a_hostile_id_becomes_a_plain_one(identifier):
    (safe,) = safe_edits([edit(identifier)])
    assert file_name(safe.id) == safe.id
    assert safe.source.subject == identifier


def test_ids_that_differ_by_case_are_told_apart():
    first, second = safe_edits([edit("Anna"), edit("anna")])
    assert first.id == "Anna--happy"
    assert second.id.startswith("anna-")
    assert second.id.casefold() != first.id.casefold()


def test_ordinary_ids_are_left_alone_and_long_targets_fit():
    ordinary = [edit("happy-001"), edit("AF01.1_b", "happily-surprised")]
    assert safe_edits(ordinary) == ordinary
    assert len(file_name(edit("a" * 120, "t" * 300).id)) <= 200


def test_source_and_truth_are_renamed_alike():
    source, truth = edit("a b").source, Sample("a c", "a b", "happy", "studio", blank)
    first, second = safe_edits([Edit(source, "happy", truth), Edit(truth, "sad")])
    assert first.truth.id == second.source.id != "a c"


def test_two_samples_of_one_id_are_named():
    other = edit("a", "sad")
    other = replace(other, source=replace(other.source, subject="somebody else"))
    with pytest.raises(DatasetError, match=r"share the id 'a'.*somebody else"):
        safe_edits([edit("a"), other])
    with pytest.raises(DatasetError, match="a--Happy"):
        safe_edits([edit("a"), edit("a", "Happy")])
