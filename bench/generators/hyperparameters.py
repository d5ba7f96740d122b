"""Hyperparameters of a training, and files that change them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ..core.errors import SpecError, invalid_fields
from ..core.files import read_limited
from ..core.yaml_files import read_yaml

MAX_BYTES = 1 << 16

LONGEST_DECAY = 0.2
"""The part of a training in which the rate of the ``plateau`` schedule falls, at most."""

Size = Annotated[int, Field(ge=1, le=4096)]
Pixels = Annotated[int, Field(ge=0, le=16)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of a training.

    The defaults suit a small network and less than an hour of a CPU. A model's ``official`` settings are
    those of its authors. Ranges are checked where settings come from a file or a command line.

    Attributes:
        resolution: Image size in pixels; each model has its own limits.
        width: Channels of the generator's first layer.
        discriminator_width: Channels of the discriminator's first layer.
        batch_size: Images in a step, on all devices together.
        n_critic: Discriminator updates for one of the generator; a step is one of the former.
        steps: Number of steps where no time limit is given.
        learning_rate: Of Adam, for both networks, before the schedule.
        betas: Of Adam.
        schedule: ``constant``; ``linear``, from ``decay_from`` on down to ``decay_to`` at the end; ``step``,
            ``decay_to`` at once from ``decay_from`` on; ``plateau``, for a training of open length: constant,
            then down to 0 in the last ``decay_steps``, at most a fifth of the training. The end follows
            from the scores of the candidates, see ``Selection.end``; ``steps`` is the latest.
        decay_from: Fraction of the training after which the learning rate falls.
        decay_steps: See ``schedule``.
        plateau_from: The first candidate at which a ``plateau`` is looked for.
        patience: Candidates in a row that bring nothing new before the rate falls.
        decay_to: Final learning rate as a fraction of the initial one. StarGAN's official code, and code
            derived from it, lowers the rate by a hundred-thousandth at each of 100 updates: it ends at 0.999
            of the rate, not at 0 as the paper says.
        weights: Weights of loss terms, by name, that differ from the method's own.
        average: Decay of the exponential moving average of the generator's weights, which is the result.
        flip: Whether half of the images are mirrored.
        jitter: Images are shifted by up to that many pixels, and their neutral faces with them.
        jitter_apart: Neutral faces are shifted by up to that many pixels more, by themselves: photos of one
            person with two expressions never register to the pixel.
        precision: Of the generator's passes; the discriminator and its gradient penalty keep float32.
        seed: Of the initial weights and of every random choice.
        candidates: Steps whose averaged weights, like those of the last step, may be chosen as the result;
            see ``Validation``.
    """

    resolution: Annotated[int, Field(ge=16, le=1024)] = 64
    width: Size = 16
    discriminator_width: Size = 24
    batch_size: Size = 8
    n_critic: Size = 1
    steps: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Positive = 4e-4
    betas: tuple[Decay, Decay] = (0.5, 0.999)
    schedule: Literal["constant", "linear", "step", "plateau"] = "constant"
    decay_from: Decay = 0.5
    decay_steps: Annotated[int, Field(ge=1)] = 2000
    plateau_from: Annotated[int, Field(ge=1)] = 8000
    patience: Annotated[int, Field(ge=1)] = 3
    decay_to: Fraction = 0.0
    weights: Mapping[str, Weight] = field(default_factory=dict)
    average: Decay = 0.999
    flip: bool = True
    jitter: Pixels = 0
    jitter_apart: Pixels = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Annotated[int, Field(ge=0)] = 0
    candidates: tuple[Annotated[int, Field(ge=1)], ...] = ()

    def learning_rate_at(self, progress: float) -> float:
        """Return the learning rate after a fraction ``progress`` of the training."""
        if self.schedule == "plateau":
            return self.learning_rate * min(1.0, (1 - progress) / self._decaying_share)
        if self.schedule == "constant" or progress < self.decay_from:
            return self.learning_rate
        fallen = 1.0
        if self.schedule == "linear":
            fallen = min((progress - self.decay_from) / (1 - self.decay_from), 1.0)
        return self.learning_rate * (1 - fallen * (1 - self.decay_to))

    @property
    def _decaying_share(self) -> float:
        return min(self.decay_steps / self.steps, LONGEST_DECAY) if self.steps else LONGEST_DECAY


def changed(settings: Settings, changes: Mapping[str, Any], origin: str) -> Settings:
    """Return ``settings`` with other values in some fields, after checking all fields.

    Args:
        settings: Settings to change.
        changes: New values by field name.
        origin: Source of the changes, for messages.

    Raises:
        SpecError: unknown fields or values out of range; the message lists all of them.
    """
    known = [entry.name for entry in fields(Settings)]
    unknown = sorted(str(name) for name in changes if name not in known)
    if unknown:
        raise SpecError(f"{origin}: unknown settings {', '.join(unknown)}. Known: {', '.join(known)}.")
    try:
        found = _ADAPTER.validate_python({**asdict(settings), **changes})
    except ValidationError as error:
        raise SpecError(f"{origin}: {invalid_fields(error)}") from error
    if found.schedule == "step" and found.decay_to == 0:
        raise SpecError(f"{origin}: schedule step with decay_to 0 ends all learning; set decay_to, say 0.1")
    return found


def read_changes(path: Path) -> dict[str, Any]:
    """Read fields of ``Settings`` from a YAML file, or from a file that ends in ``.toml``, without checks.

    Raises:
        SpecError: the file cannot be read, is too large, or holds no mapping.
    """
    content = _read_toml(path) if path.suffix == ".toml" else read_yaml(path)
    if not isinstance(content, dict):
        raise SpecError(f"{path} must hold settings such as 'batch_size: 16', one a line")
    return content


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_limited(path, MAX_BYTES, "keep the settings alone").decode("utf-8"))
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path} cannot be read as TOML: {error}") from error


_ADAPTER = TypeAdapter(Settings)
