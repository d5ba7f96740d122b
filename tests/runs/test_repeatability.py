"""Models whose outputs depend on more than the edit: a note says so."""

import pytest

import fesbench
from fesbench.reports.run.main_tables import main_tables, reading_notes

MODELS = """
import torch
from fesbench import Generator, GeneratorCard


class Steady(Generator):
    card = GeneratorCard("steady", "Steady")

    def synthesize(self, images, source, target):
        return images * 0.5


class Random(Generator):
    card = GeneratorCard("random", "Random")

    def synthesize(self, images, source, target):
        return torch.rand_like(images) * 2 - 1


class OfBatch(Generator):
    card = GeneratorCard("of-batch", "Of its batch")

    def synthesize(self, images, source, target):
        return images - images.mean(0, keepdim=True)
"""
NAMES = {"steady": "Steady", "random": "Random", "of-batch": "OfBatch"}


@pytest.fixture(scope="module")
def results(tmp_path_factory, random_faces):
    folder = tmp_path_factory.mktemp("varying")
    (folder / "models.py").write_text(MODELS)
    models = [f"{folder}/models.py:{name}" for name in NAMES.values()]
    faces = random_faces(folder / "faces", neutral="abcd", happy="abcd")
    fesbench.evaluate(["copy", *models], faces, "fidelity", "embedded", resolution=32, out=folder / "run")
    return fesbench.load_run(folder / "run").results


def test_what_outputs_depend_on_is_recorded(results):
    found = {name: datasets["faces"] for name, datasets in results.record.varying.items()}
    assert found.keys() == {*NAMES}  # the suite's own models are not asked
    assert found["steady"] == ""
    assert "asked again for the same edits" in found["random"]
    assert "asked for an edit alone" in found["of-batch"]


def test_a_note_stands_under_the_table_and_in_the_terminal(results):
    notes = [*main_tables(results)[0].notes]
    told = [note for note in notes if " varies: " in note]
    assert [note.split(" varies")[0] for note in told] == ["Random", "Of its batch"]
    assert [note for note in reading_notes(results.datasets[0]) if " varies: " in note] == told
