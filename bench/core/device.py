"""Torch devices."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from .errors import BenchError


def device_description(device: str) -> dict[str, str | int]:
    """Return the name of a torch device and the number of threads in use."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    return {"device": device, "name": name, "threads": torch.get_num_threads()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def check_device(device: str) -> None:
    """Check that PyTorch can compute on a device.

    Raises:
        BenchError: it cannot.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BenchError(
            f"the device {device!r} cannot be used: {reason}; --device cpu always can"
        ) from error
