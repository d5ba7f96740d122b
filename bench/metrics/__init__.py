"""Metrics and the networks they look through."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "FeatureStatistics": ".frechet",
    "InceptionFeatures": ".nets.inception",
    "QualiCLIP": ".qualiclip",
    "frechet_distance": ".frechet",
    "kernel_distance": ".kid",
    "read_statistics": ".frechet",
    "write_statistics": ".frechet",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
