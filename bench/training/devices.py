"""Where training runs: Lightning Fabric on a CPU, a GPU, or one device for each process of ``torchrun``."""

from __future__ import annotations

import logging
import os
import re

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..core.errors import SpecError


def start_fabric(device: str) -> Fabric:
    """Fabric on ``device``; where ``torchrun`` started this process, joined with the others.

    Fabric's own precision is left at float32: only the generator's passes may have less, and those are cast
    by the objective, while a gradient penalty needs float32 through both of its derivatives.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto`` for the best there is. Under ``torchrun``
            without a number.

    Raises:
        SpecError: no such device here.
    """
    kind, number = _parsed(device)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    joined = _is_joined()
    if joined and number is not None:
        raise SpecError(f"{device}: torchrun gives each process its own device; say {kind}")
    try:
        fabric = _joined(kind) if joined else Fabric(accelerator=kind, devices=_chosen(number))
    except (ValueError, RuntimeError) as error:
        raise SpecError(f"device {device} cannot be used here: {error}; take cpu") from error
    fabric.launch()
    return fabric


def is_leader() -> bool:
    """Whether this process is the one that writes and talks; also true where it is the only one."""
    return not _is_joined() or os.environ["RANK"] == "0"


def average_over_devices(fabric: Fabric, tensors: list[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in place; nothing to do for a single one."""
    if fabric.world_size > 1 and tensors:
        mean = fabric.all_reduce(parameters_to_vector(tensors), reduce_op="mean")
        assert isinstance(mean, Tensor)
        vector_to_parameters(mean, tensors)


def _is_joined() -> bool:
    """Whether ``torchrun`` started this process."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def _parsed(device: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(cpu|cuda|mps|auto)(?::(\d+))?", device)
    if match is None or (device.startswith(("cpu:", "auto:"))):
        raise SpecError(f"{device!r} is no device to train on; take cpu, cuda, cuda:1, mps or auto")
    return match[1], int(match[2]) if match[2] else None


def _chosen(number: int | None) -> int | list[int]:
    return 1 if number is None else [number]


def _joined(kind: str) -> Fabric:
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    nodes = int(os.environ["WORLD_SIZE"]) // here
    return Fabric(accelerator=kind, devices=here, num_nodes=nodes, strategy="ddp")
