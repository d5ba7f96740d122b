"""Earlier place of tables of action units, kept for plug-ins; see ``fesbench.datasets.action_units``."""

from __future__ import annotations

from fesbench.datasets.action_units import *  # noqa: F403
