"""The data set ``ood-real``."""

from fesbench.datasets.expressions import BASIC
from fesbench.datasets.portraits.dataset import FOLDER, PortraitsDataset
from fesbench.datasets.registry import load_dataset


def test_every_picture_is_listed_usable_and_asked_for_unless_it_smiles():
    dataset = load_dataset("ood-real", "test")
    assert not dataset.problems
    assert len(dataset.samples()) == len(list(FOLDER.glob("*.jpg"))) == 27
    assert dataset.domains == ("avatar", "composite", "painting", "photo")
    assert {sample.load().shape for sample in dataset.samples()} == {(256, 256, 3)}
    sources = {edit.source.id for edit in dataset.edits()}
    assert {sample.id for sample in dataset.samples()} - sources == {"photo_astronaut"}
    assert len(dataset.edits()) == 26 * (len(BASIC) - 1)


def test_photos_of_one_person_are_one_subject():
    subjects = {sample.id: sample.subject for sample in PortraitsDataset().samples()}
    assert {subjects[name] for name in subjects if name.startswith(("photo_lisa", "photo_zoom"))} == {
        "debruine"
    }


def test_nothing_can_be_trained_on_them():
    assert not PortraitsDataset("train").samples()
    assert not PortraitsDataset("all").pairs()


def test_licences_name_every_group_of_pictures():
    text = (FOLDER / "LICENCES.md").read_text(encoding="utf-8")
    groups = {sample.domain for sample in PortraitsDataset().samples()}
    assert all(f"`{group}_" in text for group in groups)
    assert all(licence in text for licence in ("MIT License", "CC BY 4.0", "CC0", "public domain"))


def test_data_sets_have_a_length_and_are_indexed():
    dataset = PortraitsDataset()
    assert len(dataset) == 27
    assert [sample.id for sample in dataset] == [sample.id for sample in dataset.samples()]
    assert dataset[0] is dataset.samples()[0]
    assert PortraitsDataset("train") is not None
    assert bool(PortraitsDataset("train"))
