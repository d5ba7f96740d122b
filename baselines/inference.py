"""How a generator's network computes when it synthesizes: as it is, compiled, or in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fesbench.contracts import Inference
from fesbench.errors import BenchError

from .neural import NeuralGenerator


def set_inference(generator: NeuralGenerator, inference: Inference) -> None:
    """Change how ``generator.network`` computes, in place; it still takes and gives float32.

    Args:
        generator: On the device where it will run.
        inference: ``compiled`` needs a C++ compiler on a CPU, Triton on a GPU.

    Raises:
        BenchError: nothing can be compiled here.
    """
    if inference == "compiled":
        _check_compiler()
        generator.network.compile()
    elif inference == "bfloat16":
        _use_bfloat16(generator.network)


def _check_compiler() -> None:
    try:
        torch.compile(torch.neg)(torch.zeros(1))
    except Exception as error:
        raise BenchError(f"torch.compile does not work here ({error}); take --inference float32") from error


def _use_bfloat16(network: nn.Module) -> None:
    float32, device = network.forward, next(network.parameters()).device.type

    def forward(images: Tensor, condition: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16):
            outputs: Tensor = float32(images, condition)
        return outputs.float()

    network.forward = forward
