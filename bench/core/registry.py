"""Names for generators, data sets and metrics, loaded only when asked for.

An entry is a ``"module:attribute"`` string, so that listing names imports nothing. Installed packages add
entries through the entry-point groups ``fesbench.generators``, ``fesbench.datasets`` and
``fesbench.metrics``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import BenchError, UnknownName

Places = tuple[tuple[str, int], ...]
"""Folders that modules are imported from, with their times of change."""


def _places() -> Places:
    found = []
    for path in sys.path:
        with suppress(OSError):
            found.append((path, os.stat(path or ".").st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=8)
def _entry_points(group: str, places: Places) -> EntryPoints:
    """Return the entry points of a group in all packages, which are read once and not for each name."""
    return entry_points(group=group)


class Registry:
    """A table of lazily imported attributes.

    Args:
        kind: What the names stand for, in error messages.
        builtin: Name to ``"module:attribute"``.
        group: The entry-point group through which installed packages add names.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str], group: str) -> None:
        self.kind, self.builtin, self.group = kind, dict(builtin), group

    def targets(self) -> dict[str, str]:
        """Name to ``"module:attribute"``, built-in ones first; an installed name never replaces one."""
        plugged = {point.name: point.value for point in _entry_points(self.group, _places())}
        return self.builtin | {name: value for name, value in plugged.items() if name not in self.builtin}

    def names(self) -> list[str]:
        """Return all names, built-in ones first."""
        return list(self.targets())

    def files(self, name: str) -> dict[str, Path]:
        """Return the files of the installed package behind ``name``, by their path in it; import nothing.

        Empty for built-in names, which the version of the suite identifies, and for unknown ones.
        """
        target = self.targets().get(name)
        if target is None or name in self.builtin:
            return {}
        package = target.partition(":")[0].partition(".")[0]
        spec = find_spec(package)
        if spec is None:
            return {}
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
        if not folders:
            return {Path(spec.origin).name: Path(spec.origin)} if spec.origin else {}
        return {
            f"{package}/{path.relative_to(folder).as_posix()}": path
            for folder in folders
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }

    def load(self, name: str) -> Any:
        """Return the attribute behind ``name``.

        Raises:
            UnknownName: nothing is registered under it.
            BenchError: an installed plug-in is registered but cannot be imported.
        """
        targets = self.targets()
        if name not in targets:
            raise UnknownName(self.kind, name, targets)
        module, _, attribute = targets[name].partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            if name in self.builtin:
                raise
            raise BenchError(
                f"the installed {self.kind} {name!r} ({targets[name]}) cannot be loaded: {error}"
            ) from error
