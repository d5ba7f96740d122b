"""Earlier place of the base class of neural models, kept for plug-ins; see ``fesbench.generators.neural``."""

from __future__ import annotations

from fesbench.generators.neural import NeuralGenerator as NeuralGenerator
