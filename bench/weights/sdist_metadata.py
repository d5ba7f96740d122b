"""A build backend that runs nothing of the package it is asked about.

``pip download`` asks a source distribution's build backend for metadata, which would run the package's
set-up script. ``weights.fetch`` puts this file where pip looks for the backend (setuptools), so pip gets
the metadata that the distribution carries in ``PKG-INFO`` anyway. It runs in pip's process with the
unpacked distribution as working directory, so it imports nothing but the standard library.
"""

from __future__ import annotations

import email.parser
import shutil
import sys
from pathlib import Path
from typing import Any

__legacy__ = sys.modules[__name__]
"""What pip calls for packages without a ``pyproject.toml``."""


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Nothing: no wheel is built."""
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    """Copy ``PKG-INFO`` into a new ``.dist-info`` folder of ``metadata_directory``; returns its name."""
    with Path("PKG-INFO").open(encoding="utf-8") as file:
        fields = email.parser.HeaderParser().parse(file)
    folder = Path(metadata_directory) / f"{fields['Name']}-{fields['Version']}.dist-info"
    folder.mkdir()
    shutil.copyfile("PKG-INFO", folder / "METADATA")
    return folder.name
