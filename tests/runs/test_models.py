import numpy as np
import pytest

from fesbench.core.contracts import Edit, Failure, GeneratorCard, Sample, Synthesizer
from fesbench.core.errors import BenchError
from fesbench.datasets.loading import in_memory
from fesbench.generators.synthesis import Guarded
from fesbench.runs.models import load_models
from fesbench.runs.spec import RunSpec


def image() -> np.ndarray:
    return np.zeros((4, 4, 3), np.uint8)


EDITS = [Edit(Sample(name, name, "neutral", "studio", image), "happy") for name in "abc"]


class Theirs(Synthesizer):
    card = GeneratorCard(name="theirs", title="Theirs")

    def __init__(self, reply) -> None:
        self.reply = reply

    def answer(self, edits):
        return self.reply(edits)


def raising(edits):
    if any(edit.source.id == "b" for edit in edits):
        raise LookupError("no b")
    return [image() for _ in edits]


def test_one_edit_that_raises_fails_alone():
    first, second, third = Guarded(Theirs(raising)).answer(EDITS)
    assert second == Failure("LookupError: no b")
    assert first.shape == third.shape == (4, 4, 3)


def test_a_model_that_changes_its_inputs_changes_them_for_no_other():
    edits = [Edit(in_memory(edit.source, (image(), None)), "happy") for edit in EDITS]
    buffer = image()

    def reply(given):
        for edit in given:
            edit.source.load()[:] = 255
        buffer[:] += 1
        answers = [buffer] * len(given)
        given.clear()
        return answers

    first, *_ = Guarded(Theirs(reply)).answer(edits[:1])
    Guarded(Theirs(reply)).answer(edits)
    assert len(edits) == 3
    assert (edits[0].source.load() == 0).all()
    assert (first == 1).all()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda edits: [None] * len(edits), "NoneType"),
        (lambda edits: [np.zeros((4, 4), np.uint8)] * len(edits), r"(4, 4) uint8"),
        (lambda edits: [image()] * 5, "5 answers"),
        (lambda edits: None, "TypeError"),
    ],
)
def test_a_wrong_answer_is_a_failure_that_says_what_came(wrong, reason):
    answers = Guarded(Theirs(wrong)).answer(EDITS)
    assert len(answers) == 3
    assert all(reason in answer.reason for answer in answers)


NO_CARD = """
from fesbench.core.contracts import Generator

class GAN(Generator):
    card = {card}

    def synthesize(self, images, source, target):
        return images
"""


def test_a_model_without_a_usable_card_stops_no_other(tmp_path):
    (tmp_path / "bare.py").write_text(NO_CARD.format(card="'a text'"))
    bare = f"{tmp_path / 'bare.py'}:GAN"
    loaded = load_models(RunSpec(models=(bare, "copy")), "cpu")
    assert "GeneratorCard" in loaded.unavailable[bare]
    assert list(loaded.models) == ["copy"]


def test_names_that_differ_only_by_case_would_share_a_folder(tmp_path):
    card = "__import__('fesbench').GeneratorCard(name='Copy', title='x')"
    (tmp_path / "twin.py").write_text(NO_CARD.format(card=card))
    with pytest.raises(BenchError, match="two models are called"):
        load_models(RunSpec(models=("copy", f"{tmp_path / 'twin.py'}:GAN")), "cpu")
