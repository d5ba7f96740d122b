"""A cache of features on disk, so that no network processes the same images twice.

A repeated run, a further model on the same sources and references, and ``bench score`` on a folder that was
scored before read their features instead of computing them. An entry holds the features of a whole batch,
because the last bit of an image's features may depend on the other images of its batch; so scores are equal
to the byte with and without the cache. For the same reason, an entry is only used with the same network,
code, packages, processor and number of threads.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.code import code_digest
from ..core.contracts import FeatureExtractor
from ..core.device import device_description
from ..core.errors import BenchError
from ..core.files import TEMPORARY, written_whole
from ..core.names import safe_name
from ..core.paths import cache_folder, feature_cache_limit
from ..metrics.isolation.metric import IsolatedExtractor

Array = NDArray[np.float32]

DIGEST_BYTES = 32
ROUNDS = 16
"""The folder is trimmed to its limit whenever a process has written this fraction of it."""

log = logging.getLogger(__name__)


class FeatureCache:
    """Features on disk, by the content of a batch of images and the identity of a network.

    Any number of processes may share it: files appear whole, and damaged or missing ones are computed again.

    Args:
        folder: The folder of the files; several caches may share it.
        limit: Bytes that the files may take up; the least recently used ones are removed first.
        device: The torch device that networks compute on.
    """

    def __init__(self, folder: Path, limit: int, device: str) -> None:
        self.folder, self.limit, self.device = folder, limit, device
        self._writable, self._unchecked = True, limit

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
        path = self.folder / f"{safe_name(network.card.name)}-{identity[:16]}" / _digest(images)
        features = _read(path, (len(images), network.card.dimension))
        if features is None:
            features = compute()
            self._write(path, features)
        return features

    def _write(self, path: Path, features: Array) -> None:
        """Write an entry; on a full disk or a read-only folder, go on without the cache."""
        if not self._writable:
            return
        body = np.ascontiguousarray(features, "<f4").tobytes()
        try:
            with written_whole(path) as temporary:
                temporary.write_bytes(hashlib.sha256(body).digest() + body)
        except (BenchError, OSError) as error:
            log.warning("features are not cached: %s", error)
            self._writable = False
        self._unchecked += len(body)
        if self._unchecked > self.limit / ROUNDS:
            self._unchecked = 0
            _trim(self.folder, self.limit)


def default_cache(device: str) -> FeatureCache | None:
    """Return the cache of the user, or None where ``FESBENCH_CACHE_GB`` is 0."""
    limit = feature_cache_limit()
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


def _read(path: Path, shape: tuple[int, int]) -> Array | None:
    """Return the features in a file; None where it is missing or damaged."""
    size = DIGEST_BYTES + 4 * shape[0] * shape[1]
    try:
        with path.open("rb") as file:
            content = file.read(size + 1)
    except OSError:
        return None
    digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if len(content) != size or hashlib.sha256(body).digest() != digest:
        return None
    with suppress(OSError):
        os.utime(path)
    return np.frombuffer(body, "<f4").astype(np.float32).reshape(shape)


def _trim(folder: Path, limit: int) -> None:
    """Remove the least recently used files until the rest is within the limit.

    Half-written files belong to a process that is about to rename them.
    """
    files = []
    for path in folder.glob("*/*"):
        if path.name.startswith(TEMPORARY):
            continue
        with suppress(OSError):  # another process may have removed it
            state = path.stat()
            files.append((state.st_mtime, state.st_size, path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > limit:
            with suppress(OSError):
                path.unlink()
