"""Weight files of the metric backends: the manifest, and how files are found, checked and fetched."""

from __future__ import annotations

from .manifest import FILES, Package, State, WeightFile
from .resolve import backends, classifiers, fetch, files, pinned, read, verify, wanted_files, where

__all__ = [
    "FILES",
    "Package",
    "State",
    "WeightFile",
    "backends",
    "classifiers",
    "fetch",
    "files",
    "pinned",
    "read",
    "verify",
    "wanted_files",
    "where",
]
