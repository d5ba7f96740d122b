"""How a run uses a data set: who is tested, what models are fitted on, and what its record tells apart."""

import csv

import pytest
from PIL import Image

from fesbench.core.errors import SpecError
from fesbench.runs.identities import check_unchanged
from fesbench.runs.plan import dataset_records, make_plan
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore

STATED = {"train": 6, "val": 3, "test": 3}


def write_manifest(folder, random_faces, stated):
    """Photos of people whose split is stated, or of as many whose split is not."""
    people = [(f"p{number:02d}", split) for split, count in STATED.items() for number in range(count)]
    names = [f"{split}-{name}" for name, split in people]
    random_faces(folder, neutral=names, happy=names)
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "subject", "expression", *(["split"] if stated else [])])
        for expression in ("neutral", "happy"):
            for name in names:
                split = [name.partition("-")[0]] if stated else []
                table.writerow([f"{expression}/{name}.png", name, expression, *split])
    return folder


def planned(folder):
    plan = make_plan(RunSpec(models=("copy",), data=(str(folder),), resolution=32))
    return plan, plan.datasets[0]


def subjects(samples):
    return {sample.subject.partition("-")[0] for sample in samples}


def test_a_stated_split_is_kept_however_few_are_tested(tmp_path, random_faces):
    _, item = planned(write_manifest(tmp_path / "faces", random_faces, stated=True))
    assert (item.protocol, item.train.split) == ("split", "train")
    assert subjects(edit.source for edit in item.edits) == {"test"}
    assert subjects(item.train.samples()) == {"train"}


def test_few_people_without_a_stated_split_are_all_tested(tmp_path, random_faces):
    _, item = planned(write_manifest(tmp_path / "faces", random_faces, stated=False))
    assert item.protocol == "cross-fit"
    assert len(item.edits) == sum(STATED.values())


@pytest.mark.parametrize("split", ["train", "val"])
def test_changed_reference_images_are_noticed(tmp_path, random_faces, split):
    folder = write_manifest(tmp_path / "faces", random_faces, stated=True)
    plan, item = planned(folder)
    assert subjects(item.dataset.references()) == {"train", "val"}
    store = RunStore(tmp_path / "run")
    with store.writing():
        store.update_record(datasets=dataset_records(plan))
    check_unchanged(plan, store)
    Image.new("RGB", (32, 32), "red").save(folder / "happy" / f"{split}-p00.png")
    with pytest.raises(SpecError, match="of the data set faces is no longer what it was"):
        check_unchanged(planned(folder)[0], store)
