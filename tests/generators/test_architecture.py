"""Sizes of a network are read from the shapes of its tensors."""

import pytest
import torch
from torch import nn

from fesbench.core.errors import BenchError, CheckpointError
from fesbench.generators.architecture import (
    MAX_LEVELS,
    Architecture,
    count,
    joined_channels,
    length,
    level_count,
    levels,
)


def shapes(**named):
    return {name.replace("_", "."): torch.Size(shape) for name, shape in named.items()}


@pytest.mark.parametrize(
    ("reader", "size"),
    [
        (length("a", 0), 4),
        (length("a", 1, offset=-3), 2),
        (length("a", 1, offset=-5), None),
        (length("a", 2), None),
        (length("none", 0), None),
        (length("none", 0, default=7), 7),
        (count(r"block\.\d"), 2),
        (count("block"), 0),
    ],
)
def test_readers_of_sizes(reader, size):
    assert reader(shapes(a=(4, 5), block_0=(1,), block_1=(1,), block_10=(1,))) == size


def test_levels_end_at_the_first_that_is_missing_empty_or_no_convolution():
    rows = shapes(level_0=(8, 3, 4, 4), level_1=(16, 8, 4, 4), level_3=(1, 1, 1, 1))
    assert levels(rows, "level.{}") == [(8, 3, 4, 4), (16, 8, 4, 4)]
    assert levels(rows | shapes(level_1=(16, 0, 4, 4)), "level.{}") == [(8, 3, 4, 4)]
    assert levels(rows | shapes(level_1=(16,)), "level.{}") == [(8, 3, 4, 4)]
    endless = {f"level.{level}": torch.Size((1, 1, 1, 1)) for level in range(100)}
    assert len(levels(endless, "level.{}")) == MAX_LEVELS


def test_the_condition_is_what_the_decoder_takes_in_in_addition_to_the_encoders_output():
    rows = shapes(down_0=(8, 3, 4, 4), down_1=(16, 8, 4, 4), up_0=(21, 8, 4, 4))
    read = joined_channels("down.{}", "up.{}")
    assert (read(rows), level_count("down.{}")(rows)) == (5, 2)
    assert read(rows | shapes(up_0=(16, 8, 4, 4))) is None
    assert read(shapes(down_0=(8, 3, 4, 4), up_0=(21, 8, 4, 4))) is None
    assert read(shapes(down_0=(8, 3, 4, 4), down_1=(16, 8, 4, 4))) is None


def two_layers(classes, width=3):
    if width > 100:
        raise BenchError("too wide")
    return nn.Sequential(nn.Linear(classes, width), nn.Linear(width, 1))


ARCHITECTURE = Architecture(
    two_layers,
    length("0.weight", 1),
    official_classes=2,
    sizes={"width": length("0.weight", 0)},
    unused=("dead.",),
)


def test_the_network_has_the_sizes_and_the_values_of_the_file():
    state = two_layers(5, 4).state_dict()
    network, classes = ARCHITECTURE.load(state | {"dead.weight": torch.zeros(9)})
    assert classes == 5
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in state.items())


def test_a_foreign_file_is_compared_with_the_official_network():
    with pytest.raises(CheckpointError) as caught:
        ARCHITECTURE.load({"0.weight": torch.zeros(()), "other": torch.zeros(1)})
    message = str(caught.value)
    assert "missing keys: 0.bias, 1.bias, 1.weight; unexpected keys: other" in message
    assert "0.weight is (), not (3, 2)" in message


def test_sizes_that_the_network_refuses_are_an_error_of_the_checkpoint():
    with pytest.raises(CheckpointError, match="too wide"):
        ARCHITECTURE.load({"0.weight": torch.zeros(101, 1)})
