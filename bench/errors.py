"""Earlier place of the errors, kept for plug-ins; import them from ``fesbench``."""

from __future__ import annotations

from .core.errors import *  # noqa: F403
