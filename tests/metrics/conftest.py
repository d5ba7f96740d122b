from collections.abc import Callable

import numpy as np
import pytest
import torch

from fesbench.contracts import Batch, Edit, Network, NetworkCard, Sample


class GivenFeatures(Network):
    """A network that stands in the card's place; its features are given with the batch."""

    def __init__(self, dimension=2, labels=()):
        self.card = NetworkCard("given", "test", "", "none", dimension, labels=tuple(labels))

    def features(self, images):
        return torch.zeros(len(images), self.card.dimension)


@pytest.fixture
def given() -> Callable[..., Network]:
    return GivenFeatures


def _edit(target, subject="s1", truth=True):
    def image():
        return np.zeros((4, 4, 3), np.uint8)

    source = Sample(f"{subject}-neutral", subject, "neutral", "studio", image)
    return Edit(
        source, target, Sample(f"{subject}-{target}", subject, target, "studio", image) if truth else None
    )


@pytest.fixture
def edit() -> Callable[..., Edit]:
    return _edit


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    """A batch of edits to the given targets, with features or pixels where given."""

    def make(targets, features=None, outputs=None, sources=None, truths=None, masks=None):
        count = len(targets)
        blank = np.zeros((count, 4, 4, 3), np.uint8)
        arrays = {role: np.asarray(values, np.float32) for role, values in (features or {}).items()}
        return Batch(
            [_edit(target, f"s{index}") for index, target in enumerate(targets)],
            blank if outputs is None else outputs,
            blank if sources is None else sources,
            [None] * count if truths is None else truths,
            [None] * count if masks is None else masks,
            {"given": arrays},
        )

    return make
