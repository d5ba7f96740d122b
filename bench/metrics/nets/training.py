"""Training of the embedded networks on rendered faces, and the measurement of what they reach.

Everything follows from a seed: the faces, the order of batches, the augmentation, the initial weights. Each
network trains in a process of its own with one thread, so that the result does not depend on the number of
cores and two networks train at once on two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from . import augment
from .embedded import IDENTITY, JUDGES, QUALITY, area, build

Report = Callable[[str], None]


@dataclass(frozen=True)
class Faces:
    """Rendered faces as arrays, one row each: uint8 images (N, 3, side, side) and what they show."""

    images: NDArray[np.uint8]
    subject: NDArray[np.int64]
    domain: NDArray[np.int64]
    expression: NDArray[np.int64]

    def where(self, rows: NDArray[Any]) -> Faces:
        """The faces of a boolean or integer index."""
        return Faces(self.images[rows], self.subject[rows], self.domain[rows], self.expression[rows])

    def batch(self, rows: NDArray[Any] | Sequence[int]) -> Tensor:
        """(B, 3, side, side) float32 in [0, 1]."""
        return torch.from_numpy(self.images[rows]).float() / 255


class Recipe(NamedTuple):
    """How one network is trained; ``loss(module, faces, random)`` is of one batch."""

    loss: Callable[[nn.Module, Faces, Generator, np.random.Generator], Tensor]
    steps: int
    rate: float


def train(name: str, recipe: Recipe, faces: Faces, seed: int, report: Report) -> nn.Module:
    """Train the network ``name`` and return it in evaluation mode."""
    torch.manual_seed(seed)
    random, rows = Generator().manual_seed(seed), np.random.default_rng(seed)
    module = build(name).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(module.parameters(), recipe.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps, pct_start=0.15)
    started, smooth = time.monotonic(), 0.0
    for step in range(1, recipe.steps + 1):
        loss = recipe.loss(module, faces, random, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        smooth += (loss.item() - smooth) * max(0.02, 1 / step)
        if step % (recipe.steps // 10) == 0:
            left = (time.monotonic() - started) * (recipe.steps / step - 1)
            report(f"{name}: step {step} of {recipe.steps}, loss {smooth:.3f}, {left:.0f} s left")
    return module.eval()


def judge_loss(harm: Callable[[Tensor, Generator], Tensor], blend: bool) -> Callable[..., Tensor]:
    """Cross-entropy on harmed faces; ``blend`` mixes pairs of faces, so that half a smile is half happy."""

    def loss(module: nn.Module, faces: Faces, random: Generator, rows: np.random.Generator) -> Tensor:
        picked = rows.integers(len(faces.images), size=64)
        images, labels = harm(faces.batch(picked), random), torch.from_numpy(faces.expression[picked])
        targets = functional.one_hot(labels, 7).float()
        if blend and rows.random() < 0.5:
            share = float(rows.beta(0.4, 0.4))
            images, targets = (share * x + (1 - share) * x.flip(0) for x in (images, targets))
        return functional.cross_entropy(module(images), targets, label_smoothing=0.05)

    return loss


def identity_loss(module: nn.Module, faces: Faces, random: Generator, rows: np.random.Generator) -> Tensor:
    """Supervised contrast (Khosla et al. 2020) among subjects of one domain, the hard case that FSS meets."""
    picked = np.concatenate(
        [subject_shots(faces, int(domain), 24, 3, rows) for domain in rows.permutation(5)[:2]]
    )
    embedding = module(augment.identity(faces.batch(picked), random))
    subject, domain = torch.from_numpy(faces.subject[picked]), torch.from_numpy(faces.domain[picked])
    same = subject[:, None] == subject[None, :]
    within = (domain[:, None] == domain[None, :]) & ~torch.eye(len(picked), dtype=torch.bool)
    logits = (embedding @ embedding.T / 0.1).masked_fill(~within, -1e9)
    genuine = same & within
    chances = functional.log_softmax(logits, dim=1)
    return -(chances * genuine).sum(1).div(genuine.sum(1)).mean()


def subject_shots(
    faces: Faces, domain: int, subjects: int, shots: int, rows: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of ``shots`` faces each of ``subjects`` subjects in one domain."""
    table = shot_table(faces, domain)
    chosen = rows.permutation(len(table))[:subjects]
    return np.concatenate([rows.permutation(table[index])[:shots] for index in chosen])
