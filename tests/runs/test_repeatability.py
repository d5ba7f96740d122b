"""Models whose outputs depend on more than the edit: a note says so."""

import pytest
import torch

import fesbench
from fesbench.core.contracts import Failure, Generator, GeneratorCard, Synthesizer
from fesbench.datasets.loading import ImageLoader
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.reports.run.main_tables import main_tables, reading_notes
from fesbench.runs.models import Cell
from fesbench.runs.plan import make_plan
from fesbench.runs.repeatability import asked_again
from fesbench.runs.spec import RunSpec

RANDOM = """
import torch
from fesbench import Generator, GeneratorCard


class Random(Generator):
    card = GeneratorCard("random", "Random")

    def synthesize(self, images, source, target):
        return torch.rand_like(images) * 2 - 1
"""


class Steady(Generator):
    card = GeneratorCard("steady", "Steady")

    def synthesize(self, images, source, target):
        return images * 0.5


class Dithered(Steady):
    def synthesize(self, images, source, target):
        return images * 0.5 + torch.rand_like(images) / 127.5


class OfBatch(Steady):
    def synthesize(self, images, source, target):
        return images - images.mean(0, keepdim=True)


class Refusing(Synthesizer):
    card = Steady.card

    def __init__(self, *answered):
        self.answered = iter(answered)

    def answer(self, edits):
        if not next(self.answered):
            return [Failure("not now") for _ in edits]
        return [edit.source.load() for edit in edits]


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral="abcd", happy="abcd")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Steady(), ""),
        (Dithered(), ""),
        (OfBatch(), "asked for an edit alone, it gives another output"),
        (Refusing(True, False, True), "asked again for the same edits, it gives other outputs (by up to 255"),
        (Refusing(True, True, False), "asked for an edit alone, it gives another output (by up to 255"),
        (Refusing(False, False, False), ""),
    ],
)
def test_what_outputs_depend_on_is_found(faces, model, expected):
    (plan,) = make_plan(RunSpec(models=("copy",), data=(str(faces),), resolution=32)).datasets
    answering = model if isinstance(model, Synthesizer) else GeneratorSynthesizer(model, ("happy",), 32)
    found = asked_again(Cell(plan, answering, "transfer"), plan.edits[:3], ImageLoader(0))
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_a_note_stands_under_the_table_and_in_the_terminal(faces, tmp_path):
    (tmp_path / "models.py").write_text(RANDOM)
    models = ["copy", f"{tmp_path}/models.py:Random"]
    fesbench.evaluate(models, faces, "fidelity", "embedded", resolution=32, out=tmp_path / "run")
    results = fesbench.load_run(tmp_path / "run").results
    assert results.record.varying.keys() == {"random"}  # the suite's own models are not asked
    (told,) = [note.text for note in main_tables(results)[0].notes if " varies: " in note.text]
    assert told.startswith("Random varies: asked again for the same edits, it gives other outputs")
    assert told in list(reading_notes(results.datasets[0]))
