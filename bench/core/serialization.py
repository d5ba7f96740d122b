"""Serialization of pydantic models that Ctrl-C may interrupt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic_core import PydanticSerializationError

T = TypeVar("T")


def serialized(dump: Callable[[], T]) -> T:
    """Return what ``dump`` does, such as ``model.model_dump_json``.

    pydantic turns any exception within a serializer that is written in Python into an error of its own, also
    Ctrl-C, which then would count as a failure of what is being serialized.

    Raises:
        KeyboardInterrupt: Ctrl-C was typed meanwhile.
    """
    try:
        return dump()
    except PydanticSerializationError as error:
        if "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error
        raise
