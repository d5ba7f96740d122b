"""Losses that several training objectives share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], reals: Tensor, fakes: Tensor, random: torch.Generator
) -> Tensor:
    """Return the gradient penalty of WGAN-GP at one random point between each real image and its fake.

    Args:
        critic: (B, 3, R, R) to a realness score or map, which is summed, as in StarGAN's official code.
        reals: (B, 3, R, R).
        fakes: (B, 3, R, R), without gradient.
        random: Source of the mixing weights.

    Returns:
        The mean of (|gradient| - 1)², a scalar with gradient to the critic's parameters.
    """
    mix = torch.rand(len(reals), 1, 1, 1, generator=random).to(reals)
    between = (mix * reals + (1 - mix) * fakes).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def total_variation(maps: Tensor) -> Tensor:
    """Return the sum of squared differences between neighbouring pixels of (B, C, H, W), a scalar."""
    down, across = maps.diff(dim=2), maps.diff(dim=3)
    return down.square().sum() + across.square().sum()


def shuffled(labels: Tensor, random: torch.Generator) -> Tensor:
    """Return the labels of a batch in random order, as targets for unpaired training."""
    return labels[torch.randperm(len(labels), generator=random).to(labels.device)]
