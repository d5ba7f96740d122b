"""How a network is trained: the numbers that a protocol fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    The defaults suit a small network and less than an hour of a CPU. What the authors of each method used
    is its ``official`` settings.

    ``n_critic`` discriminator updates are made for one of the generator; a step is one of the former.
    ``weights`` changes weights of loss terms, by name, from the method's own. ``average`` is the decay of
    the exponential moving average of the generator's weights, which is what is kept. ``precision`` is that
    of the generator's passes.
    """

    resolution: int = 64
    width: int = 16
    discriminator_width: int = 24
    batch_size: int = 8
    n_critic: int = 1
    learning_rate: float = 4e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weights: Mapping[str, float] = field(default_factory=dict)
    average: float = 0.999
    flip: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
