"""Writes checkpoints, in the suite's format or as the official code of a model loads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from ..core.errors import CheckpointError
from ..core.files import file_digest, write_text, written_whole
from ..weights.tensors import CARD_FORMAT, is_statistic

if TYPE_CHECKING:
    from .neural import NeuralGenerator


def save_checkpoint(
    generator: NeuralGenerator, path: Path, training: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write a checkpoint of the suite and its card (``.json``), each atomically.

    Args:
        generator: The model.
        path: Of the weights; must end in ``.safetensors``. The card is written beside it.
        training: Record of the training, kept in the card file.
        half: Store float16, half the size, for shipping; loading gives float32 again. Running statistics keep
            their type, as they may exceed the range of float16.

    Raises:
        CheckpointError: ``path`` ends otherwise.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(f"a checkpoint of the suite is named NAME.safetensors, not {path.name}")
    state = {name: value.detach().cpu() for name, value in generator.network.state_dict().items()}
    halved = {name for name in state if half and not is_statistic(name)}
    with written_whole(path) as unfinished:
        save_file(
            {name: (value.half() if name in halved else value).contiguous() for name, value in state.items()},
            unfinished,
        )
    _write_card(generator, path, training or {})


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
    with written_whole(path) as unfinished:
        torch.save(state if wrapper is None else {wrapper: state}, unfinished)
    _write_card(generator, path, training or {})


def _write_card(generator: NeuralGenerator, path: Path, training: Mapping[str, Any]) -> None:
    record = {
        "format": CARD_FORMAT,
        "sha256": file_digest(path),
        "card": asdict(generator.card),
        "training": dict(training),
    }
    write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
