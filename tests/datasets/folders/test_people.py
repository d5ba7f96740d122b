"""Who is shown, read from the names of a whole folder."""

from __future__ import annotations

import shutil

import pytest

from fesbench.core.errors import DatasetError
from fesbench.datasets.folders.folder import FolderDataset, FolderSpec, folder_dataset
from fesbench.datasets.folders.people import Shot, read_people
from fesbench.datasets.splits import PARTS


def people(*paths: str) -> list[str]:
    shots = {path: Shot(*path.split("/", 1)) for path in paths}
    return list(read_people(shots).values())


def crossed(expressions: tuple[str, ...], names: tuple[str, ...], form: str) -> list[str]:
    return [form.format(e=e, n=n, i=i) for i, e in enumerate(expressions, 1) for n in names]


PAIR = ("neutral", "happy")
NAMES = ("anna", "ben", "cleo")


@pytest.mark.parametrize(
    "form",
    [
        "{e}/{n}",
        "{e}/{n}_{e}",
        "{e}/{e}-{n}",
        "{e}/{n}_0{i}",
        "{e}/0{i}_{n}",
        "{e}/IMG_{n}_{e}",
        "{e}/{n} ({e})/{i}",
    ],
)
def test_people_recur_across_expressions(form):
    found = people(*crossed(PAIR, NAMES, form))
    assert found[:3] == found[3:]
    assert len(set(found)) == 3
    assert all(name in person for name, person in zip(NAMES, found[:3], strict=True))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("neutral/S5_1_01", "happy/S5_2_02", "neutral/S6_1_03", "happy/S6_4_07"), ["S5", "S5", "S6", "S6"]),
        (("neutral/anna_3", "happy/anna_8", "neutral/ben_9", "happy/ben_4"), ["anna", "anna", "ben", "ben"]),
        (("neutral/7_anna", "happy/8_anna", "neutral/9_ben", "happy/4_ben"), ["anna", "anna", "ben", "ben"]),
        (("neutral/anna1", "happy/anna2", "neutral/ben3", "happy/ben4"), ["anna", "anna", "ben", "ben"]),
        (("neutral/a_b", "happy/a_b", "neutral/a_c", "happy/a_c"), ["a_b", "a_b", "a_c", "a_c"]),
        (("neutral/p_1", "happy/p_1", "neutral/p_2", "happy/p_2"), ["p_1", "p_1", "p_2", "p_2"]),
        (("neutral/Joy_neutral", "happy/Joy_happy", "happy/Mia_happy"), ["Joy", "Joy", "Mia"]),
        (
            ("neutral/joy_smith", "happy/joy_smith", "neutral/al_fay", "happy/al_fay"),
            ["joy_smith", "joy_smith", "al_fay", "al_fay"],
        ),
        (
            ("neutral/Happy_1", "happy/Happy_1", "neutral/Mia_2", "happy/Mia_2"),
            ["Happy_1"] * 2 + ["Mia_2"] * 2,
        ),
        (
            ("neutral/neutral_joy", "happy/happy_joy", "neutral/neutral_al", "happy/happy_al"),
            ["joy", "joy", "al", "al"],
        ),
        (
            ("neutral/anna_x_neutral", "happy/anna_x_smile", "neutral/bo_neutral", "happy/bo_smile"),
            ["anna_x", "anna_x", "bo", "bo"],
        ),
        (("neutral/anna", "happy/Anna", "neutral/ben", "happy/ben"), ["anna", "Anna", "ben", "ben"]),
        (("neutral/1", "neutral/2"), ["1", "2"]),
        (("neutral/1", "happy/1", "happy/2"), ["1", "1", "2"]),
    ],
)
def test_names_to_people(paths, expected):
    assert people(*paths) == expected


@pytest.mark.parametrize(
    "paths",
    [
        ("neutral/001", "happy/002"),
        (
            "neutral/train_001_aligned",
            "happy/train_002_aligned",
            "neutral/test_3_aligned",
            "happy/test_4_aligned",
        ),
        ("neutral/image0001", "happy/image0002"),
    ],
)
def test_folders_where_nobody_shows_two_expressions_are_refused(paths):
    with pytest.raises(DatasetError, match=r"nobody shows two.*\n  neutral/.* shows '(.|\n)*--pattern"):
        people(*paths)


def test_a_few_names_without_their_expression_change_nothing_for_the_others():
    paths = [f"{e}/{e}_{n}{k}_{i}" for i, e in enumerate(PAIR) for n in NAMES for k in "abcdefg"]
    found = people(*paths, "happy/cleo")
    assert set(found[:-1]) == {f"{n}{k}" for n in NAMES for k in "abcdefg"}


def test_many_images_of_one_name_are_not_of_one_person():
    paths = [f"{e}/{kind}_{i}" for i, e in enumerate(PAIR * 40) for kind in ("street", "studio")]
    with pytest.raises(DatasetError, match="nobody shows two"):
        people(*paths)


def test_numbered_photos_of_a_person_are_asked_about():
    with pytest.raises(DatasetError, match=r"two ways(.|\n)*neutral/anna_1 shows 'anna' or 'anna_1'"):
        people(*(f"{e}/{n}_{i}" for e in PAIR for n in ("anna", "ben") for i in (1, 2)))


def test_a_folder_of_london_names_has_pairs_and_shares_no_person(make_image, tmp_path):
    for number in range(1, 31):
        make_image(f"neutral/{number:03}_03.png")
        make_image(f"smiling/{number:03}_08.png")
    parts = [folder_dataset(tmp_path, part) for part in PARTS]
    shown = [{sample.subject for sample in part.samples()} for part in parts]
    assert sum(map(len, shown)) == len(set.union(*shown)) == 30
    assert sum(len(part.pairs()) for part in parts) == 30


def test_known_names_state_the_person_wherever_they_lie(make_image, tmp_path):
    for path in (
        "happy/S010_006_00000015.png",
        "happy/S010_006_00000016.png",
        "surprise/S010_002_00000014.png",
    ):
        make_image(path)
    assert {sample.subject for sample in folder_dataset(tmp_path, "all").samples()} == {"S010"}


def test_the_folder_is_named_when_names_do_not_say_who_is_shown(make_image, tmp_path):
    for path in ("neutral/1.png", "happy/2.png"):
        make_image(path)
    with pytest.raises(DatasetError, match=str(tmp_path)):
        folder_dataset(tmp_path)
    stated = FolderDataset(FolderSpec("set", tmp_path, pattern="{expression}/{subject}"), "all")
    assert [sample.subject for sample in stated.samples()] == ["2", "1"]


def notes_of(dataset: FolderDataset, part: str) -> list[str]:
    return [note for note in dataset.notes if part in note]


def test_a_person_is_one_whatever_the_case_of_the_name(make_image, tmp_path):
    for path in ("neutral/anna.png", "happy/Anna.png", "neutral/ben.png", "happy/ben.png"):
        make_image(path)
    dataset = folder_dataset(tmp_path, "all")
    assert [sample.subject for sample in dataset.samples()] == ["Anna", "ben", "Anna", "ben"]
    assert len(dataset.pairs()) == 2
    (note,) = notes_of(dataset, "letter case")
    assert "happy/Anna.png shows Anna, neutral/anna.png shows anna" in note


def test_subjects_of_manifests_are_one_whatever_their_case(make_image, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        make_image(name)
    rows = "path,subject,expression,split\na.png,s1,neutral,test\nb.png,S1,happy,{}\nc.png,s2,happy,\n"
    (tmp_path / "manifest.csv").write_text(rows.format(""))
    dataset = folder_dataset(tmp_path, "test")
    assert [sample.subject for sample in dataset.samples()][:2] == ["s1", "s1"]
    (tmp_path / "manifest.csv").write_text(rows.format("train"))
    with pytest.raises(DatasetError, match="'s1' is in test and in train"):
        folder_dataset(tmp_path)


def test_subjects_that_differ_in_zeros_are_noted(make_image, tmp_path):
    for path in ("neutral/s1.png", "happy/s01.png", "neutral/s10.png", "happy/s10.png"):
        make_image(path)
    dataset = folder_dataset(tmp_path, "all")
    assert {sample.subject for sample in dataset.samples()} == {"s1", "s01", "s10"}
    (note,) = notes_of(dataset, "zeros")
    assert "happy/s01.png shows s01, neutral/s1.png shows s1" in note


def test_one_file_under_two_subjects_is_noted(make_image, tmp_path):
    for path in ("neutral/anna.png", "happy/anna.png", "neutral/ben.png"):
        make_image(path)
    assert not notes_of(folder_dataset(tmp_path, "all"), "byte for byte")
    shutil.copy(tmp_path / "happy" / "anna.png", tmp_path / "happy" / "ben.png")
    (note,) = notes_of(folder_dataset(tmp_path, "all"), "byte for byte")
    assert note.startswith(
        "1 image byte for byte the same as one of another subject: happy/anna.png (anna) and"
    )
    shutil.copy(tmp_path / "happy" / "anna.png", tmp_path / "neutral" / "anna.png")
    shutil.copy(tmp_path / "neutral" / "ben.png", tmp_path / "happy" / "ben.png")
    assert not notes_of(folder_dataset(tmp_path, "all"), "byte for byte")
