"""Fitting of closed-form generators, with a cache of the results."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fesbench.datasets.images import DECODER, resize
from fesbench.datasets.loading import ImageLoader, in_memory
from fesbench.datasets.registration import landmarks_of

from ..core.code import code_digest
from ..core.contracts import ClosedForm, Dataset, Edit, Failure, GeneratorCard, Image, Sample, Synthesizer
from ..core.errors import BenchError
from ..core.files import written_whole
from ..core.names import safe_name
from ..core.paths import home

log = logging.getLogger(__name__)


class Preloaded(Dataset):
    """A training set whose pairs are in memory at one resolution; pairs of unusable images are left out.

    ``missing`` is the number of pairs that were left out. Landmarks, where a generator asks for them, are
    those of the images at their own size.
    """

    def __init__(self, dataset: Dataset, loader: ImageLoader, resolution: int) -> None:
        self.name, self.split, self.expressions = dataset.name, dataset.split, dataset.expressions
        pairs = dataset.pairs()
        distinct = {sample.id: sample for pair in pairs for sample in pair}
        self._digest = dataset.digest
        self._samples = {
            sample.id: replace(
                in_memory(sample, (resize(loaded[0], resolution), None)),
                load_landmarks=partial(landmarks_of, sample),
            )
            for sample, loaded in loader.load(distinct.values())
            if not isinstance(loaded, Failure)
        }
        self._pairs = [
            (self._samples[source.id], self._samples[target.id])
            for source, target in pairs
            if source.id in self._samples and target.id in self._samples
        ]
        self.missing = len(pairs) - len(self._pairs)

    @property
    def digest(self) -> str:
        """The digest of the data set that was loaded."""
        return self._digest

    def samples(self) -> Sequence[Sample]:
        """Return the samples of all usable pairs."""
        return list(self._samples.values())

    def pairs(self) -> Sequence[tuple[Sample, Sample]]:
        """Return the usable pairs."""
        return self._pairs


class PairLoader:
    """Loads the pairs of training sets at one resolution.

    The last training set is kept, so that models which are fitted on it in turn load it once.

    Args:
        loader: Loads the images.
        resolution: Side of the images in pixels.
    """

    def __init__(self, loader: ImageLoader, resolution: int) -> None:
        self.resolution = resolution
        self._loader = loader
        self._last: Preloaded | None = None

    def load(self, train: Dataset) -> Preloaded:
        """Return a training set in memory."""
        if self._last is None or self._last.digest != train.digest:
            self._last = None  # two large sets must not be in memory at once
            self._last = Preloaded(train, self._loader, self.resolution)
        return self._last


class Fit(NamedTuple):
    """A fitted generator, and the sha256 of what was fitted."""

    model: ClosedForm
    digest: str


def fit(make: Callable[[], ClosedForm], train: Dataset, seed: int, pairs: PairLoader) -> Fit:
    """Return a generator fitted on the pairs of a training set, from the cache where the fit is there.

    Raises:
        BenchError: the training set has no usable pairs.
    """
    model = make()
    path = _cache_path(model, train, seed, pairs.resolution)
    digest = _restore(model, path) if path is not None else None
    if digest is None:
        preloaded = pairs.load(train)
        if not preloaded.pairs():
            raise BenchError(f"{train.name} has no pairs to fit {model.card.name} on")
        model.fit(preloaded, None, seed)
        state = _contiguous(model.state())
        digest = _state_digest(state)
        if preloaded.missing:
            log.warning(
                "%s is fitted without %d of %d pairs of %s, whose images cannot be loaded; it is not cached",
                *(model.card.name, preloaded.missing, len(train.pairs()), train.name),
            )
        elif path is not None:
            _keep(state, digest, path)
    return Fit(model, digest)


def _keep(state: dict[str, np.ndarray], digest: str, path: Path) -> None:
    """Write a fit to the cache; on a full disk or in a read-only home, go on without it."""
    try:
        with written_whole(path) as temporary:
            save_file(state, temporary, {"sha256": digest})
    except (BenchError, SafetensorError, OSError) as error:
        log.warning("a fit is not cached: %s", error)


def _state_digest(state: Mapping[str, np.ndarray]) -> str:
    content = hashlib.sha256()
    for name in sorted(state):
        content.update(repr((name, state[name].dtype.str, state[name].shape)).encode())
        content.update(state[name].tobytes())
    return content.hexdigest()


def _cache_path(model: ClosedForm, train: Dataset, seed: int, resolution: int) -> Path | None:
    """Return where a fit is cached; None where its settings are not known to the last bit."""
    settings = _told(vars(model))
    if settings is None:
        return None
    made_by = _code_digests(type(model)), DECODER, settings, repr(model.card)
    key = repr((made_by, train.digest, seed, resolution))
    digest = hashlib.sha256(key.encode()).hexdigest()
    return home() / "cache" / "fitted" / f"{safe_name(model.card.name)}-{digest[:32]}.safetensors"


def _told(value: object) -> str | None:
    """Return a text that differs for different settings; None for values of unknown types."""
    if value is None or isinstance(value, bool | int | float | str | bytes | GeneratorCard):
        return repr(value)
    if isinstance(value, ClosedForm):
        inner = _told(vars(value))
        return inner and f"{type(value).__qualname__}({_code_digests(type(value))}, {inner})"
    if isinstance(value, torch.Tensor):
        return _told(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray) and value.dtype != object:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array({value.dtype.str}, {value.shape}, {content})"
    if isinstance(value, Mapping):
        parts = [(_told(key), _told(item)) for key, item in value.items()]
        return None if any(None in pair for pair in parts) else f"{type(value).__name__}{sorted(parts)}"
    if isinstance(value, list | tuple):
        items = [_told(item) for item in value]
        return None if None in items else f"{type(value).__name__}{items}"
    return None


def _code_digests(model: type) -> list[str]:
    """Return the digests of the code of a class and its bases: another solver gives another fit."""
    return [code_digest(base) for base in model.__mro__ if base not in (object, ABC)]


def _contiguous(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.array(array, order="C") for name, array in state.items()}


def _restore(model: ClosedForm, path: Path) -> str | None:
    """Load a fit from the cache and return its sha256; None where there is none that can be used."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            recorded = (file.metadata() or {}).get("sha256")
        digest = _state_digest(state)
        if digest != recorded:
            return None
        model.load_state(state)
    except (BenchError, SafetensorError, OSError, KeyError, ValueError):
        return None
    return digest


class CrossFitted(Synthesizer):
    """A synthesizer that answers the edits of each subject by the generator fitted without that subject.

    Args:
        members: For each fold, its subjects and the synthesizer fitted on all other subjects.
        data: The name of the data set.
    """

    def __init__(self, members: Sequence[tuple[frozenset[str], Synthesizer]], data: str) -> None:
        self._by_subject = {subject: member for subjects, member in members for subject in subjects}
        self.card: GeneratorCard = replace(
            members[0][1].card, trained_on=f"{data}, {len(members)} subject-disjoint folds"
        )

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return the answer to each edit by the member that was not fitted on its subject."""
        answers: dict[str, Image | Failure] = {}
        for member in dict.fromkeys(self._by_subject.values()):
            own = [edit for edit in edits if self._by_subject.get(edit.source.subject) is member]
            answers.update(zip((edit.id for edit in own), member.answer(own), strict=True))
        unknown = Failure("the subject belongs to no fold")
        return [answers.get(edit.id, unknown) for edit in edits]
