"""Reads checkpoint files and loads their tensors into networks.

The suite's own format is ``NAME.safetensors`` with ``NAME.json`` beside it (generator card, training record,
digest of the tensors). Official files are pickles, with such a card beside them or not; they are read with
``torch.load(weights_only=True)``, which builds tensors and plain containers and runs no code.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..core.contracts import GeneratorCard
from ..core.errors import CheckpointError
from ..core.files import file_digest, read_limited, written_whole
from .mistaken import refuse_mistaken

MAX_BYTES, MAX_CARD_BYTES, MAX_TENSORS = 2 << 30, 1 << 20, 10_000

WRAPPERS = ("G", "state_dict", "generator", "model")
"""Keys under which official files keep the generator's state_dict."""

UPDATES_COUNTED = ".num_batches_tracked"
RUNNING_STATISTICS = (".running_mean", ".running_var", UPDATES_COUNTED)
"""Endings of the names of a normalisation layer's running statistics."""

CARD_FORMAT = 1
"""Version of the card beside a ``.safetensors`` file."""

SIGNATURES = (
    ("'sargan'", "main.9.conv1.conv2d.weight"),
    ("'ganimation'", "attetion_reg.0.weight"),
    ("'ganmut' (linear)", "axes.weight"),
    ("'ganmut' (gaussian)", "mu.weight"),
    ("'attgan'", "enc_layers.0.layers.0.weight"),
    ("STGAN with biases, a fork (jdelanoy) that cannot be loaded", "encoder.0.0.bias"),
    ("'stgan'", "stu.0.upsample.weight"),
    ("RelGAN, which cannot be loaded", "conv_in.1.mean_weight"),
    ("a discriminator of AttGAN's or STGAN's", "fc_adv.0.weight"),
    ("a discriminator of AttGAN's or STGAN's", "fc_adv.0.layers.0.weight"),
    ("a discriminator of the StarGAN family", "conv2.weight"),
    ("'stargan'", "main.10.main.0.weight"),
    ("'usgan', or 'stargan' with one residual block", "main.9.main.0.weight"),
)
"""Each model and the name of a tensor that identifies its files; the first match counts."""


class Checkpoint(NamedTuple):
    """The content of a checkpoint file; ``card`` is None and ``training`` empty without a card beside it."""

    state: dict[str, Tensor]
    card: GeneratorCard | None
    training: Mapping[str, Any]
    digest: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read an official file (``.ckpt``, ``.pth``, ``.pth.tar``, …) or one of the suite (``.safetensors``).

    Returns:
        Its content; tensors are on the CPU, without wrapping dictionaries and ``module.`` prefixes.

    Raises:
        CheckpointError: the file is missing, too large or damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint file at {path}")
    refuse_mistaken(path)
    _refuse_above(path, path.stat().st_size, MAX_BYTES)
    digest = file_digest(path)
    if path.suffix == ".safetensors":
        state = _read_safetensors(path)
    else:
        state = _bare_names(_unwrapped(read_tensors(path), path))
    has_card = path.suffix == ".safetensors" or _is_card(path.with_suffix(".json"))
    card, training = _read_card(path, digest) if has_card else (None, {})
    _refuse_unsound(state, path)
    return Checkpoint(state, card, training, digest)


def write_tensors(path: Path, state: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a JSON record of them, which holds their sha256.

    Both files are complete under temporary names before either takes its place, so an interrupted call leaves
    an earlier pair as it was.

    Args:
        path: The ``.safetensors`` file; the record has the same name with ``.json``.
        state: The tensors, by name.
        record: The other fields of the record.

    Raises:
        BenchError: the disk is full or the folder cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with written_whole(path.with_suffix(".json")) as unfinished_record, written_whole(path) as unfinished:
        save_file(tensors, unfinished)
        complete = {"sha256": file_digest(unfinished), **record}
        text = json.dumps(complete, indent=2, ensure_ascii=False) + "\n"
        unfinished_record.write_text(text, encoding="utf-8")


def load_exactly(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load ``state`` into ``network``, which may be on the meta device, in the network's own dtypes.

    Running statistics that the network does not keep are ignored. The count of their updates, which files of
    old PyTorch versions lack, is set to zero.

    Raises:
        CheckpointError: names or shapes differ; the message lists them and names the model that the file
            looks like.
    """
    wanted = network.state_dict()
    given = {name: value for name, value in state.items() if name in wanted or not is_statistic(name)}
    given |= {
        name: torch.zeros(()) for name in wanted.keys() - given.keys() if name.endswith(UPDATES_COUNTED)
    }
    missing, unexpected = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    wrong = [
        f"{name} is {tuple(given[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted.keys() & given.keys()
        if given[name].shape != wanted[name].shape
    ]
    if missing or unexpected or wrong:
        raise CheckpointError(
            f"the checkpoint does not fit {type(network).__name__}: "
            f"missing keys: {_listed(missing)}; unexpected keys: {_listed(unexpected)}; "
            f"wrong shapes: {_listed(sorted(wrong))}; it looks like {_lookalike(state)}"
        )
    typed = {name: value.to(wanted[name].dtype) for name, value in given.items()}
    network.load_state_dict(typed, assign=True)


def with_statistics(state: Mapping[str, Tensor], layers: str = ".*") -> dict[str, Tensor]:
    """Add the initial running statistics of normalisation layers to a state_dict.

    Args:
        state: A state_dict whose affine normalisation layers keep no statistics.
        layers: Regular expression; layers whose full names match get statistics.

    Returns:
        ``state`` with means 0, variances 1 and counts 0, in PyTorch's order.
    """
    complete: dict[str, Tensor] = {}
    for name, value in state.items():
        complete[name] = value
        layer = name.removesuffix(".bias")
        normalises = layer != name and f"{layer}.weight" in state and state[f"{layer}.weight"].ndim == 1
        if normalises and re.fullmatch(layers, layer):
            fresh = torch.zeros_like(value), torch.ones_like(value), torch.tensor(0)
            complete |= {
                layer + ending: tensor for ending, tensor in zip(RUNNING_STATISTICS, fresh, strict=True)
            }
    return complete


def read_tensors(path: Path) -> Any:
    """Return the content of a file of ``torch.save`` that holds tensors and plain containers only.

    Raises:
        CheckpointError: the file is too large or damaged, or is a pickle that would run code.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _refuse_above(path, sum(entry.file_size for entry in archive.infolist()), MAX_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} was refused: it is no pickle of plain tensors, or it wants to run code while loading, "
            f"and only tensors are accepted ({reason}). If you trust its maker, ask for the bare state_dict."
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can fail anywhere inside the reader
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {error}") from error


def check_archive(path: Path) -> None:
    """Compare the parts of a file of ``torch.save`` with their checksums, which ``torch.load`` does not.

    Raises:
        CheckpointError: a part is damaged, or the file is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # a damaged file can fail anywhere inside the reader
        raise CheckpointError(f"{path} is damaged ({error}); train into another folder") from error
    if damaged:
        raise CheckpointError(f"{path} is damaged ({damaged} has changed); train into another folder")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no valid safetensors file: {error}") from error


def _is_card(beside: Path) -> bool:
    """Return whether a file is a card of the suite; other programs too write JSON beside their weights."""
    try:
        record = json.loads(read_limited(beside, MAX_CARD_BYTES, "it is no card of a checkpoint"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.keys() >= {"format", "sha256", "card"}


def _read_card(path: Path, digest: str) -> tuple[GeneratorCard, Mapping[str, Any]]:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise CheckpointError(f"{path.name} needs its card {beside.name} beside it, in {path.parent}")
    _refuse_above(beside, beside.stat().st_size, MAX_CARD_BYTES)
    try:
        record = json.loads(beside.read_text(encoding="utf-8"))
        card = TypeAdapter(GeneratorCard).validate_python(record["card"])
        training, stated = dict(record["training"]), record["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{beside} is no card of a checkpoint: {error}") from error
    if stated != digest:
        raise CheckpointError(
            f"{path.name} is not the file that {beside.name} describes (sha256 {digest}, not {stated}); "
            "copy both again"
        )
    return card, training


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(2):
        inner = next((content[key] for key in WRAPPERS if isinstance(content, dict) and key in content), None)
        content = content if inner is None else inner
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds {type(content).__name__}, not a state_dict")
    strange = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(f"{path} holds entries that are no tensors: {_listed(strange)}")
    return {str(key): value for key, value in content.items()}


def _bare_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("module."): value for name, value in state.items()}


def _refuse_unsound(state: Mapping[str, Tensor], path: Path) -> None:
    if len(state) > MAX_TENSORS:
        raise CheckpointError(f"{path} holds {len(state)} tensors; at most {MAX_TENSORS} are read")
    for name, value in state.items():
        if value.is_sparse or value.is_quantized or value.untyped_storage().nbytes() < value.nbytes:
            raise CheckpointError(f"{path}: {name} claims more values than the file holds")
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; its training diverged")


def _refuse_above(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise CheckpointError(f"{path} is {size / 2**20:.0f} MiB; at most {limit / 2**20:.0f} MiB are read")


def _lookalike(state: Mapping[str, Tensor]) -> str:
    return next((model for model, name in SIGNATURES if name in state), "no model known here")


def is_statistic(name: str) -> bool:
    """Return whether a tensor of this name holds running statistics of a normalisation layer."""
    return name.endswith(RUNNING_STATISTICS)


def _listed(names: list[str], most: int = 12) -> str:
    shown = ", ".join(names[:most]) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
