"""Action units: the table agrees with the rendered faces, OpenFace's files are read, others are refused."""

import pickle

import numpy as np
import pytest

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.action_units import (
    COLUMNS,
    prototypes,
    prototypes_from_openface,
    read_openface,
    read_prototypes,
    write_prototypes,
)
from fesbench.datasets.rendered import RenderedDataset, action_units_of
from fesbench.generators.training_data import load_images

HEADER = ", ".join(("face", "confidence", *COLUMNS, *(f"{name[:-2]}_c" for name in COLUMNS)))


def openface_row(value, face=0):
    """One line as OpenFace writes it; the intensity of unit i is ``value + i / 10``."""
    intensities = [f"{value + i / 10:.2f}" for i in range(len(COLUMNS))]
    return ", ".join([str(face), "0.980", *intensities, *["1.00"] * len(COLUMNS)])


@pytest.fixture
def folder(tmp_path):
    files = {"a": [openface_row(0)], "b": [openface_row(2), openface_row(3, face=1)], "nobody": []}
    for name, rows in files.items():
        (tmp_path / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (tmp_path / "a_of_details.txt").write_text("not read")
    return tmp_path


def test_prototypes_are_what_people_show_on_average():
    for expression, units in prototypes().items():
        shown = np.mean([action_units_of(seed, expression).vector() for seed in range(1500)], axis=0)
        np.testing.assert_allclose(shown, units, atol=0.025)


def test_openface_folders_give_the_first_face_of_each_image(folder):
    measured = read_openface(folder)
    assert measured.keys() == {"a", "b"}
    np.testing.assert_allclose(measured["b"], (2 + np.arange(17) / 10) / 5, rtol=1e-6)


def test_one_table_for_all_images_gives_the_same(folder, tmp_path):
    table = tmp_path / "all.csv"
    rows = [f"{name}, {openface_row(value)}" for name, value in (("a", 0), ("b", 2))]
    expected = read_openface(folder)
    table.write_text("\n".join([f"image, {HEADER}", *rows]))
    measured = read_openface(table)
    assert measured.keys() == expected.keys()
    assert all(np.array_equal(measured[name], expected[name]) for name in expected)


def test_prototypes_of_a_training_set_are_its_means(folder):
    found = prototypes_from_openface(folder, {"a": "Happiness", "b": "happy", "elsewhere": "sad"})
    assert found.keys() == {"happy"}
    np.testing.assert_allclose(found["happy"], (1 + np.arange(17) / 10) / 5, rtol=1e-6)


def test_labels_that_fit_no_image_are_refused(folder):
    with pytest.raises(DatasetError, match=r"no image .* has a label; its images are a, b"):
        prototypes_from_openface(folder, {"a.png": "happy"})


def test_a_written_table_is_read_back(tmp_path):
    file = tmp_path / "table.csv"
    write_prototypes(prototypes(), file)
    found = read_prototypes(file)
    assert tuple(found) == tuple(prototypes())
    for expression, units in prototypes().items():
        np.testing.assert_allclose(found[expression], units, atol=1.01e-4)


def test_a_pickle_is_not_opened(tmp_path):
    class Harmless:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    file = tmp_path / "aus_openface.pkl"
    file.write_bytes(pickle.dumps({"a": Harmless()}))
    for read in (read_openface, read_prototypes):
        with pytest.raises(DatasetError, match="a pickle could run code"):
            read(file)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("bad", ["5.2", "-0.1", "nan", "inf", "strong", ""])
def test_impossible_intensities_are_refused(folder, bad):
    text = (folder / "a.csv").read_text()
    (folder / "a.csv").write_text(text.replace(" 0.00", f" {bad}", 1))
    with pytest.raises(DatasetError, match=r"a\.csv:2: au01_r is .*not a number from 0 to 5"):
        read_openface(folder)


def test_tables_that_do_not_fit_are_refused(tmp_path):
    file = tmp_path / "table.csv"
    for text, message in [
        ("expression,AU01_r\nhappy,1\n", "lacks the column au02_r"),
        (",".join(("expression", *COLUMNS)), "has no row"),
        (f"expression,{HEADER}\nhappy,0,1,1,1\n", "not a number from 0 to 5"),
    ]:
        file.write_text(text)
        with pytest.raises(DatasetError, match=message):
            read_prototypes(file)
    file.write_text(f"expression, {HEADER}\ngleeful, {openface_row(0)}\n")
    with pytest.raises(UnknownName, match="gleeful"):
        read_prototypes(file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"holds no \.csv file"):
        read_openface(tmp_path / "empty")


def test_training_images_bring_the_units_that_their_data_set_knows():
    dataset = RenderedDataset("train", subjects=2, size=64)
    data = load_images(dataset, 64)
    assert data.action_units.shape == (14, 17)
    happy = dataset.samples()[9]
    np.testing.assert_array_equal(data.action_units[9], dataset.action_units(happy.id))
