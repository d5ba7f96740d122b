"""Faces as arrays."""

import numpy as np
import torch

from fesbench.training.networks.rendered_faces import FIELDS, Faces


def faces(count=6):
    numbers = np.arange(count)
    images = np.full((count, 3, 4, 4), 255, np.uint8) * (numbers[:, None, None, None] % 2).astype(np.uint8)
    return Faces(images, numbers // 2, numbers // 4, numbers % 2)


def test_what_was_saved_is_opened_again(tmp_path):
    whole = faces()
    whole.save(tmp_path / "faces")
    opened = Faces.open(tmp_path / "faces")
    assert len(opened) == 6
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(opened, name), getattr(whole, name))


def test_rows_are_chosen_by_condition_or_number():
    whole = faces()
    assert whole.where(whole.expression == 1).subject.tolist() == [0, 1, 2]
    assert whole.where(np.array([5, 0])).subject.tolist() == [2, 0]


def test_a_batch_is_in_the_range_of_0_to_1():
    batch = faces().batch([0, 1])
    assert batch.dtype == torch.float32
    assert batch.amax((1, 2, 3)).tolist() == [0.0, 1.0]
