"""Losses that several training objectives share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .draws import Draws


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], reals: Tensor, fakes: Tensor, draws: Draws
) -> Tensor:
    """Return the gradient penalty of WGAN-GP at one random point between each real image and its fake.

    Args:
        critic: (B, 3, R, R) to a realness score or map, which is summed, as in StarGAN's official code.
        reals: (B, 3, R, R).
        fakes: (B, 3, R, R), without gradient.
        draws: Source of the mixing weights.

    Returns:
        The mean of (|gradient| - 1)², a scalar with gradient to the critic's parameters.
    """
    mix = draws.uniform(1, 1, 1).to(reals)
    between = (mix * reals + (1 - mix) * fakes).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def total_variation(maps: Tensor) -> Tensor:
    """Return the sum of squared differences between neighbouring pixels of (B, C, H, W), a scalar."""
    down, across = maps.diff(dim=2), maps.diff(dim=3)
    return down.square().sum() + across.square().sum()
