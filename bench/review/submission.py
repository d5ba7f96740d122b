"""A run's results as one small file for a leaderboard: what was compared, on what terms, and every number.

A submission holds the summary of a run with intervals and counts, the cards of its models, the digests of
their weights, and all that decides whether two submissions may stand in one table. It holds no image, no
name of a photo or a person, and no path of the machine that made it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from fesbench.datasets.images import SUFFIXES, Trait

from ..core.contracts import Block, Direction, GeneratorCard, Inference, Upscale
from ..core.environment import PACKAGES
from ..core.errors import BenchError, UnknownName, invalid_fields
from ..core.files import read_limited, write_text
from ..core.json_values import json_value
from ..core.serialization import serialized
from ..core.text import plain_text
from ..generators.registry import CHECKPOINT, OUTPUTS
from ..runs.results import DatasetResults, RunResults
from ..runs.spec import canonical_json
from ..runs.store.records import CodeRecord, plain_card
from ..statistics.comparisons import CELL_COLUMNS
from ..statistics.measures import OUTPUT

KIND: Literal["fesbench submission"] = "fesbench submission"
SCHEMA_VERSION: Literal[1] = 1
SCHEMA = "submission.schema.json"
"""The JSON schema of the file, beside this module."""

MAX_BYTES = 8 << 20
MOST_CELLS, MOST_ENTRIES = 100_000, 1000

Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(plain_text)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain_text)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[float, Field(allow_inf_nan=False)] | None
"""A finite number, or null where there is none."""
Count = Annotated[int, Field(ge=0, le=10**9)]


def _bounded_card(card: GeneratorCard) -> GeneratorCard:
    """Return a card without control characters.

    Raises:
        ValueError: a text or a list in it is too long.
    """
    for field in fields(card):
        value = getattr(card, field.name)
        texts = value if isinstance(value, tuple) else (value,)
        if len(texts) > MOST_ENTRIES or any(isinstance(text, str) and len(text) > 4000 for text in texts):
            raise ValueError(f"{field.name} is too long")
    return plain_card(card)


class _Part(BaseModel):
    """A part of a submission: known fields of known types only."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Settings(_Part):
    """How outputs were made and scored; see ``RunSpec``."""

    backend: Name
    resolution: Count
    upscale: Upscale
    inference: Inference
    registered: bool
    limit: Count | None
    folds: Count
    seed: Count


class TrainingSet(_Part):
    """What closed-form models were fitted on: the name of the data set, its digest, and how it was split."""

    name: Name
    digest: Text
    protocol: Name


class Edits(_Part):
    """How many edits each model was asked for, and the sha256 of their ids in order."""

    count: Count
    digest: Digest


class Network(_Part):
    """A frozen network that metrics read: the sha256 of its weights, and its preprocessing."""

    weights: Text
    preprocessing: Text
    metrics: Annotated[list[Name], Field(max_length=MOST_ENTRIES)]


class Measured(_Part):
    """A column of scores: see ``statistics.measures.Measure``."""

    column: Name
    title: Text
    direction: Direction | None
    low: Number
    high: Number
    unit: Text
    headline: bool


class Model(_Part):
    """A model: its card, the sha256 of its weights by file, and of everything that its outputs come from."""

    block: Block
    card: Annotated[GeneratorCard, AfterValidator(_bounded_card)]
    weights: Annotated[dict[Name, Text], Field(max_length=MOST_ENTRIES)]
    digest: Text
    asked: Count
    answered: Count


class SubmittedCell(_Part):
    """A number with its interval: a model in a domain, or a mean over domains, by a column of scores."""

    generator: Name
    domain: Name
    metric: Name
    value: Number
    low: Number
    high: Number
    n_asked: Count
    n_scored: Count
    subjects: Count
    complete: bool
    method: Text
    reason: Text
    n_references: Count | None
    references: Text | None


class Results(_Part):
    """The results on one data set.

    ``split`` is the part whose people were edited. ``references_digest`` is of photos of other people, which
    metrics of sets compare with; empty where ``digest`` covers them. ``unfit`` are (domain, metric) where a
    metric of sets cannot rank models. ``metrics`` are the sha256 of files behind metrics of plug-ins.
    """

    dataset: Name
    digest: Text
    split: Literal["test", "all"]
    references_digest: Text = ""
    trained_on: TrainingSet
    edits: Edits
    settings: Settings
    networks: Annotated[dict[Name, Network], Field(max_length=MOST_ENTRIES)]
    metrics: Annotated[dict[Name, Text], Field(max_length=MOST_ENTRIES)]
    measures: Annotated[list[Measured], Field(max_length=MOST_ENTRIES)]
    models: Annotated[dict[Name, Model], Field(max_length=MOST_ENTRIES)]
    cells: Annotated[list[SubmittedCell], Field(max_length=MOST_CELLS)]
    unfit: Annotated[list[tuple[Name, Name]], Field(max_length=MOST_ENTRIES)]
    notes: Annotated[list[Text], Field(max_length=MOST_ENTRIES)]

    @field_validator("unfit", mode="before")
    @classmethod
    def _pairs(cls, pairs: object) -> object:
        """Take the lists that JSON has for tuples."""
        if not isinstance(pairs, list):
            return pairs
        return [tuple(pair) if isinstance(pair, list) else pair for pair in pairs]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse numbers of unknown models or measures, outside their range, or stated twice."""
        known = {measure.column: measure for measure in self.measures}
        seen = set()
        for cell in self.cells:
            place = (cell.generator, cell.domain, cell.metric)
            if cell.generator not in self.models or cell.metric not in known or place in seen:
                raise ValueError(f"the cell {' '.join(place)} is stated twice, or of no model or measure")
            seen.add(place)
            _check_range(cell, known[cell.metric])
        return self

    @cached_property
    def cells_of(self) -> dict[str, list[SubmittedCell]]:
        """Generator to its cells."""
        found: dict[str, list[SubmittedCell]] = {}
        for cell in self.cells:
            found.setdefault(cell.generator, []).append(cell)
        return found

    @cached_property
    def terms(self) -> dict[str, str]:
        """What must agree for results to stand in one table, by what it is."""
        settings = {name: str(value) for name, value in self.settings}
        trained = self.trained_on
        networks = {
            f"network {name}": f"{network.weights}, {network.preprocessing}, "
            f"for {', '.join(sorted(network.metrics))}"
            for name, network in self.networks.items()
        }
        measures = {
            f"measure {measure.column}": f"{measure.direction}, {measure.low} to {measure.high}, "
            f"{measure.unit}"
            for measure in self.measures
        }
        return {
            "data": self.digest,
            "part of the data": self.split,
            **({"reference images": self.references_digest} if self.references_digest else {}),
            "training set": f"{trained.digest}, {trained.protocol}",
            "edits": f"{self.edits.count} ({self.edits.digest})",
            **settings,
            **{f"metric {name}": digest for name, digest in self.metrics.items()},
            **networks,
            **measures,
        }


def _check_range(cell: SubmittedCell, measure: Measured) -> None:
    known = [number for number in (cell.low, cell.value, cell.high) if number is not None]
    ends = (measure.low, measure.high)
    wide = 1e-6
    below = ends[0] is not None and any(number < ends[0] - wide for number in known)
    above = ends[1] is not None and any(number > ends[1] + wide for number in known)
    turned = cell.low is not None and cell.high is not None and cell.low > cell.high
    if below or above or turned:
        raise ValueError(f"{cell.generator} {cell.domain} {cell.metric}: no such value or interval can be")


class Submission(_Part):
    """The content of the file.

    Attributes:
        kind: Always the same text, by which the file is known.
        schema_version: Of the layout.
        name: What the submission is called.
        by: Who submits it; empty unless somebody said so.
        results: The results on each data set.
        versions: Of the packages that can change numbers; null where one is not installed.
        code: The commit of the suite.
        unavailable: Models and metrics that could not be used, with the reason.
    """

    kind: Literal["fesbench submission"]
    schema_version: Literal[1]
    name: Name
    by: Text
    results: Annotated[list[Results], Field(min_length=1, max_length=MOST_ENTRIES)]
    versions: Annotated[dict[Name, Text | None], Field(max_length=MOST_ENTRIES)]
    code: CodeRecord
    unavailable: Annotated[dict[Name, Text], Field(max_length=MOST_ENTRIES)]

    @classmethod
    def parse(cls, text: bytes | str, origin: object) -> Self:
        """Read the content of a file.

        Args:
            text: The content.
            origin: Where it comes from, for messages.

        Raises:
            BenchError: it is no submission of this version; the message names the field.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise BenchError(
                f"{origin} is no submission of version {SCHEMA_VERSION}: {_first(error)}"
            ) from error

    def to_json(self) -> str:
        """Return the text of the file."""
        return canonical_json(serialized(partial(self.model_dump, mode="json")))


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, and how many more are."""
    count, text = error.error_count(), plain_text(invalid_fields(error).split("; ")[0])[:400]
    return text if count == 1 else f"{text}; and {count - 1} more"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a submission, which ships as ``submission.schema.json``."""
    return Submission.model_json_schema()


def shipped_schema() -> str:
    """Return the text of the shipped schema."""
    return files(__package__).joinpath(SCHEMA).read_text("utf-8")


def read_submission(path: Path) -> Submission:
    """Return the submission in a file, from anybody.

    Raises:
        BenchError: it cannot be read, is larger than ``MAX_BYTES``, or is no submission.
    """
    try:
        content = read_limited(path, MAX_BYTES, "no submission needs that")
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror or error}") from error
    return Submission.parse(content, path)


def write_submission(
    run: RunResults, path: Path, models: Sequence[str] = (), name: str = "", by: str = ""
) -> Submission:
    """Write the submission of a finished run, which is read back before the file is made.

    Args:
        run: The run.
        path: The file; it appears whole or not at all.
        models: Names of the models to submit; all where none is named. Controls come along in any case.
        name: What the submission is called; the name of the run's folder unless given.
        by: Who submits it.

    Raises:
        BenchError: the run has no such model, or the file cannot be written.
    """
    submission = submission_of(run, models, name, by)
    text = submission.to_json()
    Submission.parse(text, run.location)
    write_text(path, text)
    return submission


def submission_of(run: RunResults, models: Sequence[str] = (), name: str = "", by: str = "") -> Submission:
    """Return the submission of a finished run; see ``write_submission``.

    Raises:
        BenchError: the run has no such model, or no results.
    """
    chosen = _chosen(run, models)
    clean = Scrubbed(run)
    content = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "name": name or run.name,
        "by": by,
        "results": [_results(results, chosen, clean) for results in run.datasets],
        "versions": {key: run.record.versions.get(key) for key in ("python", *PACKAGES)},
        "code": run.record.code,
        "unavailable": {clean(key): clean(why) for key, why in run.record.unavailable.items()},
    }
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        raise BenchError(f"the run in {run.location} cannot be submitted: {_first(error)}") from error


def _chosen(run: RunResults, models: Sequence[str]) -> frozenset[str]:
    """Return the names of the generators to submit.

    Raises:
        UnknownName: the run has no model of that name.
    """
    known = run.record.models
    for model in models:
        if run.record.names.get(model, model) not in known:
            raise UnknownName("model of the run", model, known)
    wanted = {run.record.names.get(model, model) for model in models} or known.keys()
    controls = {name for name, entries in known.items() if any(e.card.control for e in entries.values())}
    return frozenset(wanted | controls)


def _results(results: DatasetResults, chosen: Collection[str], clean: Scrubbed) -> dict[str, Any]:
    run, record = results.run, results.record
    names = [name for name in results.models if name in chosen]
    trained = record.trained_on
    present = set(results.cells["metric"])
    return {
        "dataset": results.dataset,
        "digest": record.digest,
        "split": "all" if trained.protocol == "cross-fit" else "test",
        "references_digest": record.references_digest,
        "trained_on": {"name": trained.home, "digest": trained.digest, "protocol": trained.protocol},
        "edits": _edits(results),
        "settings": {name: getattr(run.spec, name) for name in Settings.model_fields},
        "networks": _networks(run),
        "metrics": {name: _combined(parts) for name, parts in run.identities.metrics.items()},
        "measures": [
            {field: json_value(value) for field, value in vars(measure).items()}
            for measure in results.measures.values()
            if measure.column in present
        ],
        "models": {name: _model(results, name, clean) for name in names},
        "cells": list(_cells(results.cells[results.cells["generator"].isin(names)], clean)),
        "unfit": results.unfit,
        "notes": [
            clean(note) for note in (*run.summary.notes, *run.record.independence, *record.notes)
        ],
    }  # fmt: skip


def _edits(results: DatasetResults) -> dict[str, Any]:
    rows = results.run.scores
    asked = rows[(rows["dataset"] == results.dataset) & (rows["metric"] == OUTPUT)]
    ids = sorted(asked["edit"].unique())
    return {"count": len(ids), "digest": hashlib.sha256("\n".join(ids).encode("utf-8")).hexdigest()}


def _networks(run: RunResults) -> dict[str, dict[str, Any]]:
    return {
        name: {"weights": card.digest, "preprocessing": card.preprocessing, "metrics": list(card.metrics)}
        for name, card in run.record.networks.items()
    }


def _model(results: DatasetResults, name: str, clean: Scrubbed) -> dict[str, Any]:
    run, entry = results.run, results.models[name]
    asked_as = next((spec for spec, known in run.record.names.items() if known == name), name)
    parts = run.identities.models.get(asked_as, {})
    counts = run.record.outputs.get(results.dataset, {}).get(name)
    of_images = asked_as.startswith(OUTPUTS)
    weights = {
        part: digest
        for part, digest in parts.items()
        if not of_images and (part == CHECKPOINT or part.endswith(".safetensors"))
    }
    return {
        "block": entry.block,
        "card": clean.card(entry.card),
        "weights": weights,
        "digest": _combined(parts),
        "asked": counts.asked if counts else 0,
        "answered": counts.answered if counts else 0,
    }


def _combined(parts: Mapping[str, str]) -> str:
    """Return the sha256 over the digests of several parts; empty where there are none."""
    return hashlib.sha256(canonical_json(parts).encode("utf-8")).hexdigest() if parts else ""


def _cells(cells: pd.DataFrame, clean: Scrubbed) -> Iterator[dict[str, Any]]:
    whole = ("n_asked", "n_scored", "subjects", "n_references")
    for row in cells[[name for name in CELL_COLUMNS if name != "dataset"]].to_dict("records"):
        cell = {str(name): json_value(value) for name, value in row.items()}
        counts = {name: None if cell[name] is None else int(cell[name]) for name in whole}
        yield cell | counts | {"complete": bool(cell["complete"]), "reason": clean(cell["reason"] or "")}


_PATH = re.compile(
    r"""(?<![\w./\\~])(?:file://|outputs:)?(?:~|\.\.?|[A-Za-z]:)?(?!//)[/\\](?:[^\s'",;()]*[/\\])?(?=\S)"""
)
"""The folders of a path that begins with one; a web address holds none."""
_EXAMPLE = re.compile(f", such as .*: (?={'|'.join(re.escape(trait.value) for trait in Trait)})")
"""The image that a note of ``trait_notes`` gives as an example."""
_IMAGE = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))})(?!\w)", re.IGNORECASE)
WITHHELD = "left out, as the text names an image"


class Scrubbed:
    """Makes texts of a run fit to be published.

    Of paths the folders are removed: ``some/where/G.ckpt`` is ``G.ckpt``. A text that names an image, which
    may be that of a person, ends before the part that does.
    """

    def __init__(self, run: RunResults) -> None:
        spec = run.spec
        stated = (*spec.models, *spec.data, *spec.checkpoints.values(), *spec.action_units.values())
        paths = {path for text in (run.location, *stated) for path in _paths(text)}
        self._paths = sorted(paths, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without the folders of paths, and without names of images."""
        for path in self._paths:
            text = text.replace(f"{path}/", "").replace(path, Path(path).name)
        text = _EXAMPLE.sub(": ", text)
        if named := _IMAGE.search(text):
            kind, colon, _ = text[: named.start()].partition(": ")
            text = f"{kind}: {WITHHELD}" if colon else WITHHELD
        return _PATH.sub("", text)

    def card(self, card: GeneratorCard) -> GeneratorCard:
        """Return a card whose texts hold no path."""
        stated = {field.name: getattr(card, field.name) for field in fields(card)}
        texts = {name: self(value) for name, value in stated.items() if isinstance(value, str)}
        lists = {name: tuple(map(self, value)) for name, value in stated.items() if isinstance(value, tuple)}
        return GeneratorCard(**stated | texts | lists)


def _paths(text: str) -> Iterable[str]:
    """Return the paths that a part of a specification may name, as it stands and absolute."""
    path = text.removeprefix(OUTPUTS).partition(".py:")[0]
    if "/" not in path and "\\" not in path:
        return
    yield path
    yield str(Path(path).expanduser().absolute())
    yield str(Path(path).expanduser().resolve())
