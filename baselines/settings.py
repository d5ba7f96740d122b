"""Earlier place of the hyperparameters, kept for plug-ins; see ``fesbench.generators.hyperparameters``."""

from __future__ import annotations

from fesbench.generators.hyperparameters import Settings as Settings
