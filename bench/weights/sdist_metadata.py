"""A build backend that reports the metadata of a source distribution without running its code.

``pip download`` asks the build backend of a source distribution for its metadata; setuptools would run the
package's set-up script. ``packages.fetch_packaged`` copies this file to the place where pip looks for
setuptools, so pip reads the ``PKG-INFO`` of the distribution instead. pip runs the copy in a process of its
own, so this module imports the standard library only and cannot be a part of ``packages``.
"""

from __future__ import annotations

import email.parser
import shutil
import sys
from pathlib import Path
from typing import Any

__legacy__ = sys.modules[__name__]
"""The backend that pip calls for packages without a ``pyproject.toml``."""


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Return no requirements: no wheel is built."""
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    """Copy ``PKG-INFO`` into a new ``.dist-info`` folder in ``metadata_directory``; return its name."""
    with Path("PKG-INFO").open(encoding="utf-8") as file:
        fields = email.parser.HeaderParser().parse(file)
    folder = Path(metadata_directory) / f"{fields['Name']}-{fields['Version']}.dist-info"
    folder.mkdir()
    shutil.copyfile("PKG-INFO", folder / "METADATA")
    return folder.name
