"""A training in a folder: steps, saves, the choice among candidate weights, the training record."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor, nn

from fesbench.datasets.image_grid import ImageGrid

from ..core.contracts import NEUTRAL, STUDIO, UNKNOWN_LABEL, Dataset, Image
from ..core.errors import CheckpointError, SpecError
from ..core.files import written_whole
from ..generators.checkpoints import save_checkpoint
from ..generators.hyperparameters import Settings
from ..generators.neural import TUNED_BY, NeuralGenerator
from ..generators.training_data import TrainingImages, load_images
from ..weights.tensors import check_archive, read_tensors
from .checkpoint_selection import Selection, Validation
from .devices import SharedFailure, fail_together
from .log import TrainingLog
from .trainer import Trainer

STATE_FILE = "state.pt"
STATE_KEYS = {"identity", "seconds", "processor_seconds", "commits", "selection", "trainer"}


class Limit(NamedTuple):
    """The length of a training: steps, seconds or both, including those before a resume."""

    steps: int | None = None
    seconds: float | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Return the fraction that is done; 1 or more at the end."""
        parts = [step / self.steps if self.steps else 0.0, seconds / self.seconds if self.seconds else 0.0]
        return max(parts)


class TrainingRun:
    """A training whose state, losses, samples and model are kept in a folder.

    The folder holds ``state.pt`` to resume from, ``losses.jsonl``, TensorBoard's ``curves/`` where that is
    installed, ``samples/*.png``, and the model so far as ``NAME.safetensors`` with its card, all as of the
    last save. With several processes only the first writes.

    Args:
        model: The class of the generator.
        train: The training data; only studio images are used.
        preview: Neutral images of subjects outside the training for the sample grids, (N, 3, R, R) uint8,
            N ≥ 0.
        settings: The hyperparameters.
        folder: Created when missing.
        save_every: Steps between saves.
        device: See ``start_fabric``.
        images: ``load_images(train, settings.resolution)``, to load them only once for several trainings.
        notes: Further entries of the training record in the model's card, such as the protocol.
        code: The commit that this part of the training is made with; see ``environment.commit``.
        validation: Scores the candidates that the settings name; without it the last weights are kept.
        landmarks: (N, 68, 2) float32, of the faces in ``preview``, for a ``LandmarkGenerator``.

    Raises:
        DatasetError: there are no images to train on.
        SpecError: the settings do not fit the model, or the device cannot be used.
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
        code: Mapping[str, str | bool | None] = MappingProxyType({}),
        validation: Validation | None = None,
        landmarks: Tensor | None = None,
    ) -> None:
        self.model, self.settings, self.folder, self.save_every = model, settings, folder, save_every
        self.landmarks = landmarks
        self.preview, self.trained_on = preview, f"{train.name} ({train.split}, {STUDIO})"
        self.record = {"data": train.name, "split": train.split, "data_digest": train.digest}
        self.notes, self.selection = notes, Selection(validation, folder)
        self.code, self.commits = dict(code), list[dict[str, Any]]()
        self.data = model.prepared(train, images or load_images(train, settings.resolution))
        if self.data.expression_units is not None and self.data.action_units is not None:
            self.record["action_units"] = _digest(self.data.action_units)
        if self.data.registered:
            self.record["registered"] = self.data.registered
        torch.manual_seed(settings.seed)
        objective = model.objective(self.data, settings)
        self.trainer = Trainer(objective, self.data, settings, device)
        self.seconds = self.processor_seconds = 0.0
        self.losses: dict[str, float] = {}
        self.end = self.selection.end(settings)

    @property
    def state_file(self) -> Path:
        """The file to resume from."""
        return self.folder / STATE_FILE

    @property
    def checkpoint(self) -> Path:
        """The file of the chosen weights; while no candidate was scored, of those at the last save."""
        return self.folder / f"{self.model.template.name}.safetensors"

    @property
    def kept(self) -> int:
        """The step whose weights the checkpoint holds."""
        return self.selection.chosen or self.trainer.step

    def resume(self) -> None:
        """Load the state of the last save.

        Raises:
            SpecError: it was made with other settings or other data.
            CheckpointError: the file is damaged.
        """
        check_archive(self.state_file)
        saved = read_tensors(self.state_file)
        if not isinstance(saved, dict) or saved.keys() != STATE_KEYS:
            raise CheckpointError(f"{self.state_file} is no state of a training; train into another folder")
        if saved["identity"] != self._identity():
            raise SpecError(
                f"{self.folder} was trained with other settings or data: "
                f"{_differences(saved['identity'], self._identity())}; use the same again, or train into "
                "another folder"
            )
        self.trainer.restore(saved["trainer"])
        self.seconds, self.processor_seconds = saved["seconds"], saved["processor_seconds"]
        self.commits = saved["commits"]
        self.selection.restore(saved["selection"])
        self.end = self.selection.end(self.settings)

    def progress(self, limit: Limit) -> float:
        """Return the fraction of the training that is done; 1 or more at its end, wherever that is by now."""
        return self._until_end(limit).progress(self.trainer.step, self.seconds)

    def train(self, limit: Limit, report: Callable[[int, float], None], pause: int | None = None) -> None:
        """Train until the limit or the end of its schedule, then save.

        Args:
            limit: When to stop; nothing is done after it.
            report: Called after each step with its number and the fraction of the training that is done;
                ``losses`` and ``seconds`` are up to date by then.
            pause: Stop before that, after this many steps of this call.

        Raises:
            SharedFailure: a loss is not finite; or, with several processes, one cannot judge or write.
            BenchError: a single process cannot judge or write.
        """
        clock = _Clock(self.seconds, self.processor_seconds)
        stop = math.inf if pause is None else self.trainer.step + pause
        self._note_code()
        with TrainingLog(self.folder if self._leads else None, self.trainer.step) as log:
            self._judge_candidate(log)
            while (progress := self.progress(limit)) < 1 and self.trainer.step < stop:
                self.losses = self.trainer.advance(self._learning_rate(limit, progress))
                self._refuse_divergence()
                # The same time in all processes: otherwise some would stop while others wait for them.
                self.seconds, self.processor_seconds = self.trainer.mean(clock.read()).tolist()
                log.write(self.trainer.step, self.losses)
                if self._judge_candidate(log) or self.trainer.step % self.save_every == 0:
                    self._save(log)
                report(self.trainer.step, self.progress(limit))
            if self._has_candidates and self.progress(limit) >= 1:
                self._judge(log)
            self._save(log)

    def _until_end(self, limit: Limit) -> Limit:
        """Return the limit, with no more steps than the schedule has as far as is known."""
        return limit if self.end is None else limit._replace(steps=min(limit.steps or self.end, self.end))

    def _learning_rate(self, limit: Limit, progress: float) -> float:
        return replace(self.settings, steps=self._until_end(limit).steps).learning_rate_at(progress)

    def _note_code(self) -> None:
        """Record the commit from this step on, unless it is the same as before."""
        part = {"from_step": self.trainer.step, **self.code}
        if not self.commits or self.commits[-1] != {**part, "from_step": self.commits[-1]["from_step"]}:
            self.commits.append(part)

    def generator(self) -> NeuralGenerator:
        """Return the chosen network with its card; while no candidate was scored, the averaged one."""
        chosen = self.selection.chosen
        if chosen is None:
            return self._averaged()
        network = copy.deepcopy(self.trainer.average)
        network.load_state_dict(self.selection.state_dict(chosen))
        return self._described(network, chosen)

    def _averaged(self) -> NeuralGenerator:
        """Return a copy of the generator with the averaged weights of the present step."""
        return self._described(self.trainer.averaged(), self.trainer.step)

    def _described(self, network: nn.Module, steps: int) -> NeuralGenerator:
        """Return the generator of a network after ``steps`` steps, with its card."""
        generator = self.model.trained(network, self.data, self.settings.resolution)
        generator.card = replace(
            generator.card,
            trained_on=self.trained_on,
            weights=f"trained by fesbench, {steps} steps, seed {self.settings.seed}",
            choices=(
                *generator.card.choices,
                f"learns from {self.model.supervision_of(self.data)}",
                *self.model.training_choices,
            ),
            guided_by=self._guided_by,
            learned_registered=bool(self.data.registered),
        )
        return generator

    @property
    def _guided_by(self) -> tuple[str, ...] | None:
        """The metric networks that influenced the weights; None where tuning trials used unknown ones.

        A run refuses to score the model with any of these.
        """
        ours = dict(self.settings.weights) == dict(self.model.small_weights)
        if self.notes.get("trials") and not ours:
            return None
        tuned = TUNED_BY if ours and self.settings.weights else ()
        networks = (*(self.model.template.guided_by or ()), *tuned, *self.selection.networks)
        return tuple(dict.fromkeys(networks))

    def _judge_candidate(self, log: TrainingLog) -> bool:
        """Score the present weights if the settings name them as a candidate; return whether they do."""
        candidate = self.selection.validation is not None and self.trainer.step in self.settings.candidates
        if candidate:
            self._judge(log)
        return candidate

    @property
    def _has_candidates(self) -> bool:
        """Whether there is something to choose from, in all processes alike."""
        reached = any(step <= self.trainer.step for step in self.settings.candidates)
        return self.selection.validation is not None and reached

    def _judge(self, log: TrainingLog) -> None:
        with fail_together(self.trainer.fabric):
            if self._leads and (step := self.trainer.step) not in self.selection.outcomes:
                record = {**self.training_record(), "steps": step, "selection": "see outcomes"}
                self.selection.judge(step, self._averaged(), record)
                log.write_outcomes(step, self.selection.outcomes[step].means())
        self.end = self.trainer.fabric.broadcast(self.selection.end(self.settings))

    def _refuse_divergence(self) -> None:
        if not all(math.isfinite(value) for value in self.losses.values()):
            raise SharedFailure(
                f"training diverged at step {self.trainer.step}: {self.losses}; what was saved is in "
                f"{self.folder}; train with another --seed, or with --precision float32"
            )

    @property
    def _leads(self) -> bool:
        """Whether this process writes the files."""
        return self.trainer.fabric.is_global_zero

    def _save(self, log: TrainingLog) -> None:
        with fail_together(self.trainer.fabric):
            if self._leads:
                self._save_samples(log)
                log.flush()
                save_checkpoint(self.generator(), self.checkpoint, self.training_record(), half=True)
                self._save_state()

    def _save_samples(self, log: TrainingLog) -> None:
        if len(self.preview):
            grid = sample_grid(self._averaged(), self.preview, self.landmarks)
            log.write_samples(self.trainer.step, grid)
            with written_whole(self.folder / "samples" / f"{self.trainer.step:06d}.png") as unfinished:
                PILImage.fromarray(grid).save(unfinished, format="PNG")

    def _save_state(self) -> None:
        state = {
            "identity": self._identity(),
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
            "commits": self.commits,
            "selection": self.selection.state(),
            "trainer": self.trainer.state(),
        }
        with written_whole(self.state_file) as unfinished, unfinished.open("wb") as file:
            torch.save(state, file)  # to an open file, as only that tells why it cannot be written

    def _identity(self) -> str:
        """Return all that decides the updates; a resumed training must agree with it."""
        settings = asdict(self.settings)
        if self.settings.schedule != "plateau":
            for undecided in ("candidates", "decay_steps", "plateau_from", "patience"):
                del settings[undecided]
        if self.settings.schedule == "constant":
            del settings["steps"]
        return json.dumps({**self.record, **settings}, sort_keys=True)

    def training_record(self) -> dict[str, Any]:
        """Return what is recorded of the training in the card of its checkpoint."""
        return {
            **self.record,
            "images": len(self.data.labels),
            "supervision": self.model.supervision_of(self.data),
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
            **self.code,
            "dirty": _any_dirty(self.commits or [self.code]),
            "commits": self.commits,
        }


def _differences(then: str, now: str) -> str:
    """Return the entries in which two identities differ, with both values."""
    old, new = json.loads(then), json.loads(now)
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} was {old.get(name)} and is now {new.get(name)}" for name in differing)


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()


def _any_dirty(commits: Sequence[Mapping[str, Any]]) -> bool | None:
    """Return whether any part was made with uncommitted changes; None where that is not known of any."""
    known = [part["dirty"] for part in commits if part.get("dirty") is not None]
    return any(known) if known else None


class _Clock:
    """Measures elapsed time and processor time, starting from what earlier parts of a training took."""

    def __init__(self, seconds: float, processor_seconds: float) -> None:
        self._start = time.monotonic() - seconds
        self._processor_start = time.process_time() - processor_seconds

    def read(self) -> Tensor:
        """Return both in seconds: (2,) float32."""
        return torch.tensor([time.monotonic() - self._start, time.process_time() - self._processor_start])


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def sample_grid(generator: NeuralGenerator, images: Tensor, landmarks: Tensor | None = None) -> Image:
    """Draw one row for each neutral image: the image, then its synthesis for every expression.

    Args:
        generator: With C expressions.
        images: (N, 3, R, R) uint8.
        landmarks: (N, 68, 2) float32, which a ``LandmarkGenerator`` is told.

    Returns:
        (N * R, (1 + C) * R, 3) uint8; only the images where the generator needs the source expression and
        has no label for neutral.
    """
    device = next(generator.network.parameters()).device
    inputs = images.to(device).float() / 127.5 - 1
    columns = [inputs]
    labels = generator.card.expressions
    neutral = labels.index(NEUTRAL) if NEUTRAL in labels else UNKNOWN_LABEL
    answerable = neutral != UNKNOWN_LABEL or not generator.card.needs_source
    for label in range(len(labels) if answerable else 0):
        targets = torch.full((len(inputs),), label, device=device)
        known = () if landmarks is None else (landmarks,)
        columns.append(generator.synthesize(inputs, torch.full_like(targets, neutral), targets, *known))
    pixels = ((torch.stack(columns, 1) + 1) * 127.5).round().byte().permute(0, 1, 3, 4, 2).cpu().numpy()
    rows, across, height, width, _ = pixels.shape
    grid = ImageGrid(across, rows, (width, height))
    return np.asarray(grid.sheet(map(PILImage.fromarray, line) for line in pixels))
