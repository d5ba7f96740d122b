"""The specification of a run: everything that decides its numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from ..core.contracts import Inference, Upscale
from ..core.errors import SpecError, invalid_fields
from ..core.names import safe_name
from ..core.yaml_files import read_yaml

GROWING = ("models", "data", "metrics")
"""Lists that a later call may add to; so may it to ``BY_MODEL``, while all other fields are fixed."""

BY_MODEL = ("checkpoints", "labels", "native_sizes", "action_units")
"""What is stated of single models, by how they are asked for."""

BEFORE_UPSCALE: Upscale = "output"
"""``upscale`` of runs that do not state it, which earlier versions made."""

LONGEST_NAME = 150
"""Characters of the data sets' names in a run's default name."""


def _path_or_name(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL byte, which no path can hold")
    return text


Reference = Annotated[str, AfterValidator(_path_or_name)]
"""A name, or a path."""

Names = Annotated[tuple[Reference, ...], Field(min_length=1)]


class RunSpec(BaseModel):
    """A grid of generators and data sets, and how to score them.

    ``labels`` and ``native_sizes`` describe the checkpoints of models: the expressions of their labels in
    order, and the image sizes in pixels that they were trained at. ``action_units`` are files of OpenFace
    that drive a model, see ``datasets.action_units.expression_units``.
    ``limit`` keeps that many subjects in each domain. ``resolution`` is the square size in pixels at which
    every image reaches the metrics. No ``metrics`` means all that the backend has. ``folds`` is for
    closed-form models on small real data sets. ``inference`` is how the generators' networks compute, see
    ``generators.synthesis``; metrics and closed-form models do not use it. ``upscale`` is what becomes of
    outputs smaller than ``resolution``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Names = ("all",)
    data: Names = ("rendered",)
    metrics: tuple[str, ...] = ()
    backend: str = "embedded"
    checkpoints: dict[str, Reference] = {}
    labels: dict[str, tuple[str, ...]] = {}
    native_sizes: dict[str, Annotated[int, Field(ge=8, le=1024)]] = {}
    action_units: dict[str, str] = {}
    resolution: int = Field(default=128, ge=32, le=1024)
    limit: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    folds: int = Field(default=5, ge=2)
    inference: Inference = "float32"
    upscale: Upscale = "change"

    @property
    def digest(self) -> str:
        """sha256 over all fields."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what specs of earlier versions lack: descriptions of checkpoints, enlarged outputs."""
        content: dict[str, Any] = serialize(self)
        absent: dict[str, Any] = {"labels": {}, "native_sizes": {}, "upscale": BEFORE_UPSCALE}
        return {name: value for name, value in content.items() if value != absent.get(name, ...)}

    @property
    def run_name(self) -> str:
        """The default name of the run's folder, from data sets and digest, valid on any file system."""
        data = "+".join(safe_name(Path(name).expanduser().resolve().name) for name in self.data)
        return f"{data[:LONGEST_NAME]}-{self.digest[:8]}"

    def grown_from(self, earlier: RunSpec) -> RunSpec:
        """Return this spec with everything that the earlier one asked for.

        A checkpoint of this spec takes the place of one for the same model; whether it may is decided by its
        content, see ``identities.check_identities``.

        Raises:
            SpecError: a field that may not change differs; the message shows each difference.
        """
        old, new = vars(earlier), vars(self)
        fixed = new.keys() - {*GROWING, *BY_MODEL}
        changed = [name for name in new if name in fixed and old[name] != new[name]]
        if changed:
            lines = [f"  {name}: {old[name]!r} in the run, {new[name]!r} asked for" for name in changed]
            raise SpecError(
                "this run exists with another specification:\n"
                + "\n".join(lines)
                + "\nOnly models, checkpoints, data sets and metrics may be added; choose another folder "
                "with --out."
            )
        grown = {name: tuple(dict.fromkeys((*old[name], *new[name]))) for name in GROWING}
        stated = {name: getattr(earlier, name) | getattr(self, name) for name in BY_MODEL}
        return self.model_copy(update=grown | stated)


def read_config(path: Path) -> RunSpec:
    """Read a spec from a YAML file; fields that it leaves out keep their defaults.

    Raises:
        SpecError: the file is missing, is no YAML mapping, or has a wrong field; the message names it.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise SpecError(f"{path} must hold a mapping such as 'models: [copy, stargan]'")
    return validate(content, str(path))


def validate(fields: dict[str, object], origin: str) -> RunSpec:
    """Return a spec from plain fields; errors name ``origin``, the field and its value."""
    try:
        return RunSpec.model_validate(fields)
    except ValidationError as error:
        raise SpecError(
            f"{origin}: {invalid_fields(error)}. Fields: {', '.join(RunSpec.model_fields)}."
        ) from error


def canonical_json(content: object) -> str:
    """Return JSON with sorted keys and without NaN: equal content gives equal text."""
    return json.dumps(content, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
