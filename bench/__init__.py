"""fesbench: measuring facial-expression synthesis."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_generator": "fesbench.generators.registry",
    "load_dataset": "fesbench.datasets.registry",
    "evaluate": "fesbench.api",
    "train": "fesbench.training.train",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
