"""Loading of images in worker processes, before they are needed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

import numpy as np

from fesbench.core.contracts import Edit, Failure, Image, Mask, Sample
from fesbench.core.errors import ImageError

from .workers import picklable, worker_pool

LoadedImage = tuple[Image, Mask | None] | Failure
Pending = Callable[[], LoadedImage]

AHEAD = 64
"""The most images that wait in memory."""

log = logging.getLogger(__name__)


def load_sample(load: Callable[[], Image], load_mask: Callable[[], Mask] | None) -> LoadedImage:
    """Load the image and the mask of a sample, or return why they are unusable, whatever ``load`` raises."""
    try:
        image, mask = load(), load_mask() if load_mask else None
    except ImageError as error:
        return Failure(str(error))
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        return Failure(f"its image cannot be loaded: {type(error).__name__}: {error}")
    if not is_image(image):
        return Failure(f"its image is {described(image)}, not (H, W, 3) uint8")
    if mask is not None and not _is_mask(mask, image):
        return Failure(f"its mask is {described(mask)}, not {image.shape[:2]} bool")
    return np.array(image), None if mask is None else np.array(mask)  # code of others may use its own again


def is_image(value: object) -> bool:
    """Return whether a value is an array (H, W, 3) uint8 with at least one pixel."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        return False
    return value.ndim == 3 and value.shape[2] == 3 and value.size > 0


def _is_mask(value: object, image: Image) -> bool:
    return isinstance(value, np.ndarray) and value.shape == image.shape[:2] and value.dtype == np.bool_


def described(value: object) -> str:
    """Describe a value that is not an image: its shape and dtype, or its type."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    return type(value).__name__


class ImageLoader:
    """A pool of processes that load samples.

    Samples load in this process where there are no workers, if they cannot be pickled, or once a worker died.
    """

    def __init__(self, workers: int) -> None:
        self._pool = worker_pool(workers) if workers else None

    @property
    def parallel(self) -> bool:
        """Whether samples are loaded in other processes."""
        return self._pool is not None

    def submit(self, sample: Sample) -> Pending:
        """Start to load a sample; return a function that waits for the image."""
        task = partial(load_sample, sample.load, sample.load_mask)
        if self._pool is None or not picklable(task):
            return task
        try:
            return partial(self._result, self._pool.submit(task), task)
        except BrokenExecutor:
            return partial(self._without_pool, task)

    def _result(self, future: Future[LoadedImage], task: Pending) -> LoadedImage:
        try:
            return future.result()
        except BrokenExecutor:
            return self._without_pool(task)

    def _without_pool(self, task: Pending) -> LoadedImage:
        if self._pool is not None:
            log.warning("a worker died; images are loaded without workers from here on")
            self._pool = None
        return task()

    def load(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, LoadedImage]]:
        """Yield each sample with its image, in order; at most ``AHEAD`` images are loaded ahead."""
        waiting: deque[tuple[Sample, Pending]] = deque()
        for sample in samples:
            waiting.append((sample, self.submit(sample)))
            if len(waiting) > AHEAD:
                first, pending = waiting.popleft()
                yield first, pending()
        for first, pending in waiting:
            yield first, pending()

    def close(self) -> None:
        """Stop the workers; images that are being loaded are dropped."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)


def in_memory(sample: Sample, loaded: LoadedImage) -> Sample:
    """Return the sample with its image in memory, or with a ``load`` that raises ``ImageError``.

    Each call of ``load`` returns a copy, so that nobody who changes it changes it for others.
    """
    if isinstance(loaded, Failure):
        return replace(sample, load=partial(_refuse, loaded.reason), load_mask=None)
    image, mask = loaded
    return replace(
        sample, load=partial(np.array, image), load_mask=None if mask is None else partial(np.array, mask)
    )


def _refuse(reason: str) -> NoReturn:
    raise ImageError(reason)


@dataclass(frozen=True)
class LoadedEdits:
    """Edits whose images are in memory; ``failures[i]`` tells why the source of edit i is unusable."""

    edits: Sequence[Edit]
    failures: dict[int, Failure]


def load_ahead(
    shards: Iterable[Sequence[Edit]], loader: ImageLoader, ahead: int = 2
) -> Iterator[LoadedEdits]:
    """Yield the shards in order; the next ``ahead`` are loaded while one is worked on."""
    waiting: deque[tuple[Sequence[Edit], dict[str, Pending]]] = deque()
    for shard in shards:
        waiting.append((shard, _submit(shard, loader)))
        if len(waiting) > ahead:
            yield _collect(*waiting.popleft())
    while waiting:
        yield _collect(*waiting.popleft())


def _submit(shard: Sequence[Edit], loader: ImageLoader) -> dict[str, Pending]:
    samples = {sample.id: sample for edit in shard for sample in (edit.source, edit.truth) if sample}
    return {name: loader.submit(sample) for name, sample in samples.items()}


def _collect(shard: Sequence[Edit], futures: dict[str, Pending]) -> LoadedEdits:
    loaded = {name: pending() for name, pending in futures.items()}
    failures = {i: loaded[edit.source.id] for i, edit in enumerate(shard)}
    return LoadedEdits(
        [_edit_in_memory(edit, loaded) for edit in shard],
        {i: failure for i, failure in failures.items() if isinstance(failure, Failure)},
    )


def _edit_in_memory(edit: Edit, loaded: dict[str, LoadedImage]) -> Edit:
    source = in_memory(edit.source, loaded[edit.source.id])
    truth = in_memory(edit.truth, loaded[edit.truth.id]) if edit.truth else None
    return replace(edit, source=source, truth=truth)
