"""Writes checkpoints, in the suite's format or as the official code of a model loads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..core.errors import CheckpointError
from ..core.files import file_digest, write_text, written_whole
from ..weights.tensors import CARD_FORMAT, is_statistic, write_tensors

if TYPE_CHECKING:
    from .neural import NeuralGenerator


def save_checkpoint(
    generator: NeuralGenerator, path: Path, training: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write a checkpoint of the suite and its card (``.json``), together: see ``write_tensors``.

    Args:
        generator: The model.
        path: Of the weights; must end in ``.safetensors``. The card is written beside it.
        training: Record of the training, kept in the card file.
        half: Store float16, half the size, for shipping; loading gives float32 again. Running statistics keep
            their type, as they may exceed the range of float16; so do tensors of other types than float32.

    Raises:
        CheckpointError: ``path`` ends otherwise.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(f"a checkpoint of the suite is named NAME.safetensors, not {path.name}")
    state = generator.network.state_dict()
    halved = {
        name
        for name, value in state.items()
        if half and value.dtype == torch.float32 and not is_statistic(name)
    }
    tensors = {name: value.half() if name in halved else value for name, value in state.items()}
    generator.write_beside(path)
    write_tensors(path, tensors, _record(generator, training))


def save_official(generator: NeuralGenerator, path: Path, training: Mapping[str, Any] | None = None) -> None:
    """Write the file that the official code of a model loads, and its card (``.json``), each atomically.

    The file is ``torch.save`` of a state_dict, which states neither the labels nor the image size; the card
    does.

    Args:
        generator: The model; see its ``official_state`` and ``official_wrapper``.
        path: Where to write; official files end in ``.ckpt``, ``.pth`` or ``.pth.tar``.
        training: Record of the training, kept in the card file.

    Raises:
        CheckpointError: a ``.safetensors`` file name, which would promise another format.
    """
    if path.suffix == ".safetensors":
        raise CheckpointError(
            f"the official code saves pickles: name the file .ckpt or .pth, not {path.name}"
        )
    state, wrapper = generator.official_state(), generator.official_wrapper
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        torch.save(state if wrapper is None else {wrapper: state}, file)
    generator.write_beside(path)
    record = {"sha256": file_digest(path), **_record(generator, training)}
    write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")


def _record(generator: NeuralGenerator, training: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"format": CARD_FORMAT, "card": asdict(generator.card), "training": dict(training or {})}
