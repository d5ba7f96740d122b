"""Train the embedded networks on rendered faces by gradient descent.

The seed decides the order of batches, the augmentations and the initial weights. Each network trains in a
process of its own with one thread, so that the result does not depend on the number of cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from ...metrics.networks.embedded import QualityNet, build
from ..progress import Note
from . import augmentation
from .rendered_faces import Faces

Rows = np.random.Generator
Loss = Callable[[nn.Module, Faces, Generator, Rows], Tensor]
"""Draws a batch and returns its loss: of (network, faces, random augmentations, random rows)."""
CLASSES = 7


class Recipe(NamedTuple):
    """How a network is trained.

    Attributes:
        loss: Of one batch.
        steps: Number of batches.
        rate: The highest learning rate.
        subjects: The share of the training subjects that the network sees, from one fraction to another.
    """

    loss: Loss
    steps: int
    rate: float
    subjects: tuple[float, float] = (0.0, 1.0)


def train(name: str, recipe: Recipe, faces: Faces, seed: int, report: Note) -> nn.Module:
    """Train the network ``name`` on the recipe's share of the faces; return it in evaluation mode."""
    torch.manual_seed(seed)
    random, rows = Generator().manual_seed(seed), np.random.default_rng(seed)
    module = build(name).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(module.parameters(), recipe.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps, pct_start=0.15)
    faces, started, smooth = faces.share(*recipe.subjects), time.monotonic(), 0.0
    for step in range(1, recipe.steps + 1):
        loss = recipe.loss(module, faces, random, rows)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        smooth += (loss.item() - smooth) * max(0.02, 1 / step)
        if step % max(1, recipe.steps // 10) == 0:
            left = (time.monotonic() - started) * (recipe.steps / step - 1)
            report(f"{name}: step {step} of {recipe.steps}, loss {smooth:.3f}, {left:.0f} s left")
    return module.eval()


def judge_loss(augment: Callable[[Tensor, Generator], Tensor], blend: bool) -> Loss:
    """Return the cross-entropy on augmented faces.

    Args:
        augment: Changes a batch of images.
        blend: Whether half of the batches are blended pairs of faces with blended labels (mixup).
    """

    def loss(module: nn.Module, faces: Faces, random: Generator, rows: Rows) -> Tensor:
        picked = rows.choice(len(faces), size=64, p=_weights(faces))
        images, labels = augment(faces.batch(picked), random), torch.from_numpy(faces.expression[picked])
        targets = functional.one_hot(labels, CLASSES).float()
        if blend and rows.random() < 0.5:
            share = float(rows.beta(0.4, 0.4))
            images, targets = (share * x + (1 - share) * x.flip(0) for x in (images, targets))
        return functional.cross_entropy(module(images), targets, label_smoothing=0.05)

    return loss


@cache
def _weights(faces: Faces) -> NDArray[np.float64]:
    """Return how often a judge sees each face: those of the last domain, the hardest, twice as often."""
    weights = np.where(faces.domain == faces.domain.max(), 2.0, 1.0)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def identity_loss(module: nn.Module, faces: Faces, random: Generator, rows: Rows) -> Tensor:
    """Return the supervised contrastive loss (Khosla et al. 2020) among subjects of the same domain.

    FSS compares faces of one domain too.
    """
    domains = rows.permutation(np.unique(faces.domain))[:2]
    picked = np.concatenate([_shots(faces, int(domain), rows) for domain in domains])
    embedding = module(augmentation.identity(faces.batch(picked), random))
    subject, domain = torch.from_numpy(faces.subject[picked]), torch.from_numpy(faces.domain[picked])
    rivals = (domain[:, None] == domain) & ~torch.eye(len(picked), dtype=torch.bool)
    chances = functional.log_softmax((embedding @ embedding.T / 0.1).masked_fill(~rivals, -1e9), dim=1)
    genuine = (subject[:, None] == subject) & rivals
    return -(chances * genuine).sum(1).div(genuine.sum(1)).mean()


def _shots(faces: Faces, domain: int, rows: Rows, subjects: int = 16, shots: int = 3) -> NDArray[np.int64]:
    """Return the rows of up to ``shots`` random faces of each of ``subjects`` random subjects of a domain."""
    table = _by_subject(faces)[domain]
    return np.concatenate(
        [rows.permutation(table[index])[:shots] for index in rows.permutation(len(table))[:subjects]]
    )


@cache
def _by_subject(faces: Faces) -> Mapping[int, list[NDArray[np.int64]]]:
    """Return the rows of each subject, by domain."""
    return {
        int(domain): [
            np.flatnonzero((faces.domain == domain) & (faces.subject == subject))
            for subject in np.unique(faces.subject[faces.domain == domain])
        ]
        for domain in np.unique(faces.domain)
    }


DEGRADATION_SHARES = (0.26, 0.16, 0.18, 0.1, 0.1, 0.1, 0.1)
"""How often the quality network sees each of ``augmentation.DEGRADATIONS``."""


def quality_loss(module: nn.Module, faces: Faces, random: Generator, rows: Rows) -> Tensor:
    """Return a ranking loss of more and less degraded versions of a face (the idea of QualiCLIP).

    A cross-entropy is added, whose target falls from 0.95 to 0.05 with the level of degradation.
    """
    assert isinstance(module, QualityNet)
    images = faces.batch(rows.integers(len(faces), size=20))
    degrade = augmentation.DEGRADATIONS[
        str(rows.choice(list(augmentation.DEGRADATIONS), p=DEGRADATION_SHARES))
    ]
    levels = np.sort(rows.uniform(0.15, 1, size=2) ** 1.5)
    versions = [images, *(degrade(images, float(level), random) for level in levels)]
    logits = module.logits(torch.cat(versions)).view(3, -1)
    targets = torch.tensor([0.95, *(0.95 - 0.9 * levels)], dtype=torch.float32)[:, None].expand_as(logits)
    ranking = functional.softplus(0.5 - (logits[:-1] - logits[1:])).mean()
    return functional.binary_cross_entropy_with_logits(logits, targets) + ranking


RECIPES: Mapping[str, Recipe] = {
    "judge1": Recipe(judge_loss(augmentation.first_judge, blend=True), 2600, 3e-3, (0.0, 0.85)),
    "judge2": Recipe(judge_loss(augmentation.second_judge, blend=False), 2800, 3e-3, (0.15, 1.0)),
    "identity": Recipe(identity_loss, 1000, 2e-3),
    "quality": Recipe(quality_loss, 1300, 3e-3),
}
"""The judges share seven tenths of their subjects, but no architecture, input, augmentation or seed."""
