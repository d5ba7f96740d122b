"""Packages of the extra ``paper``, imported only where a network needs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from ...errors import WeightsMissing


def required(module: str) -> ModuleType:
    """A module of a package that may not be installed.

    Raises:
        WeightsMissing: it is not, or cannot be imported; says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise WeightsMissing(
            f"this backend looks through {package}, which cannot be imported ({error}); "
            'install it with: pip install "fesbench[paper]"'
        ) from error
