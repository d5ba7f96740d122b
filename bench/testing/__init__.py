"""Conformance checks for plug-ins, golden scores, and checks of the installation.

Use ``check_generator``, ``check_dataset`` and ``check_metric`` in the tests of a plug-in; each returns its
findings and raises ``ConformanceError`` with all that failed.
"""

from __future__ import annotations

from ..core.exports import lazy_exports

_PUBLIC = {
    "ConformanceError": ".findings",
    "Finding": ".findings",
    "check_dataset": ".datasets",
    "check_generator": ".generators",
    "check_metric": ".metrics",
}

__all__ = [*_PUBLIC]
__getattr__, __dir__ = lazy_exports(__name__, _PUBLIC)
