"""Tries a network out on one image of a given size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

LARGEST_COMPUTED = 256
"""Pixels up to which outputs are computed. For larger images only shapes are, which torch takes seconds to
get ready for."""


@torch.no_grad()
def try_out(network: nn.Module, size: int, *arguments: Tensor) -> Any:
    """Return what a network on the CPU makes of one grey image.

    Args:
        network: Called with the image, (1, 3, size, size), and ``arguments``.
        size: In pixels. Above ``LARGEST_COMPUTED`` the outputs are on the meta device.
        arguments: Further inputs, such as a condition.

    Raises:
        RuntimeError: the network does not take images of this size; or another error of PyTorch.
    """
    if size <= LARGEST_COMPUTED:
        return network(torch.zeros(1, 3, size, size), *arguments)
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: value.to("meta") for name, value in tensors.items()}
    inputs = torch.empty(1, 3, size, size, device="meta"), *(value.to("meta") for value in arguments)
    return functional_call(network, shapes, inputs)
