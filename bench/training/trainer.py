"""One training step of a generator and its discriminator."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from ..core.errors import SpecError
from ..core.plurals import counted
from ..generators.draws import Batch, Draws
from ..generators.hyperparameters import Settings
from ..generators.objectives import Objective
from ..generators.training_data import TrainingImages
from .devices import average_over_devices, start_fabric

STATISTICS = 50
"""Batches whose mean gives the batch statistics of averaged weights."""


class Trainer:
    """Update a generator and its discriminator, one step at a time.

    Holds both networks, their optimisers and the running average of the generator's weights. Every random
    choice of a step is drawn from the seed and the number of the step, so a training that is resumed makes
    the same updates as one that was not interrupted.

    With several devices each takes its share of every batch, whose targets are drawn over the whole batch
    (see ``Draws``), and gradients are averaged by hand after the
    backward pass: ``DistributedDataParallel`` supports neither the second derivative inside the gradient
    penalty nor a backward pass that leaves one of the two networks out.

    Args:
        objective: The networks and their losses.
        data: The training images.
        settings: The hyperparameters.
        device: See ``start_fabric``.

    Raises:
        SpecError: there is no such device, or a batch cannot be shared equally among the devices.
    """

    def __init__(
        self, objective: Objective, data: TrainingImages, settings: Settings, device: str = "cpu"
    ) -> None:
        self.fabric = start_fabric(device)
        if min(settings.batch_size, len(data.labels)) % self.fabric.world_size:
            raise SpecError(
                f"a batch of {settings.batch_size} out of {counted(len(data.labels), 'image')} cannot be "
                f"shared equally among {counted(self.fabric.world_size, 'device')}; choose another batch_size"
            )
        self.data, self.settings, self.device = data, settings, self.fabric.device
        self.images = (data.truths if objective.paired else data.images).to(self.device)
        self.neutrals = data.images.to(self.device) if objective.paired else self.images
        self.intermediates = data.first_stage.intermediates.to(self.device) if data.first_stage else None
        self.objective = objective.to(self.device).train()
        self._average = _running_average(self.objective.generator, settings.average)
        adam = partial(torch.optim.Adam, lr=settings.learning_rate, betas=settings.betas)
        self.discriminator_optimizer = adam(objective.discriminator.parameters())
        self.generator_optimizer = adam(objective.generator.parameters())
        self.step = 0
        self._averaged: tuple[int, nn.Module] | None = None

    @property
    def average(self) -> nn.Module:
        """The generator with the running average of its weights."""
        return self._average.module

    def averaged(self) -> nn.Module:
        """Return a copy of ``average`` for use.

        Batch statistics, which a network without batch normalisation lacks, are those of the averaged weights
        on the passes of training; the running ones belong to the weights of the last steps.
        """
        if self._averaged is None or self._averaged[0] != self.step:
            network = copy.deepcopy(self.average)
            self._measure_statistics(network)
            self._averaged = self.step, network
        return copy.deepcopy(self._averaged[1])

    def advance(self, learning_rate: float | None = None) -> dict[str, float]:
        """Make one step.

        Args:
            learning_rate: Of both networks; None for that of the settings.

        Returns:
            The weighted losses by name, averaged over devices.
        """
        rate = self.settings.learning_rate if learning_rate is None else learning_rate
        draws = self._draws(_random(self.settings.seed, "step", self.step), self.step)
        batch = draws.batch
        terms = self.objective.weighted(self.objective.discriminator_terms(batch, draws))
        self._update(self.discriminator_optimizer, terms.values(), rate)
        if (self.step + 1) % self.settings.n_critic == 0:
            with _frozen(self.objective.discriminator):
                generator_terms = self.objective.weighted(self.objective.generator_terms(batch, draws))
                self._update(self.generator_optimizer, generator_terms.values(), rate)
            self._update_average()
            terms |= generator_terms
        self.step += 1
        losses = self.mean(torch.stack([value.detach() for value in terms.values()]))
        return {name: round(value, 6) for name, value in zip(terms, losses.tolist(), strict=True)}

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of ``values`` over devices, in the shape of ``values``."""
        values = values.to(self.device)
        average_over_devices(self.fabric, [values])
        return values

    def state(self) -> dict[str, Any]:
        """Return the state from which ``restore`` continues with the same updates."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {"step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Load what ``state`` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = int(state["step"])
        self._average.n_averaged.fill_(1 + self.step // self.settings.n_critic)

    @torch.no_grad()
    def _measure_statistics(self, network: nn.Module) -> None:
        """Replace running statistics by the means over ``STATISTICS`` batches."""
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # PyTorch's code for the mean over all batches
        live, self.objective.generator = self.objective.generator, network.train()
        for number in range(STATISTICS):
            draws = self._draws(_random(self.settings.seed, "statistics", number), number)
            self.objective.generator_terms(draws.batch, draws)
        self.objective.generator = live
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "objective": self.objective,
            "average": self.average,
            "discriminator_optimizer": self.discriminator_optimizer,
            "generator_optimizer": self.generator_optimizer,
        }

    def _draws(self, random: torch.Generator, step: int) -> Draws:
        """Return a step's images and the source of its random choices.

        The order of the images is drawn anew for every epoch. A batch of one image is given another one to
        take its target from.
        """
        total = len(self.data.labels)
        size = min(self.settings.batch_size, total)
        epoch, position = divmod(step, total // size)
        order = torch.randperm(total, generator=_random(self.settings.seed, "epoch", epoch))
        chosen = order[position * size : (position + 1) * size]
        if size == 1:
            chosen = torch.cat([chosen, torch.randint(total, (1,), generator=random)])
        batch = self._batch(chosen, random)
        return Draws(batch, random, size, self.fabric.global_rank, self.fabric.world_size)

    def _batch(self, chosen: Tensor, random: torch.Generator) -> Batch:
        """Return the images of these rows of the data, mirrored and shifted."""
        size, settings = len(chosen), self.settings
        images = self.images[chosen.to(self.device)].float() / 127.5 - 1
        sources = [self.neutrals[self.data.neutrals[chosen].to(self.device)].float() / 127.5 - 1]
        if self.intermediates is not None:
            sources.append(self.intermediates[chosen.to(self.device)].float() / 127.5 - 1)
        if settings.flip:
            mirrored = (torch.rand(size, generator=random) < 0.5).to(self.device)[:, None, None, None]
            images, *sources = (torch.where(mirrored, x.flip(3), x) for x in (images, *sources))
        if settings.jitter or settings.jitter_apart:
            together = _shifts(size, settings.jitter, random)
            images = _shifted(images, together)
            apart = together + _shifts(size, settings.jitter_apart, random)
            sources = [_shifted(source, apart) for source in sources]
        columns = self.data.labels, self.data.subjects, self.data.paired
        labels, subjects, paired = (values[chosen].to(self.device) for values in columns)
        return Batch(images, labels, subjects, sources[0], paired, *sources[1:])

    def _update(self, optimizer: torch.optim.Optimizer, terms: Iterable[Tensor], rate: float) -> None:
        optimizer.zero_grad()
        self.fabric.backward(torch.stack(list(terms)).sum())
        for group in optimizer.param_groups:
            group["lr"] = rate
            gradients = [parameter.grad for parameter in group["params"] if parameter.grad is not None]
            average_over_devices(self.fabric, gradients)
        optimizer.step()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the generator; buffers (running statistics) are copied."""
        statistics = [values for values in self.objective.buffers() if values.is_floating_point()]
        average_over_devices(self.fabric, statistics)
        self._average.update_parameters(self.objective.generator)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Compute no gradients of the network's weights, which nothing would use."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def _running_average(generator: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of ``generator``, whose present weights are the first.

    The decay of update n is (1 + n) / (10 + n) while that is less than ``decay``: the first weights are
    random, and a slow average would keep them for long.
    """

    def move(averages: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        updates = int(count)
        for average, parameter in zip(averages, current, strict=True):
            average.lerp_(parameter, 1 - min(decay, (1 + updates) / (10 + updates)))

    average = AveragedModel(generator, multi_avg_fn=move).requires_grad_(False)
    average.update_parameters(generator)
    return average


def _random(*purpose: object) -> torch.Generator:
    """Return a random generator that is seeded by ``purpose`` alone."""
    digest = hashlib.sha256(repr(purpose).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _shifts(count: int, most: int, random: torch.Generator) -> Tensor:
    """Return (count, 2) int64 offsets in pixels, uniform in [-most, most]."""
    return torch.randint(-most, most + 1, (count, 2), generator=random)


def _shifted(images: Tensor, shifts: Tensor) -> Tensor:
    """Move each of (B, 3, R, R) images down and right by its row of ``shifts``; edge pixels are repeated."""
    edge, size = int(shifts.abs().max()), images.shape[-1]
    padded = F.pad(images, (edge,) * 4, mode="replicate")
    corners = (edge - shifts).tolist()
    moved = [image[:, y : y + size, x : x + size] for image, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(moved)
