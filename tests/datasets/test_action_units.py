"""Action units: the table agrees with the rendered faces, OpenFace's files are read, others are refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.action_units import (
    COLUMNS,
    STRONGEST,
    expression_units,
    prototypes,
    prototypes_from_openface,
    read_measurements,
    read_openface,
    read_prototypes,
    write_prototypes,
)
from fesbench.datasets.registry import load_dataset
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


FULL = ", ".join(("face", "confidence", "success", *COLUMNS))


def measured_row(value, face=0, confidence="0.98", success="1"):
    """One line of OpenFace with the same intensity of all units."""
    return ", ".join([str(face), confidence, success, *[f"{value:.2f}"] * len(COLUMNS)])


def write(file, *rows, header=FULL):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([header, *rows]) + "\n")


def first_unit(units):
    return {name: round(float(STRONGEST * values[0]), 3) for name, values in units.items()}


def test_failed_rows_are_left_out_and_counted_and_the_surest_face_is_taken(tmp_path):
    write(tmp_path / "failed.csv", measured_row(0, success="0"))
    write(tmp_path / "unsure.csv", measured_row(9, confidence="0.3"))
    write(tmp_path / "unread.csv", measured_row(1, confidence=""))
    write(tmp_path / "nobody.csv")
    faces = [("0.80", 1), ("0.97", 2), ("0.90", 3), ("0.97", 4)]
    write(tmp_path / "crowd.csv", *[measured_row(v, n, c) for n, (c, v) in enumerate(faces)])
    found = read_measurements(tmp_path)
    assert first_unit(found.units) == {"crowd": 2}
    reasons = {Path(problem.path.partition(":")[0]).stem: problem.reason for problem in found.left_out}
    assert reasons.keys() == {"failed", "unsure", "unread", "nobody"}
    assert "success" in reasons["failed"]
    assert "confidence 0.3" in reasons["unsure"]


def test_a_table_of_images_has_one_row_for_each(tmp_path):
    rows = [("a.png", 1, "0.8"), ("sub/b.JPG", 2, "0.9"), ("a.png", 3, "0.95"), ("a.png", 3, "0.95")]
    lines = [f"{name}, {measured_row(value, confidence=sure)}" for name, value, sure in rows]
    write(tmp_path / "all.csv", *lines, header=f"image, {FULL}")
    assert first_unit(read_openface(tmp_path / "all.csv")) == {"a": 3, "sub/b": 2}


def test_repeated_and_failed_rows_of_a_table_of_expressions_do_not_count(tmp_path):
    rows = [measured_row(1), measured_row(1), measured_row(2), measured_row(5, success="0")]
    write(tmp_path / "t.csv", *[f"Joy, {row}" for row in rows], header=f"expression, {FULL}")
    assert first_unit(read_prototypes(tmp_path / "t.csv")) == {"happy": 1.5}


@pytest.fixture
def photos(tmp_path):
    """Two people with two expressions, and OpenFace's files in folders like theirs."""
    for expression in ("neutral", "happy"):
        for person in ("001", "002"):
            path = tmp_path / "photos" / expression / f"{person}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (90, int(person), 80)).save(path)
            value = int(person) * (2 if expression == "happy" else 0)
            write(tmp_path / "aus" / expression / f"{person}.csv", measured_row(value))
    return tmp_path


def test_images_mean_what_their_data_set_says_of_them(photos):
    data = load_dataset(str(photos / "photos"), "all")
    found = expression_units(photos / "aus", [data])
    assert first_unit(found.units) == {"neutral": 0, "happy": 3}
    assert found.origin == "aus, means over 4 images"
    write(photos / "aus" / "happy" / "003.csv", measured_row(5, success="0"))
    assert "1 row left out" in expression_units(photos / "aus", [data]).origin
    for expression in ("neutral", "happy"):
        (photos / "aus" / expression / "001.csv").rename(photos / "aus" / expression / "other.csv")
        (photos / "aus" / expression / "002.csv").unlink()
    assert first_unit(expression_units(photos / "aus", [data]).units) == {"neutral": 0, "happy": 2}


def test_names_that_fit_two_images_or_none_are_refused(photos, tmp_path):
    data = load_dataset(str(photos / "photos"), "all")
    write(tmp_path / "flat" / "001.csv", measured_row(1))
    with pytest.raises(DatasetError, match=r"001 fit .* folders like those of the images"):
        expression_units(tmp_path / "flat", [data])
    write(tmp_path / "others" / "x.csv", measured_row(1))
    with pytest.raises(DatasetError, match="nothing says what the images"):
        expression_units(tmp_path / "others", [data])
