"""The devices of a training, by Lightning Fabric: a CPU, a GPU, or one for each process of ``torchrun``."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..core.errors import BenchError, SpecError


class SharedFailure(BenchError):
    """An error that all processes raise at the same point, so that all can skip a model and continue."""


def start_fabric(device: str) -> Fabric:
    """Start Fabric on ``device``; under ``torchrun``, join the other processes.

    Fabric's own precision stays at float32: the objective casts the generator's passes itself, and a gradient
    penalty needs float32 in both of its derivatives. A process that waits for another for 30 minutes,
    PyTorch's time limit for collective operations, fails.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto`` for the fastest available. Under
            ``torchrun`` without a number.

    Raises:
        SpecError: the device does not exist or cannot be used.
    """
    kind, number = _parsed(device)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    joined = is_joined()
    if joined and number is not None:
        raise SpecError(f"{device}: torchrun gives each process its own device; say {kind}")
    try:
        fabric = _joined(kind) if joined else Fabric(accelerator=kind, devices=_chosen(number))
    except (ValueError, RuntimeError) as error:
        raise SpecError(f"device {device} cannot be used here: {error}; take cpu") from error
    fabric.launch()
    return fabric


def is_leader() -> bool:
    """Return whether this process writes files and reports progress: the first, or the only one."""
    return not is_joined() or os.environ["RANK"] == "0"


def average_over_devices(fabric: Fabric, tensors: list[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in place."""
    if fabric.world_size > 1 and tensors:
        mean = fabric.all_reduce(parameters_to_vector(tensors), reduce_op="mean")
        assert isinstance(mean, Tensor)
        vector_to_parameters(mean, tensors)


@contextmanager
def fail_together(fabric: Fabric) -> Iterator[None]:
    """Raise an exception of one process in all processes.

    All processes have to execute the block, which must not contain a collective operation: they wait for each
    other at its end. A single process raises its exceptions unchanged.

    Raises:
        SharedFailure: an exception ended the block in one of several processes.
    """
    if fabric.world_size == 1:
        yield
        return
    failure, own = None, None
    try:
        yield
    except Exception as error:
        failure, own = error, _reason(error)
    reasons: list[str | None] = [None] * fabric.world_size
    torch.distributed.all_gather_object(reasons, own)
    for rank, reason in enumerate(reasons):
        if reason is not None:
            raise SharedFailure(f"process {rank}: {reason}") from failure


def _reason(error: Exception) -> str:
    """Return the message of an error, with its traceback unless it is one that users can mend."""
    if isinstance(error, BenchError):
        return str(error)
    return f"{type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}"


def is_joined() -> bool:
    """Return whether ``torchrun`` started this process."""
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
