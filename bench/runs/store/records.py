"""What a run writes down about itself: ``run.json`` and ``identities.json``, typed.

Every field is known here, so a file that was edited by hand or written by another version is refused by the
name of its field. Numbers that do not exist are NaN, or infinite at the open end of a range, in memory, and
null in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from math import inf, nan
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    field_serializer,
    model_serializer,
)
from pydantic_core import PydanticSerializationError

from ...core.contracts import CONTROLS, Block, Column, FeatureExtractorCard, GeneratorCard, MetricCard
from ...core.errors import BenchError, invalid_fields
from ...core.serialization import serialized
from ...core.text import plain_text
from ..spec import BEFORE_UPSCALE, RunSpec, canonical_json

SCHEMA_VERSION: Literal[1] = 1

REMEDY = "restore it, or choose another --out"

OutputForm = Literal["files", "shards"]
"""How a run keeps its outputs: a file for each, or an archive for each shard; see ``store.outputs``."""

Status = Literal["started", "partial", "complete"]


def _null_as(number: float) -> BeforeValidator:
    return BeforeValidator(lambda value: number if value is None else value)


Number = Annotated[float, _null_as(nan)]
"""A number that may not exist: NaN, and null in the file."""


class _Entry(BaseModel):
    """A part of a record: known fields of known types only."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TrainingSetRecord(_Entry):
    """The data that closed-form models were fitted on; ``home`` names the data set."""

    digest: str
    home: str
    protocol: str


class ReferenceRecord(_Entry):
    """How many reference images a domain has for set metrics, and what they are."""

    count: int
    label: str


class ProblemRecord(_Entry):
    """An input that was left out, and why."""

    path: str
    reason: str


class DatasetRecord(_Entry):
    """A data set of the run; ``references`` by domain, ``notes`` as ``Dataset.notes``.

    ``targets`` are the expressions asked for where they are fewer than those of the data set;
    ``references_digest`` as that of ``Dataset``.
    """

    digest: str
    edits: int
    problems: list[ProblemRecord]
    references: dict[str, ReferenceRecord]
    trained_on: TrainingSetRecord
    targets: list[str] = []
    notes: list[str] = []
    references_digest: str = ""

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out empty fields that records of earlier versions have not."""
        content: dict[str, Any] = serialize(self)
        optional = ("targets", "notes", "references_digest")
        return {name: value for name, value in content.items() if value or name not in optional}


def plain_card(card: GeneratorCard) -> GeneratorCard:
    """Return a card whose texts a terminal can print: without control characters."""
    stated = {field.name: getattr(card, field.name) for field in fields(GeneratorCard)}
    texts = {name: plain_text(value) for name, value in stated.items() if isinstance(value, str)}
    lists = {
        name: tuple(map(plain_text, value)) for name, value in stated.items() if isinstance(value, tuple)
    }
    return GeneratorCard(**stated | texts | lists)


class ModelRecord(_Entry):
    """A generator on one data set: its card, which may depend on what it was fitted on, and its block."""

    block: Block
    card: Annotated[GeneratorCard, AfterValidator(plain_card)]

    @field_serializer("card", mode="wrap")
    def _without_absent(self, card: GeneratorCard, serialize: SerializerFunctionWrapHandler) -> Any:
        """Leave out empty fields that records of earlier versions do not have."""
        later = ("assumed", "driven_by", "registered", "learned_registered", "training_of")
        return {name: value for name, value in serialize(card).items() if value or name not in later}


_CARD = TypeAdapter(GeneratorCard)


def check_recordable(card: GeneratorCard) -> None:
    """Check that a card can be read back from ``run.json``.

    Raises:
        BenchError: a field is of another type than ``GeneratorCard`` states.
    """
    try:
        _CARD.validate_json(_CARD.dump_json(card, warnings=False), strict=True)
    except ValidationError as error:
        raise BenchError(f"the card of {card.name} cannot be recorded: {invalid_fields(error)}") from error
    except PydanticSerializationError as error:
        raise BenchError(f"the card of {card.name} cannot be recorded: {error}") from error


@dataclass(frozen=True)
class ColumnRecord(Column):
    """A column of a metric, whose range may be open."""

    low: Annotated[float, _null_as(-inf)] = -inf
    high: Annotated[float, _null_as(inf)] = inf


@dataclass(frozen=True)
class MetricRecord(MetricCard):
    """The card of a metric, whose range may be open.

    Attributes:
        columns: The names of the columns.
        details: What each column means; empty in records of versions that did not store it.
    """

    low: Annotated[float, _null_as(-inf)]
    high: Annotated[float, _null_as(inf)]
    columns: tuple[str, ...] = ()
    details: tuple[ColumnRecord, ...] = ()

    @classmethod
    def of(cls, card: MetricCard) -> Self:
        """Return the record of a card."""
        details = tuple(ColumnRecord(**vars(column)) for column in card.described_columns)
        return cls(**vars(card) | {"columns": card.column_names, "details": details})

    @property
    def described_columns(self) -> tuple[Column, ...]:
        """Every column with its description, the headline column first."""
        return self.details or super().described_columns


@dataclass(frozen=True)
class NetworkRecord(FeatureExtractorCard):
    """The card of a network, and the ids of the metrics that read its features."""

    metrics: Sequence[str] = ()


class CalibrationGap(_Entry):
    """By how much degraded real images score worse than the real ones, with a 95% interval."""

    difference: Number
    high: Number
    low: Number


class CalibrationRecord(_Entry):
    """Whether a set metric can rank models in a domain; see ``metrics.calibration``."""

    dataset: str
    domain: str
    fit_to_rank: bool
    gaps: dict[str, CalibrationGap]
    images: int
    metric: str
    references: int
    value: Number
    verdict: str


class CeilingRecord(_Entry):
    """What an expression classifier gets right on true targets of a domain; see ``metrics.ecs.Ceiling``."""

    accuracy: float
    confusion: dict[str, Sequence[int]]
    dataset: str
    domain: str
    images: int
    labels: Sequence[str]
    macro: float
    metric: str
    subjects: int


class FaceLevelRecord(_Entry):
    """What real images of a domain reach in a face similarity; see ``metrics.fss.Levels``."""

    dataset: str
    domain: str
    genuine: Number
    impostor: Number
    metric: str
    pairs: int
    subjects: int


class CodeRecord(_Entry):
    """The commit of the suite, None for an installed package, and whether the checkout had changes."""

    commit: str | None = None
    dirty: bool | None = None


class CountsRecord(_Entry):
    """Edits over all generators: asked for, done with or without an output, and done without one."""

    asked: int
    done: int
    failed: int


class DeviceRecord(_Entry):
    """What computed: the torch device, the processor's name, and the number of threads."""

    device: str = ""
    name: str = ""
    threads: int = 0


class OutputsRecord(_Entry):
    """How many edits a generator was asked for, and how many it gave an output for."""

    answered: int
    asked: int


class SynthesisRecord(_Entry):
    """The outputs that a generator made, and how long that took."""

    outputs: int
    seconds: float


def _completed(spec: object) -> object:
    """Add what specs of earlier versions do not state."""
    return {"upscale": BEFORE_UPSCALE, **spec} if isinstance(spec, dict) else spec


class _File(BaseModel):
    """A JSON file of the run directory."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @classmethod
    def parse(cls, text: str, path: object) -> Self:
        """Read the content of a file.

        Args:
            text: The content.
            path: Where it comes from, for messages.

        Raises:
            BenchError: it is no JSON, of another version, or a field is unknown or of another type.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            errors = error.errors()
            if errors[0]["type"] == "json_invalid":
                raise BenchError(f"{path} is damaged ({errors[0]['msg']}); {REMEDY}") from error
            raise BenchError(
                f"{path} was changed or is of another version: {invalid_fields(error)}; {REMEDY}"
            ) from error

    def to_json(self) -> str:
        """Return the text of the file: the fields that were set, by name, missing numbers as null."""
        content = json.loads(serialized(partial(self.model_dump_json, warnings=False)))
        return canonical_json({name: content[name] for name in self.model_fields_set})


class RunRecord(_File):
    """The content of ``run.json``.

    Attributes:
        status: ``started`` until the run has come to its end, then ``complete``, or ``partial`` where
            something failed.
        spec: What the run was asked to do; None as long as nothing was.
        datasets: Data set to what it was.
        names: Model as it was asked for to the name that its results have.
        models: Generator to data set to card and block.
        metrics: Metric id to card.
        networks: Network to card.
        calibrations: Set metrics in each domain.
        ceilings: Expression classifiers in each domain with true targets.
        face_levels: Face similarities in each domain.
        independence: Sentences on networks that may have seen the test subjects.
        unavailable: Model or metric to why it could not be used.
        failed: Edits without an output, controls left out.
        unscored: Scores that are missing because a metric failed.
        outputs: Data set to generator to how many edits it answered.
        counts: Progress over all generators.
        seconds: Stage to how long it took.
        synthesis: Generator to what making its outputs took.
        versions: Package to version; None where it is not installed.
        code: The commit of the suite.
        device: What computed.
        checkpoints: Model to the sha256 of the checkpoint that was given for it.
        edits: Of a robustness run: how many edits of each data set are perturbed.
        fits: Closed-form model to data set to the sha256 of its fits, one for each fold.
        output_form: How the run keeps its outputs; left out, each is a file.
        varying: Model of other people's code to data set to what its outputs depend on beside the edit, a
            clause; empty where it was asked again and gave the same.
    """

    schema_version: Literal[1]
    status: Status = "started"
    spec: Annotated[RunSpec | None, BeforeValidator(_completed)] = None
    datasets: dict[str, DatasetRecord] = {}
    names: dict[str, str] = {}
    models: dict[str, dict[str, ModelRecord]] = {}
    metrics: dict[str, MetricRecord] = {}
    networks: dict[str, NetworkRecord] = {}
    calibrations: list[CalibrationRecord] = []
    ceilings: list[CeilingRecord] = []
    face_levels: list[FaceLevelRecord] = []
    independence: list[str] = []
    unavailable: dict[str, str] = {}
    failed: int = 0
    unscored: int = 0
    outputs: dict[str, dict[str, OutputsRecord]] = {}
    counts: CountsRecord | None = None
    seconds: dict[str, float] = {}
    synthesis: dict[str, SynthesisRecord] = {}
    versions: dict[str, str | None] = {}
    code: CodeRecord = CodeRecord()
    device: DeviceRecord = DeviceRecord()
    checkpoints: dict[str, str] = {}
    edits: int | None = None
    fits: dict[str, dict[str, tuple[str, ...]]] = {}
    output_form: OutputForm = "files"
    varying: dict[str, dict[str, str]] = {}

    @field_serializer("metrics", mode="wrap")
    def _without_empty(
        self, metrics: dict[str, MetricRecord], serialize: SerializerFunctionWrapHandler
    ) -> dict[str, dict[str, Any]]:
        """Leave out details and citations that are empty, as earlier versions did not store them."""
        optional = ("details", "citations")
        return {
            name: {field: value for field, value in card.items() if value or field not in optional}
            for name, card in serialize(metrics).items()
        }

    @classmethod
    def new(cls) -> Self:
        """Return the record of a run that nothing is known of yet."""
        return cls(schema_version=SCHEMA_VERSION)

    @property
    def is_new(self) -> bool:
        """Whether nothing was written down yet."""
        return self.model_fields_set == {"schema_version"}

    @property
    def went_well(self) -> bool:
        """Whether every model and metric could be used, every edit has an output, and no metric failed."""
        return not (self.unavailable or self.failed or self.unscored)

    @property
    def controls(self) -> frozenset[str]:
        """The names of the suite's own controls; a model that calls itself a control is none of them."""
        return frozenset(name for reference, name in self.names.items() if reference in CONTROLS)

    def updated(self, **fields: object) -> Self:
        """Return the record with some fields replaced."""
        known = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate(known | fields)

    def models_on(self, dataset: str) -> dict[str, ModelRecord]:
        """Return generator to card and block on a data set, in the order in which the run was asked."""
        asked = [self.names.get(reference) for reference in self.spec.models] if self.spec else []
        place = {name: i for i, name in enumerate(asked)}
        found = {name: entry[dataset] for name, entry in self.models.items() if dataset in entry}
        return dict(sorted(found.items(), key=lambda item: place.get(item[0], len(asked))))


Parts = dict[str, dict[str, str]]
"""Name to each of its parts to what identifies the part."""


class Identities(_File):
    """The content of ``identities.json``: what tells models, metrics and networks from later versions."""

    models: Parts = {}
    metrics: Parts = {}
    networks: Parts = {}

    def kinds(self) -> Iterable[tuple[str, Parts]]:
        """Return (kind, name to parts) of models, metrics and networks."""
        return (("models", self.models), ("metrics", self.metrics), ("networks", self.networks))

    def updated(self, found: Identities) -> Self:
        """Return these identities with those of ``found``, which replace others of the same name."""
        return type(self)(**{kind: parts | getattr(found, kind) for kind, parts in self.kinds()})


def plain(entry: BaseModel) -> Mapping[str, Any]:
    """Return the fields of an entry, or of a specification, as JSON would hold them, by name."""
    return dict(sorted(entry.model_dump(mode="json").items()))
