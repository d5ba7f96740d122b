"""Closed-form generators: one local linear map for each target expression, fitted on paired photos."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fesbench.core.contracts import ClosedForm, Dataset, GeneratorCard, Sample
from fesbench.core.errors import BenchError, CheckpointError, DatasetError, UnsupportedEdit

from .regression import Channels, LocalRidge, apply_windows

BATCH_BYTES = 64 * 2**20
"""Size of the float64 sources and targets in a batch of the fit."""
CACHE_BYTES = 256 * 2**20
"""Size of the cache of 8-bit images during a fit."""


class PairedRegression(ClosedForm):
    """Base class of the closed-form generators, which differ in the value range of their linear map.

    Args:
        receptive_field: Side of the window in pixels, odd.
        alpha: Ridge penalty, positive, not scaled by the number of images.
        channels: See ``LocalRidge``.
        residual: See ``LocalRidge``.
        resolution: Side of the square images in pixels; None takes that of the first training pair.
    """

    card: GeneratorCard

    def __init__(
        self,
        receptive_field: int,
        alpha: float,
        channels: Channels,
        residual: bool,
        resolution: int | None = None,
    ) -> None:
        LocalRidge(receptive_field, alpha, channels, residual)
        self.receptive_field, self.alpha = receptive_field, alpha
        self.channels: Channels = channels
        self.residual, self.resolution = residual, resolution
        self._device = "cpu"
        self._weights: Tensor | None = None

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Return the inputs of the linear map for (N, 3, R, R) images in [-1, 1]."""

    @abstractmethod
    def decode(self, predicted: Tensor, images: Tensor) -> Tensor:
        """Return images in [-1, 1] for the (N, 3, R, R) values predicted from ``images``."""

    def fit(self, train: Dataset, val: Dataset | None, seed: int) -> None:
        """Fit every expression in ``train.pairs()``.

        Deterministic; ``val`` and ``seed`` are not used. Images of another size are resized (bilinear,
        antialiased). Each image is loaded once, if those that are needed again fit into ``CACHE_BYTES``.

        Raises:
            DatasetError: there are no pairs.
        """
        pairs = train.pairs()
        if not pairs:
            raise DatasetError(f"{train.name} ({train.split}) has no pairs of neutral and other expressions")
        size = self.resolution or min(pairs[0][0].load().shape[:2])
        expressions = [name for name in train.expressions if any(y.expression == name for _, y in pairs)]
        images = _ImageReader(size)
        weights: dict[str, Tensor] = {}
        for names, rows in jointly_solvable(pairs, expressions):
            weights |= zip(names, self._solve(rows, images), strict=True)
        self._weights = torch.stack([weights[name] for name in expressions])
        subjects = len({source.subject for source, _ in pairs})
        self._describe(expressions, f"{train.name} {train.split}, {subjects} subjects")

    def _solve(self, rows: Sequence[Sequence[Sample]], images: _ImageReader) -> Tensor:
        """The weights (K, p, C, R, R) from rows of a source and its K targets."""
        ridge = LocalRidge(self.receptive_field, self.alpha, self.channels, self.residual)
        batch = max(1, BATCH_BYTES // (8 * 3 * images.size**2 * len(rows[0])))
        for start in range(0, len(rows), batch):
            block = images.read(rows[start : start + batch]).to(self._device)
            values = self.encode(block.flatten(0, 1)).reshape(block.shape)
            ridge.partial_fit(values[:, 0], values[:, 1:])
        return ridge.coef_.float().movedim(-1, 1).contiguous()

    def _describe(self, expressions: Sequence[str], trained_on: str) -> None:
        assert self._weights is not None
        self.card = replace(
            self.card,
            expressions=tuple(expressions),
            trained_on=trained_on,
            resolution=self._weights.shape[-1],
            parameters=self._weights.numel(),
        )

    def synthesize(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Map each image by the weights of its target expression; ``source`` is not used.

        Raises:
            UnsupportedEdit: a target is not among ``card.expressions``.
            BenchError: the model is not fitted, or the images are not of ``card.resolution``.
        """
        weights = self._fitted()
        if images.shape[1:] != weights.shape[-3:]:
            raise BenchError(f"images must be (N, {tuple(weights.shape[-3:])}), not {tuple(images.shape)}")
        outputs = torch.empty_like(images)
        for label in torch.unique(target).tolist():
            if not 0 <= label < len(weights):
                raise UnsupportedEdit(f"{self.card.name} knows targets 0 to {len(weights) - 1}, not {label}")
            chosen = target == label
            inputs = images[chosen]
            values = apply_windows(self.encode(inputs), weights[label], self.channels, self.residual)
            outputs[chosen] = self.decode(values, inputs)
        return outputs

    def to(self, device: str) -> PairedRegression:
        """Move the weights to a device, where later fits compute too."""
        self._device = device
        if self._weights is not None:
            self._weights = self._weights.to(device)
        return self

    def state(self) -> Mapping[str, NDArray[np.generic]]:
        """Return ``weights``, (expressions, features, 3, R, R) float32, and ``about``, a part of the card."""
        about = json.dumps([self.card.expressions, self.card.trained_on])
        return {
            "weights": self._fitted().cpu().numpy(),
            "about": np.frombuffer(about.encode(), dtype=np.uint8),
        }

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Restore the arrays of an earlier ``state()``.

        Raises:
            CheckpointError: the arrays are not those of this model with these settings.
        """
        try:
            weights = torch.from_numpy(np.array(state["weights"], dtype=np.float32))
            expressions, trained_on = parsed(state["about"].tobytes())
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"not a state of {self.card.name}: {error!r}; fit it again") from error
        planes = 3 if self.channels == "all" else 1
        expected = (len(expressions), planes * self.receptive_field**2 + 1, 3, *weights.shape[-1:] * 2)
        if weights.shape != expected:
            raise CheckpointError(
                f"{self.card.name} with these settings needs weights of {expected}, "
                f"not {tuple(weights.shape)}; fit it again"
            )
        self._weights = weights.to(self._device)
        self._describe(expressions, trained_on)

    def _fitted(self) -> Tensor:
        if self._weights is None:
            raise BenchError(f"{self.card.name} is not fitted: call fit or load_state first")
        return self._weights


class _ImageReader:
    """Loads samples at one size, in [-1, 1], and caches recent ones."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._recent = lru_cache(CACHE_BYTES // (3 * size**2))(self._load)

    def read(self, rows: Sequence[Sequence[Sample]]) -> Tensor:
        """(N, K, 3, size, size) float64."""
        images = torch.stack([torch.stack([self._recent(sample) for sample in row]) for row in rows])
        return images.double() / 127.5 - 1

    def _load(self, sample: Sample) -> Tensor:
        pixels = torch.tensor(sample.load()).permute(2, 0, 1)
        if pixels.shape[1:] == (self.size, self.size):
            return pixels
        resized = torch.nn.functional.interpolate(
            pixels[None].float(), (self.size, self.size), mode="bilinear", antialias=True
        )
        return resized[0].round().byte()


def parsed(about: bytes) -> tuple[list[str], str]:
    """Return expressions and training data from ``about`` of a state.

    Raises:
        ValueError: it holds something else.
        TypeError: likewise.
    """
    expressions, trained_on = json.loads(about)
    if not all(isinstance(text, str) for text in (*expressions, trained_on)):
        raise ValueError("names that are not text")
    return list(expressions), trained_on


def jointly_solvable(
    pairs: Sequence[tuple[Sample, Sample]], expressions: Sequence[str]
) -> list[tuple[list[str], list[list[Sample]]]]:
    """Return groups of expressions that exist for the same sources, with rows of each source and its targets.

    A group shares one Gram matrix. In a complete data set all expressions are one group.
    """
    by_name: dict[str, dict[str, tuple[Sample, Sample]]] = {name: {} for name in expressions}
    for source, target in pairs:
        if target.expression in by_name:
            by_name[target.expression][source.id] = (source, target)
    groups: dict[frozenset[str], list[str]] = {}
    for name, found in by_name.items():
        groups.setdefault(frozenset(found), []).append(name)
    return [
        (
            names,
            [
                [source, *(by_name[name][id][1] for name in names)]
                for id, (source, _) in by_name[names[0]].items()
            ],
        )
        for names in groups.values()
    ]
