"""The specification of a run: everything that decides its numbers."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from ..core.contracts import CONTROLS, Inference, Upscale
from ..core.errors import SpecError, invalid_fields
from ..core.names import safe_name, split_names
from ..core.serialization import serialized
from ..core.yaml_files import read_yaml

GROWING = ("models", "data", "metrics")
"""Lists that a later call may add to; so may it to ``BY_MODEL``, while all other fields are fixed."""

BY_MODEL = ("checkpoints", "labels", "native_sizes", "action_units")
"""What is stated of single models, by how they are asked for."""

FLAGS = {"model": "models", "metric": "metrics", "checkpoint": "checkpoints", "native_size": "native_sizes"}
"""Names of flags to the fields that they set, where the two differ."""

BEFORE_UPSCALE: Upscale = "output"
"""``upscale`` of runs that do not state it, which earlier versions made."""

LONGEST_NAME = 150
"""Characters of the data sets' names in a run's default name."""


def _path_or_name(value: object) -> object:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, str) and "\0" in text:
        raise ValueError("holds a NUL byte, which no path can hold")
    return text


Reference = Annotated[str, BeforeValidator(_path_or_name)]
"""A name, or a path."""

Names = Annotated[tuple[Reference, ...], Field(min_length=1)]


class Part(NamedTuple):
    """One of the parts that a run is divided into, each for a process or machine of its own.

    Attributes:
        number: Which one, from 1.
        total: How many there are.
    """

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    @property
    def title(self) -> str:
        """The part in words."""
        return f"part {self.number} of {self.total}"

    def holds(self, shard: int) -> bool:
        """Return whether a shard belongs to this part, by its number among those of all data sets."""
        return shard % self.total == self.number - 1


def _as_part(value: object) -> Part:
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value) if isinstance(value, str) else None
    numbers = match.groups() if match else value
    try:
        part = Part(*map(int, numbers))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        part = Part(0, 0)
    if not 1 <= part.number <= part.total:
        raise ValueError("is no part of a run; write 3/16 for the third of sixteen")
    return part


class RunSpec(BaseModel):
    """A grid of generators and data sets, and how to score them.

    ``labels`` and ``native_sizes`` describe the checkpoints of models: the expressions of their labels in
    order, and the image sizes in pixels that they were trained at. ``action_units`` are files of OpenFace
    that drive a model, see ``datasets.action_units.expression_units``.
    ``limit`` keeps that many subjects in each domain. ``resolution`` is the square size in pixels at which
    every image reaches the metrics. No ``metrics`` means all that the backend has. ``folds`` is for
    closed-form models on small real data sets. ``inference`` is how the generators' networks compute, see
    ``generators.synthesis``; metrics and closed-form models do not use it. ``upscale`` is what becomes of
    outputs smaller than ``resolution``. ``registered`` gives generators registered faces, see
    ``generators.registered_inputs``. ``part`` is the share of the shards that is executed, None for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Names = ("all",)
    data: Names = ("rendered",)
    metrics: tuple[str, ...] = ()
    backend: str = "embedded"
    checkpoints: dict[str, Reference] = {}
    labels: dict[str, tuple[str, ...]] = {}
    native_sizes: dict[str, Annotated[int, Field(ge=8, le=1024)]] = {}
    action_units: dict[str, Reference] = {}
    resolution: int = Field(default=128, ge=32, le=1024)
    limit: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    folds: int = Field(default=5, ge=2)
    inference: Inference = "float32"
    upscale: Upscale = "change"
    registered: bool = False
    part: Annotated[Part, BeforeValidator(_as_part), PlainSerializer(str)] | None = None

    @property
    def digest(self) -> str:
        """sha256 over all fields."""
        return hashlib.sha256(serialized(self.model_dump_json).encode()).hexdigest()

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what specs of earlier versions lack: what describes or drives models, later options."""
        content: dict[str, Any] = serialize(self)
        described: dict[str, Any] = {"labels": {}, "native_sizes": {}, "action_units": {}}
        absent = described | {"upscale": BEFORE_UPSCALE, "registered": False, "part": None}
        return {name: value for name, value in content.items() if value != absent.get(name, ...)}

    @property
    def run_name(self) -> str:
        """The default name of the run's folder, from data sets and digest, valid on any file system."""
        data = "+".join(safe_name(Path(name).expanduser().resolve().name) for name in self.data)
        return f"{data[:LONGEST_NAME]}-{self.whole.digest[:8]}"

    @property
    def whole(self) -> RunSpec:
        """The spec of the run that this one is a part of; itself where it is none."""
        return self.model_copy(update={"part": None})

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


Spec = TypeVar("Spec", bound=RunSpec)


class RunConfig(RunSpec):
    """A configuration file: a spec, and where and how to compute the run; None where it states neither."""

    out: str | None = None
    device: str | None = None
    workers: int | None = Field(default=None, ge=0)
    outputs: Literal["files", "shards"] | None = None

    @property
    def stated(self) -> dict[str, Any]:
        """The fields of the spec that the file states."""
        return {name: getattr(self, name) for name in RunSpec.model_fields if name in self.model_fields_set}


def read_config(path: Path) -> RunConfig:
    """Read a YAML file with the names of fields or of flags; what it leaves out keeps its default.

    Raises:
        SpecError: the file is missing, is no YAML mapping, or has a wrong field; the message names it.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise SpecError(f"{path} must hold a mapping such as 'models: [copy, stargan]'")
    try:
        fields = named_as_fields(content)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error
    return _validated(RunConfig, fields, str(path))


def named_as_fields(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Return values by field that are named as fields or flags; one word or path stands for a list of one.

    Raises:
        SpecError: a field is stated twice, or a value of one model does not say of which.
    """
    fields: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        field = FLAGS.get(name, name)
        if field in fields:
            raise SpecError(f"{key} and {field} are one field; state it once")
        fields[field] = value
    if isinstance(metrics := fields.get("metrics"), str):
        fields["metrics"] = split_names(metrics)
    for field in ("models", "data"):
        if isinstance(fields.get(field), str | os.PathLike):
            fields[field] = (fields[field],)
    models = fields.get("models")
    asked = tuple(map(str, models)) if isinstance(models, list | tuple) else ("all",)
    for field in BY_MODEL:
        if isinstance(fields.get(field), str | int | os.PathLike):
            fields[field] = by_model((str(fields[field]),), asked, field)
    return fields


def by_model(entries: Sequence[str], models: Sequence[str], field: str) -> dict[str, Any]:
    """Return the values of a flag ``[MODEL=]VALUE`` by model; without a name, the one that is no control.

    Raises:
        SpecError: an entry names no model, and the run has several, or ``all``.
    """
    compared = [name for name in models if name not in CONTROLS] or [*models]
    found = {}
    for entry in entries:
        name, named, value = entry.partition("=")
        if not named and (len(compared) != 1 or "all" in compared):
            option = next((f"--{flag}" for flag, its in FLAGS.items() if its == field), f"--{field}")
            option = option.replace("_", "-")
            raise SpecError(
                f"{option} {entry} needs exactly one --model beside controls; write {option} MODEL={entry}"
            )
        text = value if named else entry
        found[name if named else compared[0]] = split_names(text) if field == "labels" else text
    return found


def validate(fields: dict[str, object], origin: str) -> RunSpec:
    """Return a spec from plain fields; errors name ``origin``, the field and its value."""
    return _validated(RunSpec, fields, origin)


def _validated(kind: type[Spec], content: dict[str, object], origin: str) -> Spec:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        raise SpecError(f"{origin}: {invalid_fields(error)}. Fields: {known}.") from error


def canonical_json(content: object) -> str:
    """Return JSON with sorted keys and without NaN: equal content gives equal text."""
    return json.dumps(content, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
