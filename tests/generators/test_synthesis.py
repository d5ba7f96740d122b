from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.contracts import UNKNOWN_LABEL, Edit, Failure, Generator, GeneratorCard, Sample
from fesbench.datasets.images import resize
from fesbench.generators.synthesis import GeneratorSynthesizer, at_size, image_to_input, output_to_image

LABELS = ("neutral", "happy", "sad")


def give(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def edit(value: int, target: str = "happy", expression: str | None = "neutral") -> Edit:
    return Edit(Sample(str(value), str(value), expression, "studio", partial(give, value)), target)


class Probe(Generator):
    """Remembers what it was given and returns its input."""

    def __init__(self, **card) -> None:
        self.card = GeneratorCard(name="probe", title="Probe", **card)
        self.seen: list[tuple[torch.Size, list[int], list[int]]] = []

    def synthesize(self, images, source, target):
        self.seen.append((images.shape, source.tolist(), target.tolist()))
        return images.clone()


def answer(generator: Generator, edits, batch=4):
    return GeneratorSynthesizer(generator, LABELS, resolution=8, batch=batch).answer(edits)


@given(st.integers(0, 255))
def test_every_level_survives_the_way_in_and_out(level):
    image = np.full((2, 3, 3), level, np.uint8)
    assert (output_to_image(image_to_input(image)) == image).all()


def test_outputs_beyond_the_range_are_clamped():
    assert output_to_image(torch.full((3, 1, 1), 7.0)).max() == 255


@pytest.mark.parametrize("batch", [1, 4, 5, 32])
def test_answers_do_not_depend_on_the_batch(batch):
    answers = answer(Probe(), [edit(value) for value in range(9)], batch)
    assert [image[0, 0, 0] for image in answers] == list(range(9))


def test_every_batch_has_one_size():
    probe = Probe()
    answer(probe, [edit(value) for value in range(6)])
    assert [shape[0] for shape, _, _ in probe.seen] == [4, 4]


def test_labels_follow_the_generators_own_order():
    probe = Probe(expressions=("sad", "happy"))
    answer(probe, [edit(0, "sad", "happy"), edit(1, "happy", None)])
    assert probe.seen[0][1][:2] == [1, UNKNOWN_LABEL]
    assert probe.seen[0][2][:2] == [0, 1]


def test_unsupported_edits_are_refused_one_by_one():
    probe = Probe(expressions=("neutral", "happy"), needs_source=True)
    answers = answer(probe, [edit(0), edit(1, "sad"), edit(2, "happy", None)])
    assert isinstance(answers[0], np.ndarray)
    assert "'sad'" in answers[1].reason
    assert "source" in answers[2].reason


def test_sources_arrive_at_the_native_resolution():
    probe = Probe(resolution=16)
    assert answer(probe, [edit(3)])[0].shape == (16, 16, 3)
    assert probe.seen[0][0] == (4, 3, 16, 16)


def photo(size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (size, size, 3), dtype=np.uint8)


def framed(answer, upscale="change"):
    whole = Edit(Sample("a", "a", "neutral", "studio", photo), "happy")
    (image,) = at_size([whole], [answer], 8, upscale)
    return image


def test_a_smaller_output_without_a_change_is_the_photo_itself():
    assert np.array_equal(framed(resize(photo(), 4)), photo())


def test_a_smaller_output_carries_its_change_to_the_photo():
    brighter = resize(photo(), 4) + np.uint8(30)
    assert np.array_equal(framed(brighter), photo() + 30)
    assert framed(np.full((4, 4, 3), 255, np.uint8)).max() == 255


def test_whole_outputs_are_enlarged_on_request_and_larger_ones_reduced():
    small, large = np.full((4, 4, 3), 9, np.uint8), np.full((16, 16, 3), 9, np.uint8)
    assert (framed(small, "output") == 9).all()
    assert (framed(large) == 9).all()


class Fragile(Probe):
    def synthesize(self, images, source, target):
        if (images[:, 0, 0, 0] == images.new_tensor(5 / 127.5 - 1)).any():
            raise ValueError("five")
        return torch.where(images == images.new_tensor(6 / 127.5 - 1), torch.nan, images)


def test_one_failing_edit_fails_alone():
    answers = answer(Fragile(), [edit(value) for value in range(4, 9)])
    assert answers[1] == Failure("ValueError: five")
    assert "finite" in answers[2].reason
    assert [image[0, 0, 0] for i, image in enumerate(answers) if i not in (1, 2)] == [4, 7, 8]


class WrongShape(Probe):
    def synthesize(self, images, source, target):
        return images[:, :1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda images: (images + 1) * 127.5, "values up to"),
        (lambda images: (images + 1).to(torch.uint8), "torch.uint8"),
    ],
)
def test_outputs_of_another_range_or_type_are_refused_rather_than_clamped(change, reason):
    class Other(Generator):
        card = GeneratorCard("other", "Other")

        def synthesize(self, images, source, target):
            return change(images)

    edits = [Edit(Sample("a", "a", "neutral", "studio", lambda: np.full((8, 8, 3), 200, np.uint8)), "happy")]
    (answer,) = GeneratorSynthesizer(Other(), ("neutral", "happy"), 8).answer(edits)
    assert reason in answer.reason


def test_a_wrong_shape_is_named():
    assert "(1, 8, 8)" in answer(WrongShape(), [edit(0)])[0].reason
