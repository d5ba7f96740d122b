"""Keeps what networks made of images on disk, so that no network looks at the same images twice.

A run that is repeated, a further model on the same sources and references, ``bench score`` on a folder that
was scored before: their features are read instead of computed. What is kept is the answer to a whole batch,
because a network may answer to an image with another last bit beside other images: so scores are the same to
the byte with and without this cache. For the same reason an answer is only found again by the same network,
code, packages, processor and number of threads.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.contracts import FeatureExtractor
from ..core.device import device_description
from ..core.errors import BenchError
from ..core.files import written_whole
from ..core.names import safe_name
from ..core.paths import cache_folder, feature_cache_limit

Array = NDArray[np.float32]

DIGEST_BYTES = 32
ROUNDS = 16
"""The folder is brought back under its limit each time that a process wrote this fraction of it."""

log = logging.getLogger(__name__)


class FeatureCache:
    """Features on disk, by content of a batch of images and identity of a network.

    Safe with any number of processes: files appear whole, and one that is damaged or gone is computed again.

    Args:
        folder: Where the files lie; several caches may share it.
        limit: Bytes that they may take up; what was not used for longest goes first.
        device: Where networks compute.
    """

    def __init__(self, folder: Path, limit: int, device: str) -> None:
        self.folder, self.limit, self.device = folder, limit, device
        self._writable, self._unchecked = True, limit

    def features(
        self, network: FeatureExtractor, images: NDArray[np.uint8], look: Callable[[], Array]
    ) -> Array:
        """What ``network`` makes of a batch.

        Args:
            network: One that nothing identifies, without a digest on its card or a file with its code, is
                asked each time.
            images: (N, H, W, 3), the whole batch.
            look: Asks the network.

        Returns:
            (N, d) float32, kept or computed.
        """
        identity = _identity(network, self.device)
        if not identity:
            return look()
        path = self.folder / f"{safe_name(network.card.name)}-{identity[:16]}" / _digest(images)
        known = _read(path, (len(images), network.card.dimension))
        if known is None:
            known = look()
            self._write(path, known)
        return known

    def _write(self, path: Path, features: Array) -> None:
        """Keep features; a full disk or a read-only folder costs time later, and no result."""
        if not self._writable:
            return
        body = np.ascontiguousarray(features, "<f4").tobytes()
        try:
            with written_whole(path) as temporary:
                temporary.write_bytes(hashlib.sha256(body).digest() + body)
        except (BenchError, OSError) as error:
            log.warning("features are not kept: %s", error)
            self._writable = False
        self._unchecked += len(body)
        if self._unchecked > self.limit / ROUNDS:
            self._unchecked = 0
            _trim(self.folder, self.limit)


def default_cache(device: str) -> FeatureCache | None:
    """The user's own cache, or None where ``FESBENCH_CACHE_GB`` is 0."""
    limit = feature_cache_limit()
    return FeatureCache(cache_folder() / "features", limit, device) if limit else None


def _digest(images: NDArray[np.uint8]) -> str:
    """sha256 of the shape and the pixels of a batch."""
    content = hashlib.sha256(repr(images.shape).encode())
    content.update(np.ascontiguousarray(images).data)
    return content.hexdigest()


def _identity(network: FeatureExtractor, device: str) -> str:
    """sha256 of all that decides the bits of a network's answer besides the images; empty if not known."""
    code = code_digest(type(network))
    if not network.card.digest or not code:
        return ""
    threads = torch.get_num_threads()
    parts = (network.card, type(network).__qualname__, code, _environment(device), threads)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def code_digest(network: type) -> str:
    """sha256 of the Python files beside the one that defines a class; empty where no file does."""
    try:
        folder = Path(inspect.getfile(network)).parent
    except (TypeError, OSError):
        return ""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _environment(device: str) -> tuple[object, ...]:
    """Versions of everything installed, and what computes."""
    installed = sorted({f"{package.name} {package.version}" for package in distributions()})
    precision = torch.get_float32_matmul_precision()
    capability = torch.backends.cpu.get_cpu_capability()
    return platform.python_version(), installed, device_description(device)["name"], capability, precision


def _read(path: Path, shape: tuple[int, int]) -> Array | None:
    """The features in a file; None where there is no file, or not the one that was written."""
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
    """Remove the files that were not used for longest until the rest is within the limit."""
    files = []
    for path in folder.glob("*/*"):
        with suppress(OSError):  # another process may have removed it
            state = path.stat()
            files.append((state.st_mtime, state.st_size, path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > limit:
            with suppress(OSError):
                path.unlink()
