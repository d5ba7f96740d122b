"""YAML files of anyone: refused in one line where they are too large, too deep, or use aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .errors import SpecError
from .files import read_limited

MAX_BYTES = 256 * 1024
DEEPEST = 20
"""Lists and mappings inside each other."""

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Builds plain values; dates stay text, as they stand in the file."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the place where PyYAML looks for them
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        SpecError: it cannot be read, is larger than ``MAX_BYTES``, or is refused by ``parse_yaml``.
    """
    try:
        text = read_limited(path, MAX_BYTES, "keep what is needed").decode("utf-8")
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # no UTF-8, or no path
        raise SpecError(f"{path} cannot be read as YAML: {error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, origin: str) -> Any:
    """Return the content of YAML text.

    Raises:
        SpecError: it is no YAML, uses aliases, which could unfold without end, or nests more than ``DEEPEST``
            levels; the message names ``origin``.
    """
    try:
        _check_events(text, origin)
        return yaml.load(text, _Loader)
    except SpecError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # constructors of odd values raise whatever they stumble over
        raise SpecError(f"{origin} cannot be read as YAML: {' '.join(str(error).split())[:300]}") from error


def _check_events(text: str, origin: str) -> None:
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise SpecError(
                f"{origin} uses YAML aliases (*name), which could unfold without end; write them out"
            )
        if depth > DEEPEST:
            raise SpecError(f"{origin} nests more than {DEEPEST} levels of YAML; no file of ours needs that")
