"""A cache of features on disk, so that no network processes the same images twice.

A repeated run, a further model on the same sources and references, and ``bench score`` on a folder that was
scored before read their features instead of computing them. An entry holds the features of a whole batch,
because the last bit of an image's features may depend on the other images of its batch; so scores are equal
to the byte with and without the cache. For the same reason, an entry is only used with the same network,
code, packages, processor and number of threads.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.code import code_digest
from ..core.contracts import FeatureExtractor
from ..core.device import device_description
from ..core.file_cache import FileCache
from ..core.names import safe_name
from ..core.paths import cache_folder, cache_limit
from ..metrics.isolation.metric import IsolatedExtractor

Array = NDArray[np.float32]


class FeatureCache:
    """Features on disk, by the content of a batch of images and the identity of a network.

    Any number of processes may share it; damaged or missing features are computed again.

    Args:
        folder: The folder of the files; several caches may share it.
        limit: Bytes that the files may take up; the least recently used ones are removed first.
        device: The torch device that networks compute on.
    """

    def __init__(self, folder: Path, limit: int, device: str) -> None:
        self.files, self.device = FileCache(folder, limit), device

    def features(
        self, network: FeatureExtractor, images: NDArray[np.uint8], compute: Callable[[], Array]
    ) -> Array:
        """Return the features of a batch.

        Args:
            network: The network; without a digest on its card or a file with its code, nothing is cached.
            images: (N, H, W, 3) uint8, the whole batch.
            compute: Computes the features.

        Returns:
            (N, d) float32, read or computed.
        """
        identity = _identity(network, self.device)
        if not identity:
            return compute()
        shape = len(images), network.card.dimension
        group, name = f"{safe_name(network.card.name)}-{identity[:16]}", _digest(images)
        body = self.files.read(group, name, 4 * shape[0] * shape[1])
        if body is not None:
            return np.frombuffer(body, "<f4").astype(np.float32).reshape(shape)
        features = compute()
        self.files.write(group, name, np.ascontiguousarray(features, "<f4").tobytes())
        return features


def default_cache(device: str) -> FeatureCache | None:
    """Return the cache of the user, or None where ``FESBENCH_CACHE_GB`` is 0."""
    limit = cache_limit()
    return FeatureCache(cache_folder() / "features", limit, device) if limit else None


def _digest(images: NDArray[np.uint8]) -> str:
    """Return the sha256 of the shape and the pixels of a batch."""
    content = hashlib.sha256(repr(images.shape).encode())
    content.update(np.ascontiguousarray(images).data)
    return content.hexdigest()


def _identity(network: FeatureExtractor, device: str) -> str:
    """Return the sha256 of all that features depend on besides the images; empty where it is not known."""
    code = network.code if isinstance(network, IsolatedExtractor) else code_digest(type(network))
    if not network.card.digest or not code:
        return ""
    threads = torch.get_num_threads()
    parts = (network.card, type(network).__qualname__, code, _environment(device), threads)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _environment(device: str) -> tuple[object, ...]:
    """Return the names and versions of all installed packages, and the hardware."""
    installed = sorted({name for place in sys.path for name in _packages_in(place)})
    precision = torch.get_float32_matmul_precision()
    capability = torch.backends.cpu.get_cpu_capability()
    return platform.python_version(), installed, device_description(device)["name"], capability, precision


def _packages_in(folder: str) -> list[str]:
    """Return the names of the metadata of packages, which hold their versions: nothing is read."""
    try:
        return [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # a zip file, or nothing
        return []
