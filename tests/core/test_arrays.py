"""Archives of arrays that promise more than they hold, or unfold without end."""

import io
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from fesbench.core.arrays import read_arrays


def archive(**members):
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as file:
        for name, member in members.items():
            file.writestr(f"{name}.npy", member)
    return content


def header(shape, dtype="<f4"):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": dtype, "fortran_order": False, "shape": shape})
    return content.getvalue()


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(3)), np.array("name"), np.empty((0, 4))]
)
def test_arrays_come_back_as_they_were(array):
    content = io.BytesIO()
    np.savez(content, a=array, b=np.ones(2))
    found = read_arrays(content, 10**4)
    assert found["a"].dtype == array.dtype
    np.testing.assert_array_equal(found["a"], array)
    assert list(read_arrays(content, 10**4, ["b", "c"])) == ["b"]


@pytest.mark.parametrize("shape", [(2**45,), (2**30, 2**30, 2**30), (3,), (0,), (-2,)])
def test_an_array_that_declares_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="declares"):
        read_arrays(archive(a=header(shape) + bytes(8)), 10**4)


def test_arrays_that_unfold_to_more_are_refused_unless_they_are_not_asked_for():
    content = archive(big=header((10**7,)) + bytes(4 * 10**7), small=header((2,)) + bytes(8))
    with pytest.raises(ValueError, match="unfolds"):
        read_arrays(content, 10**6)
    assert list(read_arrays(content, 10**6, ["small"])) == ["small"]


def test_pickled_objects_are_refused():
    content = io.BytesIO()
    np.savez(content, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="declares"):
        read_arrays(content, 10**4)
