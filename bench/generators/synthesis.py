"""Answers of generators to edits: conversion of images and labels, batches, and isolation of failures."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fesbench.datasets.action_units import ExpressionUnits
from fesbench.datasets.expressions import known_name
from fesbench.datasets.images import resize
from fesbench.datasets.loading import described, is_image
from fesbench.datasets.registration import landmarks_of
from fesbench.datasets.registration.frame import COUNT

from ..core.contracts import (
    SHARD,
    UNKNOWN_LABEL,
    Edit,
    Failure,
    Generator,
    Image,
    Inference,
    LandmarkGenerator,
    Landmarks,
    Synthesizer,
    Upscale,
)
from ..core.errors import BenchError, LandmarkError, explain
from ..core.text import plain_text
from .cross_trained import CrossTrained
from .neural import NeuralGenerator

CPU_BATCH = 8

BEYOND = 8.0
"""Values beyond this are no pictures in [-1, 1] that overshoot: they have another range, such as 0..255."""

log = logging.getLogger(__name__)


def batch_size(device: str) -> int:
    """Return how many images go through a generator at once: few on a CPU, so that they fit its cache."""
    return CPU_BATCH if device == "cpu" else SHARD


def image_to_input(image: Image) -> Tensor:
    """Convert (H, W, 3) uint8 to (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 127.5 - 1


def output_to_image(output: Tensor) -> Image:
    """Convert (3, H, W) float in [-1, 1] to (H, W, 3) uint8, rounded to the nearest value."""
    levels = ((output.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def at_size(
    edits: Sequence[Edit], answers: Sequence[Image | Failure], size: int, upscale: Upscale = "change"
) -> list[Image | Failure]:
    """Return the answers at ``size`` pixels.

    Args:
        edits: What was asked for.
        answers: Images at the size of the generator, or failures.
        size: In pixels.
        upscale: What to make of smaller images: ``change`` carries what changed to the photo, see
            ``carry_change``; ``output`` resizes the image. Larger ones are always resized.
    """
    return [
        answer if isinstance(answer, Failure) else _resized(edit, answer, size, upscale)
        for edit, answer in zip(edits, answers, strict=True)
    ]


def _resized(edit: Edit, answer: Image, size: int, upscale: Upscale) -> Image:
    if upscale == "change" and min(answer.shape[:2]) < size:
        return carry_change(edit.source.load(), answer, size)
    return resize(answer, size)


def carry_change(photo: Image, answer: Image, size: int) -> Image:
    """Return the photo with the change that a smaller edit of it shows: (size, size, 3) uint8.

    The photo at ``size``, plus the difference between the edit and the photo at the size of the edit,
    enlarged (bicubic), clamped. Where nothing changed, the photo keeps all its detail.
    """
    side = min(answer.shape[:2])
    change = resize(answer, side).astype(np.float32) - resize(photo, side)
    rows = torch.from_numpy(change).permute(2, 0, 1)[None]
    enlarged = functional.interpolate(rows, (size, size), mode="bicubic")[0].permute(1, 2, 0).numpy()
    carried: Image = (resize(photo, size) + enlarged).round().clip(0, 255).astype(np.uint8)
    return carried


def answer_each(
    answer: Callable[[Sequence[Edit]], Sequence[Image | Failure]], edits: Sequence[Edit], name: str
) -> list[Image | Failure]:
    """Return an image or a failure for each edit, whatever ``answer`` raises or returns.

    Where it fails on several edits at once, it is called again for each of them, so that one bad edit costs
    no other its output.

    Args:
        answer: Code of a model, which may be anybody's.
        edits: The edits.
        name: The name of the model, for reasons.

    Raises:
        MemoryError: ``answer`` ran out of memory.
    """
    try:
        answers = list(answer(list(edits)))
        if len(answers) != len(edits):
            raise BenchError(f"{name} gave {len(answers)} answers to {len(edits)} edits")
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        if len(edits) == 1:
            log.warning("%s on %s", name, edits[0].id, exc_info=error)
            return [Failure(explain(error))]
        return [single for edit in edits for single in answer_each(answer, [edit], name)]
    return [_checked(single, name) for single in answers]


def _checked(answer: Image | Failure, name: str) -> Image | Failure:
    if isinstance(answer, Failure):
        return Failure(plain_text(str(answer.reason)))
    if is_image(answer):
        return np.array(answer)  # the model may fill the same array again
    return Failure(f"{name} answered with {described(answer)}, not with (H, W, 3) uint8")


class Guarded(Synthesizer):
    """A synthesizer of foreign code that gives each edit an image or a failure; see ``answer_each``."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self.synthesizer, self.card = synthesizer, synthesizer.card

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return the synthesizer's answers, and failures where it gives none."""
        return answer_each(self.synthesizer.answer, edits, self.card.name)


class GeneratorSynthesizer(Synthesizer):
    """A generator that answers edits: sources become tensors at its resolution, expressions labels.

    Args:
        generator: Any generator; sources reach it at its native resolution, or at ``resolution`` where it
            accepts any.
        expressions: The data set's expressions, which label the edits of a generator that names none. The
            names of one that does may have any spelling; see ``datasets.expressions``.
        resolution: The run's resolution in pixels.
        batch: The number of images in a batch, None for ``batch_size``. Shorter batches are padded, so that
            no result depends on the other images of its batch.
        device: The torch device that the generator computes on.
    """

    def __init__(
        self,
        generator: Generator,
        expressions: tuple[str, ...],
        resolution: int,
        batch: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.generator, self.card = generator, generator.card
        self.labels = tuple(map(known_name, generator.card.expressions)) or expressions
        self.size = generator.card.resolution or resolution
        self.batch, self.device = batch or batch_size(device), device

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return an image at the generator's resolution, or a failure, for each edit."""
        refusals = [self._refusal(edit) for edit in edits]
        accepted = [edit for edit, refusal in zip(edits, refusals, strict=True) if refusal is None]
        batches = [accepted[i : i + self.batch] for i in range(0, len(accepted), self.batch)]
        answered = (answer_each(self._synthesize, batch, self.card.name) for batch in batches)
        answers = chain.from_iterable(answered)
        return [refusal or next(answers) for refusal in refusals]

    def _refusal(self, edit: Edit) -> Failure | None:
        if edit.target not in self.labels:
            return Failure(f"{self.card.name} was not made for the target {edit.target!r}")
        if self.card.needs_source and edit.source.expression not in self.labels:
            return Failure(f"{self.card.name} needs to know the source expression")
        return None

    def _synthesize(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        images = [resize(edit.source.load(), self.size) for edit in edits]
        arguments = [
            torch.stack([image_to_input(image) for image in images]),
            torch.tensor([self._label(edit.source.expression) for edit in edits]),
            torch.tensor([self._label(edit.target) for edit in edits]),
        ]
        if isinstance(self.generator, LandmarkGenerator):
            located = [self._landmarks(edit) for edit in edits]
            arguments.append(torch.from_numpy(np.stack(located)))
        with torch.inference_mode():
            outputs = self.generator.synthesize(*map(self._padded, arguments))
        return [self._image(output) for output in outputs[: len(edits)]]

    def _padded(self, batch: Tensor) -> Tensor:
        """Return the batch at its full size on the device, filled with its first item."""
        filling = batch[:1].expand(self.batch - len(batch), *batch.shape[1:])
        return torch.cat([batch, filling]).to(self.device)

    def _landmarks(self, edit: Edit) -> Landmarks:
        """Return the landmarks of a source; NaN where they are not known and the generator can do without.

        Raises:
            LandmarkError: they are not known, and it cannot.
        """
        try:
            return landmarks_of(edit.source)
        except LandmarkError:
            if not (isinstance(self.generator, LandmarkGenerator) and self.generator.fallback):
                raise
            return np.full((COUNT, 2), np.nan, dtype=np.float32)

    def _label(self, expression: str | None) -> int:
        return self.labels.index(expression) if expression in self.labels else UNKNOWN_LABEL

    def _image(self, output: Tensor) -> Image | Failure:
        if output.ndim != 3 or output.shape[0] != 3:
            return Failure(f"{self.card.name} returned the shape {tuple(output.shape)}, not (3, H, W)")
        if not output.is_floating_point():
            return Failure(f"{self.card.name} returned {output.dtype}, not floats in [-1, 1]")
        if not torch.isfinite(output).all():
            return Failure(f"{self.card.name} returned values that are not finite")
        if output.abs().max() > BEYOND:
            return Failure(f"{self.card.name} returned values up to {output.max():g}, not in [-1, 1]")
        return output_to_image(output)


def driven(generator: Generator, units: ExpressionUnits | None) -> Generator:
    """Return a generator driven by action units of the user's, or itself where there are none.

    Raises:
        BenchError: it is not driven by action units.
    """
    if units is None:
        return generator
    if not isinstance(generator, NeuralGenerator):
        raise BenchError(f"{generator.card.name} is not driven by action units; leave them out")
    return generator.with_units(units.units, units.origin)


def set_inference_of(model: Generator | Synthesizer | CrossTrained, inference: Inference) -> None:
    """Change how the networks that a model is made of compute; see ``set_inference``."""
    parts = model.members.values() if isinstance(model, CrossTrained) else [model]
    for part in parts:
        if isinstance(part, NeuralGenerator):
            set_inference(part, inference)


def set_inference(generator: NeuralGenerator, inference: Inference) -> None:
    """Change how ``generator.network`` computes, in place; its inputs and outputs stay float32.

    Args:
        generator: On the device where it will run.
        inference: ``compiled`` needs a C++ compiler on a CPU, Triton on a GPU.

    Raises:
        BenchError: nothing can be compiled here.
    """
    if inference == "compiled":
        _check_compiler()
        with _torch_warnings_ignored():
            generator.network.compile()
    elif inference == "bfloat16":
        _use_bfloat16(generator.network)


@contextmanager
def _torch_warnings_ignored() -> Iterator[None]:
    """Ignore warnings about APIs that torch uses itself while it compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_compiler() -> None:
    """Compile something small.

    Raises:
        BenchError: nothing can be compiled here.
    """
    try:
        with _torch_warnings_ignored():
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
