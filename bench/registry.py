"""Names for generators, data sets and metrics, loaded only when asked for.

An entry is a ``"module:attribute"`` string, so that listing names imports nothing. Installed packages add
entries through the entry-point groups ``fesbench.generators``, ``fesbench.datasets`` and
``fesbench.metrics``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from .errors import BenchError, UnknownName


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
        plugged = {point.name: point.value for point in entry_points(group=self.group)}
        return self.builtin | {name: value for name, value in plugged.items() if name not in self.builtin}

    def names(self) -> list[str]:
        """All names, built-in ones first."""
        return list(self.targets())

    def load(self, name: str) -> Any:
        """The attribute behind ``name``.

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
