"""Read the result files of platforms; one module for each platform.

A reader uses only the columns that it needs, by name: names, addresses and places are never read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...schema import Platform
from . import gforms, mturk, paper, potato, qualtrics, server, web
from .raw import RawAnswer, Reading

READERS: Mapping[Platform, Callable[[Path], Reading]] = {
    "web": web.read,
    "server": server.read,
    "paper": paper.read,
    "mturk": mturk.read,
    "qualtrics": qualtrics.read,
    "gforms": gforms.read,
    "potato": potato.read,
}

__all__ = ["READERS", "RawAnswer", "Reading"]
