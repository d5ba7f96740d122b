"""Earlier place of the contracts, kept for plug-ins; import them from ``fesbench``."""

from __future__ import annotations

from .core.contracts import *  # noqa: F403
