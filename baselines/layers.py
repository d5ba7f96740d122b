"""Earlier place of StarGAN's layers, kept for plug-ins; see ``fesbench.generators.layers``."""

from __future__ import annotations

from fesbench.generators.layers import *  # noqa: F403
