"""One adversarial trainer for all generators with a network: batches, updates, averages, resumable state.

Every random choice of a step is drawn from (seed, step), so a run that was killed and resumed makes the same
updates as one that was not. ``Trainer`` is the only place that knows about optimisers and devices.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import torch
from PIL import Image as PILImage
from torch import Tensor, nn

from fesbench.contracts import UNKNOWN_LABEL, Dataset, Image
from fesbench.errors import BenchError, CheckpointError, SpecError
from fesbench.files import written_whole

from .checkpoints import read_tensors, save_checkpoint
from .neural import NeuralGenerator
from .objectives import Batch, Objective
from .settings import Settings
from .training_data import STUDIO, TrainingImages, load_images


class Trainer:
    """Two networks, two optimisers and the running average of the generator's weights.

    Args:
        objective: The networks and their losses.
        data: What is learned from.
        settings: How.
        device: Where.
    """

    def __init__(
        self, objective: Objective, data: TrainingImages, settings: Settings, device: str = "cpu"
    ) -> None:
        self.data, self.settings, self.device = data, settings, torch.device(device)
        self.objective = objective.to(self.device).train()
        self.average = copy.deepcopy(objective.generator).requires_grad_(False)
        adam = partial(torch.optim.Adam, lr=settings.learning_rate, betas=settings.betas)
        self.discriminator_optimizer = adam(objective.discriminator.parameters())
        self.generator_optimizer = adam(objective.generator.parameters())
        self.step = 0

    def advance(self) -> dict[str, float]:
        """Make one step and return its weighted losses by name."""
        random = _random(self.settings.seed, "step", self.step)
        batch = self._batch(random)
        terms = self.objective.weighted(self.objective.discriminator_terms(batch, random))
        _update(self.discriminator_optimizer, terms.values())
        if (self.step + 1) % self.settings.n_critic == 0:
            generator_terms = self.objective.weighted(self.objective.generator_terms(batch, random))
            _update(self.generator_optimizer, generator_terms.values())
            self._follow((self.step + 1) // self.settings.n_critic)
            terms |= generator_terms
        self.step += 1
        return {name: round(value.item(), 6) for name, value in terms.items()}

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
        """The step's images, some of them mirrored, from an order that is new in every epoch."""
        total = len(self.data.labels)
        size = min(self.settings.batch_size, total)
        epoch, position = divmod(self.step, total // size)
        order = torch.randperm(total, generator=_random(self.settings.seed, "epoch", epoch))
        chosen = order[position * size : (position + 1) * size]
        pixels = torch.stack([self.data.images[chosen], self.data.images[self.data.neutrals[chosen]]])
        images, neutrals = pixels.float() / 127.5 - 1
        if self.settings.flip:
            mirrored = (torch.rand(size, generator=random) < 0.5)[:, None, None, None]
            images = torch.where(mirrored, images.flip(3), images)
            neutrals = torch.where(mirrored, neutrals.flip(3), neutrals)
        batch = Batch(
            images, self.data.labels[chosen], self.data.subjects[chosen], neutrals, self.data.paired[chosen]
        )
        return Batch(*(part.to(self.device) for part in batch))

    @torch.no_grad()
    def _follow(self, updates: int) -> None:
        """Move the average towards the generator; faster at first, while it is still far from anything."""
        decay = min(self.settings.average, (1 + updates) / (10 + updates))
        parameters = zip(self.average.parameters(), self.objective.generator.parameters(), strict=True)
        for average, parameter in parameters:
            average.lerp_(parameter, 1 - decay)


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

    The folder holds ``state.pt`` to resume from, ``losses.jsonl``, ``samples/*.png``, and the model so far
    as ``NAME.safetensors`` with its card, all of it as of the last save.

    Args:
        model: The kind of generator.
        train: What is learned from; only studio images are used.
        preview: Neutral images of subjects outside training for the sample grids, (N, 3, R, R) uint8, N ≥ 0.
        settings: How.
        folder: Created when missing.
        save_every: Steps between saves.
        device: Where.
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
    ) -> None:
        self.model, self.settings, self.folder, self.save_every = model, settings, folder, save_every
        self.preview, self.trained_on = preview, f"{train.name} ({train.split}, {STUDIO})"
        self.record = {"data": train.name, "split": train.split, "data_digest": train.digest}
        self.data = load_images(train, settings.resolution)
        torch.manual_seed(settings.seed)
        objective = model.objective(self.data, settings)
        self.trainer = Trainer(objective, self.data, settings, device)
        self.seconds = 0.0

    @property
    def state_file(self) -> Path:
        """The resumable state."""
        return self.folder / "state.pt"

    def resume(self) -> None:
        """Go on from the last save.

        Raises:
            SpecError: it was made with other settings or other data.
            CheckpointError: the file is damaged.
        """
        saved = read_tensors(self.state_file)
        if not isinstance(saved, dict) or saved.keys() != {"identity", "seconds", "trainer"}:
            raise CheckpointError(f"{self.state_file} is no state of a training; train into another folder")
        if saved["identity"] != self._identity():
            raise SpecError(
                f"{self.folder} was trained with other settings or data; train into another folder, or use "
                f"the same again. Then: {saved['identity']}. Now: {self._identity()}."
            )
        self.trainer.restore(saved["trainer"])
        self.seconds = float(saved["seconds"])
        _keep_lines(self.folder / "losses.jsonl", self.trainer.step)

    def train(self, limit: Limit, report: Callable[[int, float], None]) -> None:
        """Train until the limit; ``report`` gets each step and the fraction done.

        Raises:
            BenchError: the losses are no numbers any more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic() - self.seconds
        with (self.folder / "losses.jsonl").open("a", encoding="utf-8") as log:
            while limit.progress(self.trainer.step, self.seconds) < 1:
                losses = self.trainer.advance()
                if not all(math.isfinite(value) for value in losses.values()):
                    raise BenchError(
                        f"training diverged at step {self.trainer.step}: {losses}; what was saved is in "
                        f"{self.folder}; train with another --seed, or with --precision float32"
                    )
                self.seconds = time.monotonic() - started
                log.write(json.dumps({"step": self.trainer.step, **losses}) + "\n")
                if self.trainer.step % self.save_every == 0:
                    self._save(log)
                report(self.trainer.step, limit.progress(self.trainer.step, self.seconds))
            self._save(log)

    def generator(self) -> NeuralGenerator:
        """The averaged network so far, behind the generator contract."""
        network = copy.deepcopy(self.trainer.average)
        generator = self.model(network, self.data.expressions, self.settings.resolution)
        generator.card = replace(
            generator.card,
            trained_on=self.trained_on,
            weights=f"trained by fesbench, {self.trainer.step} steps, seed {self.settings.seed}",
            choices=(*generator.card.choices, *self.model.training_choices),
        )
        return generator

    def _save(self, log: TextIO) -> None:
        log.flush()
        generator = self.generator()
        if len(self.preview):
            with written_whole(self.folder / "samples" / f"{self.trainer.step:06d}.png") as unfinished:
                PILImage.fromarray(sample_grid(generator, self.preview)).save(unfinished, format="PNG")
        export = self.folder / f"{generator.card.name}.safetensors"
        save_checkpoint(generator, export, self._training_record(), half=True)
        state = {"identity": self._identity(), "seconds": self.seconds, "trainer": self.trainer.state()}
        with written_whole(self.state_file) as unfinished:
            torch.save(state, unfinished)

    def _identity(self) -> str:
        return json.dumps({**self.record, **asdict(self.settings)}, sort_keys=True)

    def _training_record(self) -> dict[str, Any]:
        return {
            **self.record,
            "images": len(self.data.labels),
            "settings": asdict(self.settings),
            "steps": self.trainer.step,
            "seconds": round(self.seconds, 1),
            "versions": {"fesbench": version("fesbench"), "torch": torch.__version__},
        }


def sample_grid(generator: NeuralGenerator, images: Tensor) -> Image:
    """One row an image: the input, then its synthesis for every expression; (N * R, (1 + C) * R, 3) uint8."""
    device = next(generator.network.parameters()).device
    inputs = images.to(device).float() / 127.5 - 1
    columns = [inputs]
    for label in range(len(generator.card.expressions)):
        targets = torch.full((len(inputs),), label, device=device)
        columns.append(generator.synthesize(inputs, torch.full_like(targets, UNKNOWN_LABEL), targets))
    pixels = ((torch.stack(columns, 1) + 1) * 127.5).round().byte().cpu()
    rows, across, _, height, width = pixels.shape
    grid: Image = pixels.permute(0, 3, 1, 4, 2).reshape(rows * height, across * width, 3).numpy()
    return grid


def _update(optimizer: torch.optim.Optimizer, terms: Iterable[Tensor]) -> None:
    optimizer.zero_grad()
    torch.stack(list(terms)).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _random(*purpose: object) -> torch.Generator:
    """A generator whose numbers depend on ``purpose`` alone."""
    digest = hashlib.sha256(repr(purpose).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _keep_lines(log: Path, count: int) -> None:
    """Drop the losses of steps that were made after the last save and will be made again."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)[:count] if log.exists() else []
    with written_whole(log) as unfinished:
        unfinished.write_text("".join(lines), encoding="utf-8")
