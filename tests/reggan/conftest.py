"""Small training images: people whose happy face is a known local change of the neutral one."""

import pytest
import torch

from fesbench.generators.training_data import TrainingImages

SIZE = 16


@pytest.fixture
def pairs():
    """``pairs(people, change)``: neutral and ``change``d random faces, (2 people, 3, 16, 16) uint8."""

    def build(people=12, change=lambda neutral: 255 - neutral):
        random = torch.Generator().manual_seed(0)
        neutral = torch.randint(0, 256, (people, 3, SIZE, SIZE), dtype=torch.uint8, generator=random)
        subjects = torch.arange(people)
        return TrainingImages(
            torch.cat([neutral, change(neutral)]),
            torch.tensor([0] * people + [1] * people),
            torch.cat([subjects, subjects]),
            torch.cat([subjects, subjects]),
            torch.ones(2 * people, dtype=torch.bool),
            ("neutral", "happy"),
            (),
        )

    return build
