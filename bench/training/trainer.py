"""One training step of a generator and its discriminator."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import SpecError
from ..generators.hyperparameters import Settings
from ..generators.objectives import Batch, Objective
from ..generators.training_data import TrainingImages
from .devices import average_over_devices, start_fabric

STATE_KEYS = {"identity", "seconds", "processor_seconds", "selection", "trainer"}


class Trainer:
    """Two networks, two optimisers and the running average of the generator's weights.

    With several devices each takes its share of every batch and gradients are averaged by hand after the
    backward pass: ``DistributedDataParallel`` sees neither the second derivative inside the gradient penalty
    nor that one network of the pair rests in each half of a step.

    Args:
        objective: The networks and their losses.
        data: What is learned from.
        settings: How.
        device: Where; see ``start_fabric``.

    Raises:
        SpecError: there is no such device, or a batch cannot be shared among the devices.
    """

    def __init__(
        self, objective: Objective, data: TrainingImages, settings: Settings, device: str = "cpu"
    ) -> None:
        self.fabric = start_fabric(device)
        if min(settings.batch_size, len(data.labels)) % self.fabric.world_size:
            raise SpecError(
                f"a batch of {settings.batch_size} out of {len(data.labels)} images cannot be shared equally "
                f"among {self.fabric.world_size} devices; choose another batch_size"
            )
        self.data, self.settings, self.device = data, settings, self.fabric.device
        self.images = (data.truths if objective.paired else data.images).to(self.device)
        self.neutrals = data.images.to(self.device) if objective.paired else self.images
        self.objective = objective.to(self.device).train()
        self.average = copy.deepcopy(objective.generator).requires_grad_(False)
        adam = partial(torch.optim.Adam, lr=settings.learning_rate, betas=settings.betas)
        self.discriminator_optimizer = adam(objective.discriminator.parameters())
        self.generator_optimizer = adam(objective.generator.parameters())
        self.step = 0

    def advance(self, progress: float = 0.0) -> dict[str, float]:
        """Make one step and return its weighted losses by name, averaged over devices.

        Args:
            progress: Fraction of the training that is done, for the schedule of the learning rate.
        """
        random = _random(self.settings.seed, "step", self.step)
        batch = self._share(self._batch(random))
        if self.fabric.world_size > 1:
            random = _random(self.settings.seed, "step", self.step, self.fabric.global_rank)
        terms = self.objective.weighted(self.objective.discriminator_terms(batch, random))
        self._update(self.discriminator_optimizer, terms.values(), progress)
        if (self.step + 1) % self.settings.n_critic == 0:
            generator_terms = self.objective.weighted(self.objective.generator_terms(batch, random))
            self._update(self.generator_optimizer, generator_terms.values(), progress)
            self._follow((self.step + 1) // self.settings.n_critic)
            terms |= generator_terms
        self.step += 1
        losses = self.mean(torch.stack([value.detach() for value in terms.values()]))
        return {name: round(value, 6) for name, value in zip(terms, losses.tolist(), strict=True)}

    def mean(self, values: Tensor) -> Tensor:
        """The mean of ``values`` over devices."""
        values = values.to(self.device)
        average_over_devices(self.fabric, [values])
        return values

    def state(self) -> dict[str, Any]:
        """Everything that ``restore`` needs to go on exactly."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {"step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state`` gave."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = int(state["step"])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "objective": self.objective,
            "average": self.average,
            "discriminator_optimizer": self.discriminator_optimizer,
            "generator_optimizer": self.generator_optimizer,
        }

    def _batch(self, random: torch.Generator) -> Batch:
        """The step's images, mirrored and shifted, from an order that is new in every epoch."""
        total, settings = len(self.data.labels), self.settings
        size = min(settings.batch_size, total)
        epoch, position = divmod(self.step, total // size)
        order = torch.randperm(total, generator=_random(settings.seed, "epoch", epoch))
        chosen = order[position * size : (position + 1) * size]
        images = self.images[chosen.to(self.device)].float() / 127.5 - 1
        neutrals = self.neutrals[self.data.neutrals[chosen].to(self.device)].float() / 127.5 - 1
        if settings.flip:
            mirrored = (torch.rand(size, generator=random) < 0.5).to(self.device)[:, None, None, None]
            images = torch.where(mirrored, images.flip(3), images)
            neutrals = torch.where(mirrored, neutrals.flip(3), neutrals)
        if settings.jitter or settings.jitter_apart:
            together = _shifts(size, settings.jitter, random)
            images = _shifted(images, together)
            neutrals = _shifted(neutrals, together + _shifts(size, settings.jitter_apart, random))
        known = self.data.labels[chosen], self.data.subjects[chosen], self.data.paired[chosen]
        labels, subjects, paired = (values.to(self.device) for values in known)
        return Batch(images, labels, subjects, neutrals, paired)

    def _share(self, batch: Batch) -> Batch:
        """What this device learns from; all of it where there is no other."""
        rank, devices = self.fabric.global_rank, self.fabric.world_size
        return Batch(*(values[rank::devices] for values in batch))

    def _update(self, optimizer: torch.optim.Optimizer, terms: Iterable[Tensor], progress: float) -> None:
        optimizer.zero_grad()
        self.fabric.backward(torch.stack(list(terms)).sum())
        for group in optimizer.param_groups:
            group["lr"] = self.settings.learning_rate_at(progress)
            gradients = [parameter.grad for parameter in group["params"] if parameter.grad is not None]
            average_over_devices(self.fabric, gradients)
        optimizer.step()

    @torch.no_grad()
    def _follow(self, updates: int) -> None:
        """Move the average towards the generator; faster at first, while it is still far from anything.

        Running statistics, an average by themselves, are taken as they are.
        """
        statistics = [values for values in self.objective.buffers() if values.is_floating_point()]
        average_over_devices(self.fabric, statistics)
        decay = min(self.settings.average, (1 + updates) / (10 + updates))
        parameters = zip(self.average.parameters(), self.objective.generator.parameters(), strict=True)
        for average, parameter in parameters:
            average.lerp_(parameter, 1 - decay)
        buffers = zip(self.average.buffers(), self.objective.generator.buffers(), strict=True)
        for kept, buffer in buffers:
            kept.copy_(buffer)


def _random(*purpose: object) -> torch.Generator:
    """A generator whose numbers depend on ``purpose`` alone."""
    digest = hashlib.sha256(repr(purpose).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _shifts(count: int, most: int, random: torch.Generator) -> Tensor:
    """(count, 2) whole pixels, up to ``most`` either way."""
    return torch.randint(-most, most + 1, (count, 2), generator=random)


def _shifted(images: Tensor, shifts: Tensor) -> Tensor:
    """(B, 3, R, R) images, each moved down and right by its (B, 2) ``shifts``; edges are continued."""
    edge, size = int(shifts.abs().max()), images.shape[-1]
    padded = F.pad(images, (edge,) * 4, mode="replicate")
    corners = (edge - shifts).tolist()
    moved = [image[:, y : y + size, x : x + size] for image, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(moved)
