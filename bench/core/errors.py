"""The exception tree, and texts of messages: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .text import plain_text

if TYPE_CHECKING:
    from pydantic import ValidationError


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean …?' with up to three known names like ``name``; empty where none is like it."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def invalid_fields(error: ValidationError) -> str:
    """Return each field that pydantic refused, with the reason and the value: 'seed: … (got 'x'); …'."""
    return "; ".join(
        f"{_field(item['loc'])}: {item['msg']} (got {reprlib.repr(item['input'])})"
        for item in error.errors(include_url=False)
    )


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "its content"


class BenchError(Exception):
    """Base of every error that a user can cause and mend; the command line exits with 2 on it."""


class UnknownName(BenchError):
    """A model, data set, metric, expression or backend that nobody registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        hint = did_you_mean(name, names)
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}.")
        self.kind, self.name, self.known = kind, name, names


class ImageError(BenchError):
    """An image file that cannot be used: corrupt, truncated, empty, too large, not an image."""


class LandmarkError(BenchError):
    """A face whose landmarks are not found, or are not where those of a face can be."""


class DatasetError(BenchError):
    """A data set whose files or labels do not fit its layout."""


class CheckpointError(BenchError):
    """A checkpoint that does not fit its model, or that tries to be more than tensors."""


class WeightsMissing(BenchError):
    """Weights that a metric backend needs and that are not on this machine."""


class SpecError(BenchError):
    """A run specification that is invalid or does not match the run it would continue."""


class UnsupportedEdit(BenchError):
    """An edit that a model cannot answer: a target outside its labels, or a source it needs to know."""


def explain(error: BaseException) -> str:
    """Return an error as a reason in a table: its message, after its type where it is unexpected."""
    try:
        message = plain_text(str(error))
    except Exception:  # code of others may raise anything
        message = ""
    if isinstance(error, BenchError):
        return message
    name = type(error).__name__
    return f"{name}: {message}" if message else f"{name} without a message"
