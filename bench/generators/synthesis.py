"""Lets a generator answer edits: sizes, value ranges and labels are translated here and nowhere else."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fesbench.datasets.images import resize

from ..core.contracts import SHARD, UNKNOWN_LABEL, Edit, Failure, Generator, Image, Inference, Synthesizer
from ..core.errors import BenchError, UnsupportedEdit
from .neural import NeuralGenerator

CPU_BATCH = 8


def batch_size(device: str) -> int:
    """Images that go through a generator together: on a CPU few, as many would not stay in its cache."""
    return CPU_BATCH if device == "cpu" else SHARD


def image_to_input(image: Image) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 127.5 - 1


def output_to_image(output: Tensor) -> Image:
    """(3, H, W) float in [-1, 1] to (H, W, 3) uint8, rounded to the nearest value."""
    levels = ((output.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def at_size(answers: Sequence[Image | Failure], size: int) -> list[Image | Failure]:
    """The answers with their images at ``size``; see ``resize``."""
    return [answer if isinstance(answer, Failure) else resize(answer, size) for answer in answers]


class GeneratorSynthesizer(Synthesizer):
    """A generator behind the harness.

    Args:
        generator: Any generator; sources reach it at its native resolution, or at ``resolution`` where it
            accepts any.
        expressions: The data set's expressions, which label the edits of a generator that names none.
        resolution: The run's resolution in pixels.
        batch: Images at a time, None for ``batch_size``; shorter batches are padded, so that results never
            depend on what else was in a batch.
        device: Where the generator computes.
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
        self.labels = generator.card.expressions or expressions
        self.size = generator.card.resolution or resolution
        self.batch, self.device = batch or batch_size(device), device

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """One image at the generator's resolution, or a failure, for each edit."""
        refusals = [self._refusal(edit) for edit in edits]
        accepted = [edit for edit, refusal in zip(edits, refusals, strict=True) if refusal is None]
        batches = [accepted[i : i + self.batch] for i in range(0, len(accepted), self.batch)]
        answers = (answer for batch in batches for answer in self._answer_batch(batch))
        return [refusal or next(answers) for refusal in refusals]

    def _refusal(self, edit: Edit) -> Failure | None:
        if edit.target not in self.labels:
            return Failure(f"{self.card.name} was not made for the target {edit.target!r}")
        if self.card.needs_source and edit.source.expression not in self.labels:
            return Failure(f"{self.card.name} needs to know the source expression")
        return None

    def _answer_batch(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        try:
            return self._synthesize(edits)
        except (KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            if len(edits) > 1:
                return [answer for edit in edits for answer in self._answer_batch([edit])]
            known = isinstance(error, UnsupportedEdit)
            return [Failure(str(error) if known else f"{type(error).__name__}: {error}")]

    def _synthesize(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        images = torch.stack([image_to_input(resize(edit.source.load(), self.size)) for edit in edits])
        source = torch.tensor([self._label(edit.source.expression) for edit in edits])
        target = torch.tensor([self._label(edit.target) for edit in edits])
        padding = self.batch - len(edits)
        with torch.inference_mode():
            outputs = self.generator.synthesize(
                torch.cat([images, images[:1].expand(padding, -1, -1, -1)]).to(self.device),
                torch.cat([source, source[:1].expand(padding)]).to(self.device),
                torch.cat([target, target[:1].expand(padding)]).to(self.device),
            )
        return [self._image(output) for output in outputs[: len(edits)]]

    def _label(self, expression: str | None) -> int:
        return self.labels.index(expression) if expression in self.labels else UNKNOWN_LABEL

    def _image(self, output: Tensor) -> Image | Failure:
        if output.ndim != 3 or output.shape[0] != 3:
            return Failure(f"{self.card.name} returned the shape {tuple(output.shape)}, not (3, H, W)")
        if not torch.isfinite(output).all():
            return Failure(f"{self.card.name} returned values that are not finite")
        return output_to_image(output)


def set_inference(generator: NeuralGenerator, inference: Inference) -> None:
    """Change how ``generator.network`` computes, in place; it still takes and gives float32.

    Args:
        generator: On the device where it will run.
        inference: ``compiled`` needs a C++ compiler on a CPU, Triton on a GPU.

    Raises:
        BenchError: nothing can be compiled here.
    """
    if inference == "compiled":
        _check_compiler()
        generator.network.compile()
    elif inference == "bfloat16":
        _use_bfloat16(generator.network)


def _check_compiler() -> None:
    """Compile something small, whatever torch warns of while it does.

    Raises:
        BenchError: nothing can be compiled here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
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
