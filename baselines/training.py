"""One adversarial trainer for all generators with a network: batches, updates, averages, resumable state.

Every random choice of a step is drawn from (seed, step), so a run that was killed and resumed makes the same
updates as one that was not.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from PIL import Image as PILImage
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.contracts import NEUTRAL, UNKNOWN_LABEL, Dataset, Image
from fesbench.errors import BenchError, CheckpointError, SpecError
from fesbench.files import written_whole

from .checkpoints import read_tensors, save_checkpoint
from .devices import average_over_devices, start_fabric
from .neural import TUNED_BY, NeuralGenerator
from .objectives import Batch, Objective
from .selection import Selection, Validation
from .settings import Settings
from .training_data import STUDIO, TrainingImages, load_images
from .training_log import TrainingLog

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


class Limit(NamedTuple):
    """When training ends: after so many steps, or so many seconds, those before a resume included."""

    steps: int | None = None
    seconds: float | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Fraction done; 1 or more means over."""
        parts = [step / self.steps if self.steps else 0.0, seconds / self.seconds if self.seconds else 0.0]
        return max(parts)


class TrainingRun:
    """A training in a folder.

    The folder holds ``state.pt`` to resume from, ``losses.jsonl``, TensorBoard's ``curves/`` where that is
    installed, ``samples/*.png``, and the model so far as ``NAME.safetensors`` with its card, all of it as of
    the last save. Of several processes only the first writes.

    Args:
        model: The kind of generator.
        train: What is learned from; only studio images are used.
        preview: Neutral images of subjects outside training for the sample grids, (N, 3, R, R) uint8, N ≥ 0.
        settings: How.
        folder: Created when missing.
        save_every: Steps between saves.
        device: Where; see ``start_fabric``.
        images: ``load_images(train, settings.resolution)`` where that was done before.
        notes: More for the training record in the model's card: the protocol, the commit, ….
        validation: Chooses among the candidates that the settings name; without it the last weights are kept.
    """

    def __init__(
        self,
        model: type[NeuralGenerator],
        train: Dataset,
        preview: Tensor,
        settings: Settings,
        folder: Path,
        save_every: int = 200,
        device: str = "cpu",
        images: TrainingImages | None = None,
        notes: Mapping[str, Any] = MappingProxyType({}),
        validation: Validation | None = None,
    ) -> None:
        self.model, self.settings, self.folder, self.save_every = model, settings, folder, save_every
        self.preview, self.trained_on = preview, f"{train.name} ({train.split}, {STUDIO})"
        self.record = {"data": train.name, "split": train.split, "data_digest": train.digest}
        self.notes, self.selection = notes, Selection(validation)
        self.data = images or load_images(train, settings.resolution)
        torch.manual_seed(settings.seed)
        objective = model.objective(self.data, settings)
        self.trainer = Trainer(objective, self.data, settings, device)
        self.seconds = self.processor_seconds = 0.0
        self.losses: dict[str, float] = {}

    @property
    def state_file(self) -> Path:
        """The resumable state."""
        return self.folder / "state.pt"

    @property
    def checkpoint(self) -> Path:
        """The chosen model, or that of the last save while none was judged."""
        return self.folder / f"{self.model.template.name}.safetensors"

    @property
    def kept(self) -> int:
        """The step whose weights the checkpoint holds."""
        return self.selection.chosen or self.trainer.step

    def resume(self) -> None:
        """Go on from the last save.

        Raises:
            SpecError: it was made with other settings or other data.
            CheckpointError: the file is damaged.
        """
        saved = read_tensors(self.state_file)
        if not isinstance(saved, dict) or saved.keys() != STATE_KEYS:
            raise CheckpointError(f"{self.state_file} is no state of a training; train into another folder")
        if saved["identity"] != self._identity():
            raise SpecError(
                f"{self.folder} was trained with other settings or data; train into another folder, or use "
                f"the same again. Then: {saved['identity']}. Now: {self._identity()}."
            )
        self.trainer.restore(saved["trainer"])
        self.seconds, self.processor_seconds = saved["seconds"], saved["processor_seconds"]
        self.selection.restore(saved["selection"], self.folder)

    def train(self, limit: Limit, report: Callable[[int, float], None]) -> None:
        """Train until the limit; ``report`` gets each step and the fraction done, ``losses`` are its losses.

        Raises:
            BenchError: the losses are no numbers any more.
        """
        clock = _Clock(self.seconds, self.processor_seconds)
        self._judge_candidate()
        with TrainingLog(self.folder if self._leads else None, self.trainer.step) as log:
            while (progress := limit.progress(self.trainer.step, self.seconds)) < 1:
                self.losses = self.trainer.advance(progress)
                self._refuse_divergence()
                # one clock for all processes, or some would stop while others wait for them
                self.seconds, self.processor_seconds = self.trainer.mean(clock.read()).tolist()
                log.write(self.trainer.step, self.losses)
                if self._judge_candidate() or self.trainer.step % self.save_every == 0:
                    self._save(log)
                report(self.trainer.step, limit.progress(self.trainer.step, self.seconds))
            if self.selection.scores:  # one candidate alone would be no choice
                self._judge()
            self._save(log)

    def generator(self) -> NeuralGenerator:
        """The chosen network, or the averaged one so far while there is no choice, with its card."""
        generator = self._averaged()
        if self.selection.weights:
            generator.network.load_state_dict(self.selection.weights)
        generator.card = replace(
            generator.card,
            trained_on=self.trained_on,
            weights=f"trained by fesbench, {self.kept} steps, seed {self.settings.seed}",
            choices=(*generator.card.choices, *self.model.training_choices),
            guided_by=self._guides,
        )
        return generator

    def _averaged(self) -> NeuralGenerator:
        """The averaged network so far."""
        network = copy.deepcopy(self.trainer.average)
        return self.model(network, self.data.expressions, self.settings.resolution)

    @property
    def _guides(self) -> tuple[str, ...] | None:
        """The networks that had a say; None where nobody knows what the trials were judged by."""
        ours = dict(self.settings.weights) == dict(self.model.small_weights)
        if self.notes.get("trials") and not ours:
            return None
        tuned = TUNED_BY if ours and self.settings.weights else ()
        found = (*(self.model.template.guided_by or ()), *tuned, *self.selection.networks)
        return tuple(dict.fromkeys(found))

    def _judge_candidate(self) -> bool:
        """Judge the weights as they are if they are a candidate; whether they are."""
        candidate = self.selection.validation is not None and self.trainer.step in self.settings.candidates
        if candidate:
            self._judge()
        return candidate

    def _judge(self) -> None:
        if self._leads:
            self.selection.judge(self.trainer.step, self._averaged())

    def _refuse_divergence(self) -> None:
        if not all(math.isfinite(value) for value in self.losses.values()):
            raise BenchError(
                f"training diverged at step {self.trainer.step}: {self.losses}; what was saved is in "
                f"{self.folder}; train with another --seed, or with --precision float32"
            )

    @property
    def _leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.trainer.fabric.is_global_zero

    def _save(self, log: TrainingLog) -> None:
        if not self._leads:
            return
        log.flush()
        if len(self.preview):
            with written_whole(self.folder / "samples" / f"{self.trainer.step:06d}.png") as unfinished:
                PILImage.fromarray(sample_grid(self._averaged(), self.preview)).save(unfinished, format="PNG")
        save_checkpoint(self.generator(), self.checkpoint, self._training_record(), half=True)
        times = {"seconds": self.seconds, "processor_seconds": self.processor_seconds}
        state = {
            "identity": self._identity(),
            **times,
            "selection": self.selection.state(),
            "trainer": self.trainer.state(),
        }
        with written_whole(self.state_file) as unfinished:
            torch.save(state, unfinished)

    def _identity(self) -> str:
        settings = asdict(self.settings)
        del settings["candidates"]  # they change no update
        if self.settings.schedule == "constant":
            del settings["steps"]  # then more steps go on as fewer began
        return json.dumps({**self.record, **settings}, sort_keys=True)

    def _training_record(self) -> dict[str, Any]:
        return {
            **self.record,
            "images": len(self.data.labels),
            "settings": asdict(self.settings),
            "selection": self.selection.record(),
            "steps": self.kept,
            "seconds": round(self.seconds, 1),
            "processor_seconds": round(self.processor_seconds * self.trainer.fabric.world_size, 1),
            "device": {
                "name": _device_name(self.trainer.device),
                "count": self.trainer.fabric.world_size,
                "threads": torch.get_num_threads(),
            },
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("fesbench", "torch", "lightning-fabric", "numpy")},
            },
            **self.notes,
        }


class _Clock:
    """Time that passed and processor time of this process, each with what was spent before."""

    def __init__(self, seconds: float, processor_seconds: float) -> None:
        self._start = time.monotonic() - seconds
        self._processor_start = time.process_time() - processor_seconds

    def read(self) -> Tensor:
        """Both in seconds, (2,) float32."""
        return torch.tensor([time.monotonic() - self._start, time.process_time() - self._processor_start])


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def sample_grid(generator: NeuralGenerator, images: Tensor) -> Image:
    """One row a neutral image: it, then its synthesis for every expression.

    Returns:
        (N * R, (1 + C) * R, 3) uint8; just the images where the generator has to know the source expression
        and has no label for neutral.
    """
    device = next(generator.network.parameters()).device
    inputs = images.to(device).float() / 127.5 - 1
    columns = [inputs]
    labels = generator.card.expressions
    neutral = labels.index(NEUTRAL) if NEUTRAL in labels else UNKNOWN_LABEL
    answerable = neutral != UNKNOWN_LABEL or not generator.card.needs_source
    for label in range(len(labels) if answerable else 0):
        targets = torch.full((len(inputs),), label, device=device)
        columns.append(generator.synthesize(inputs, torch.full_like(targets, neutral), targets))
    pixels = ((torch.stack(columns, 1) + 1) * 127.5).round().byte().cpu()
    rows, across, _, height, width = pixels.shape
    grid: Image = pixels.permute(0, 3, 1, 4, 2).reshape(rows * height, across * width, 3).numpy()
    return grid


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
