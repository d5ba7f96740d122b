"""The architecture of a network, read from the names and shapes of the tensors in its file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..core.errors import BenchError, CheckpointError
from ..weights.tensors import load_exactly

MAX_LEVELS = 10
"""Levels of an encoder that are counted: more than any image can be halved."""

Shapes = Mapping[str, torch.Size]
"""Shape of each tensor by its name."""

Size = Callable[[Shapes], int | None]
"""Reads one number of an architecture from the shapes; None where they do not state it."""


def length(name: str, axis: int, offset: int = 0, default: int | None = None) -> Size:
    """Return a reader of the length of one axis of one tensor.

    Args:
        name: The tensor.
        axis: Index of the axis.
        offset: Added to the length.
        default: Result where there is no such axis or the sum is not positive.
    """

    def read(shapes: Shapes) -> int | None:
        shape = shapes.get(name, ())
        size = shape[axis] + offset if axis < len(shape) else 0
        return size if size > 0 else default

    return read


def count(pattern: str) -> Callable[[Shapes], int]:
    """Return a reader of the number of tensors whose whole name matches a regular expression."""
    return lambda shapes: sum(re.fullmatch(pattern, name) is not None for name in shapes)


def levels(shapes: Shapes, template: str) -> list[torch.Size]:
    """Return the shapes of the convolutions at consecutive levels.

    Args:
        shapes: Of all tensors.
        template: Name of a level's weights, with ``{}`` in the place of the level, which counts from 0.

    Returns:
        At most ``MAX_LEVELS`` shapes of four positive numbers, up to the first level without any.
    """
    found: list[torch.Size] = []
    for level in range(MAX_LEVELS):
        shape = shapes.get(template.format(level), torch.Size())
        if len(shape) != 4 or not all(shape):
            break
        found.append(shape)
    return found


def level_count(encoder: str) -> Size:
    """Return a reader of the number of an encoder's levels; see ``levels`` for the template of names."""
    return lambda shapes: len(levels(shapes, encoder))


def joined_channels(encoder: str, decoder: str) -> Size:
    """Return a reader of the channels that a decoder takes in in addition to the encoder's output.

    Args:
        encoder: Template of names; see ``levels``. Its convolutions have (outputs, inputs, …) weights.
        decoder: Likewise; its transposed convolutions have (inputs, outputs, …) weights.
    """

    def read(shapes: Shapes) -> int | None:
        down, up = levels(shapes, encoder), levels(shapes, decoder)
        if len(down) < 2 or not up or up[0][0] <= down[-1][0]:
            return None
        return up[0][0] - down[-1][0]

    return read


@dataclass(frozen=True)
class Architecture:
    """How to build the network that a state_dict belongs to.

    Attributes:
        network: Called with the number of classes and ``sizes`` by keyword.
        classes: Reads the length of the network's condition.
        official_classes: That length in the official model. It is built with the network's own defaults where
            any size cannot be read, so that the error lists what the file lacks.
        sizes: Reader of each further argument of ``network``.
        unused: Prefixes of tensors that official files hold and the network never uses; they are ignored.
    """

    network: Callable[..., nn.Module]
    classes: Size
    official_classes: int
    sizes: Mapping[str, Size] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def load(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        """Build the network and give it the tensors of ``state``.

        Returns:
            The network and the length of its condition.

        Raises:
            CheckpointError: no network has these sizes, or the tensors do not fit; see ``load_exactly``.
        """
        used = {name: value for name, value in state.items() if not name.startswith(self.unused)}
        classes, sizes = self._read({name: value.shape for name, value in used.items()})
        try:
            with torch.device("meta"):
                network = self.network(classes, **sizes)
        except BenchError as error:
            raise CheckpointError(
                f"the checkpoint belongs to no network that can be built: {error}"
            ) from error
        load_exactly(network, used)
        return network, classes

    def _read(self, shapes: Shapes) -> tuple[int, dict[str, int]]:
        classes = self.classes(shapes)
        sizes = {argument: size(shapes) for argument, size in self.sizes.items()}
        known = {argument: size for argument, size in sizes.items() if size is not None}
        if classes is None or len(known) < len(sizes):
            return self.official_classes, {}
        return classes, known
