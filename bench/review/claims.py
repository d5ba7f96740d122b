"""Judges which published claims hold on a run: agrees, disagrees, undecided or not testable, with numbers.

A claim ranks a model, or puts it ahead of another one. Scores of single outputs are judged by the paired
tests of ``statistics.comparisons``, as are scores of sets where there are differences on the same edits; else
by whether their intervals overlap. A claim on two models is judged by the p value of its own test, one on
ranks by p values adjusted by Holm's method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..core.errors import SpecError, invalid_fields
from ..core.json_values import json_value
from ..core.yaml_files import parse_yaml, read_yaml
from ..runs.results import Place, RunResults
from ..statistics.comparisons import ALL, NO_DIRECTION, SIGNIFICANT, UNFIT, gain_over, ranks
from ..statistics.measures import backend, stem

Verdict = Literal["agrees", "disagrees", "undecided", "not testable"]

PACKAGED = "claims.yaml of the suite"
"""Names the file that comes with the suite in messages."""
MOST = 200
"""Claims that a file may hold."""
RENDERED, EMBEDDED = "rendered", "embedded"
QUALITY = ("quality", "qualiclip")
"""Two names of one metric; its network is named after the @."""

CAUTION = (
    "These verdicts concern our analogue of the published experiments, on this run's data and networks. The "
    "six competitors, the protocol and the metric networks of the RegGAN paper are not known to us, so no "
    "verdict says that a paper is right or wrong. On rendered faces, or by embedded judges, a published "
    "claim is not testable; what the run says then stands beside it as an orientation only."
)

Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Claim(BaseModel):
    """One claim about ``model``.

    It says one of three things: that the model has ``rank`` among the models ``among`` (or all that are
    ranked), that it scores better than the model ``better_than``, or something about what ``people`` prefer.
    ``metric`` is a plain name, which any backend's network may stand for, or a full id or column
    (``fss.verified@dlib``); ``data`` and ``domain`` restrict the claim, which else concerns all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: Text
    source: Text = "your own claim"
    model: Name
    metric: Name | None = None
    rank: int | None = Field(default=None, ge=1, le=1000)
    among: list[Name] = Field(default=[], max_length=1000)
    better_than: Name | None = None
    people: bool = False
    data: Name | None = None
    domain: Name | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.rank is not None) + (self.better_than is not None) + self.people != 1:
            raise ValueError("say exactly one of rank, better_than and people: true")
        if self.metric is None and not self.people:
            raise ValueError("name the metric")
        if self.among and self.model not in self.among:
            raise ValueError("the models of 'among' must include the model itself")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    claims: list[Claim] = Field(min_length=1, max_length=MOST)


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim in one data set, domain and column of scores.

    ``orientation`` is what the verdict would be if the claim were testable here, and ``reason`` says why it
    is not, or what the verdict rests on. ``numbers`` are the facts behind it.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    dataset: str | None = None
    domain: str | None = None
    metric: str | None = None
    numbers: dict[str, Any] | None = None
    orientation: Verdict | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready content."""
        return vars(self) | {"claim": self.claim.model_dump(exclude_defaults=True)}


def read_claims(path: Path | None = None) -> list[Claim]:
    """Return the claims of a YAML file with the key ``claims``; without a path, those of the suite.

    Raises:
        SpecError: the file cannot be read, is too large, uses aliases, or a claim in it is malformed.
    """
    origin = path or PACKAGED
    content = parse_yaml(_packaged(), PACKAGED) if path is None else read_yaml(path)
    try:
        return _File.model_validate(content).claims
    except ValidationError as error:
        raise SpecError(
            f"{origin}: {invalid_fields(error)}. A claim has the fields {', '.join(Claim.model_fields)}."
        ) from error


def _packaged() -> str:
    """Return the text of the claims of the suite."""
    return files(__package__).joinpath("claims.yaml").read_text("utf-8")


def judge_claims(claims: Sequence[Claim], results: RunResults) -> list[Finding]:
    """Return what a finished run says of each claim: a finding for each data set, domain and column."""
    judge = _Judge(results.over_trainings)
    return [finding for claim in claims for finding in judge.judge(claim)]


@dataclass(frozen=True)
class _Judge:
    """Judges claims by the cells and differences of a run."""

    run: RunResults

    def judge(self, claim: Claim) -> Iterator[Finding]:
        """Yield all findings of a claim; one at least."""
        if claim.people:
            reason = "what people prefer cannot be told from a run; `bench study make` asks them"
            yield Finding(claim, "not testable", reason)
            return
        places = list(self._places(claim))
        if not places:
            yield Finding(claim, "not testable", self._why_nowhere(claim))
        for place in places:
            found = (
                self._judge_rank(claim, place) if claim.rank is not None else self._judge_pair(claim, place)
            )
            yield self._cautioned(found)

    def _places(self, claim: Claim) -> Iterator[Place]:
        """Yield where the claim can be tested: the mean over domains if there is one, else each domain."""
        cells = self.run.cells[self.run.cells["generator"] == claim.model]
        meant = [name for name in self.run.measures if _is_meant(str(claim.metric), name)]
        cells = cells[cells["metric"].isin(meant)]
        for (dataset, metric), part in cells.groupby(["dataset", "metric"], sort=False):
            domains = list(part["domain"])
            shown = [claim.domain] if claim.domain else [ALL] if ALL in domains else domains
            if claim.data in (None, dataset):
                yield from (Place(str(dataset), domain, str(metric)) for domain in shown if domain in domains)

    def _why_nowhere(self, claim: Claim) -> str:
        if claim.model not in set(self.run.cells["generator"]):
            return f"{claim.model} has no score in this run"
        place = "".join(
            f", {name} {value}" for name, value in (("data", claim.data), ("domain", claim.domain)) if value
        )
        return f"this run has no score of {claim.model} by the metric {claim.metric}{place}"

    def _cautioned(self, finding: Finding) -> Finding:
        """Return the finding as an orientation, where faces or judge are not what the claim is about."""
        claim, reasons = finding.claim, []
        if finding.dataset == RENDERED and claim.data != RENDERED:
            reasons.append("the faces are rendered")
        if backend(str(finding.metric)).startswith(EMBEDDED) and EMBEDDED not in str(claim.metric):
            reasons.append("the judge is a small embedded network")
        if not reasons or finding.verdict == "not testable":
            return finding
        reason = f"{' and '.join(reasons)}: orientation only; {finding.reason}"
        return Finding(
            **vars(finding) | {"verdict": "not testable", "orientation": finding.verdict, "reason": reason}
        )

    def _judge_rank(self, claim: Claim, place: Place) -> Finding:
        cells = _at(self.run.cells, place)
        cells = cells[cells["generator"].isin(claim.among)] if claim.among else cells
        run = self.run
        found = ranks(cells, _at(run.differences, place), run.measures, run.blocks, run.unfit)
        own = found[found["generator"] == claim.model]
        block = run.blocks.get((claim.model, place.dataset))
        rivals = [name for name in found.loc[found["block"] == block, "generator"] if name != claim.model]
        absent = [
            name for name in claim.among if name not in set(found.loc[found["rank"].notna(), "generator"])
        ]
        numbers = self._numbers(claim.model, rivals, place) | {
            "claimed_rank": claim.rank,
            "not_ranked": absent,
        }
        if reason := _why_unranked(own):
            return Finding(claim, "not testable", reason, *place, numbers)
        rank, low, high = (own[name].iloc[0] for name in ("rank", "rank_low", "rank_high"))
        if pd.isna(low):
            low, high = self._overlap_ranks(claim.model, rivals, place)
        numbers |= {
            "rank": int(rank),
            "rank_low": int(low),
            "rank_high": int(high),
            "of": int(own["of"].iloc[0]),
        }
        assert claim.rank is not None
        within = low <= claim.rank <= high
        verdict: Verdict = "disagrees" if not within else "agrees" if low == high else "undecided"
        return Finding(claim, verdict, _rank_text(numbers), *place, numbers)

    def _overlap_ranks(self, model: str, rivals: Sequence[str], place: Place) -> tuple[int, int]:
        """Return the ranks that intervals leave open: only one that lies wholly on one side counts."""
        higher = self.run.measures[place.metric].direction == "higher"
        sides = [self._apart(model, rival, place, higher) for rival in rivals]
        complete = [side for side in sides if side is not None]
        return 1 + complete.count(-1), 1 + len(complete) - complete.count(1)

    def _apart(self, model: str, rival: str, place: Place, higher: bool) -> int | None:
        """Return 1 where the model's whole interval is better than the rival's, -1 where worse, else 0.

        None where the rival's cell is incomplete, which leaves it out.
        """
        own, other = (self._cell(name, place) for name in (model, rival))
        if other is None or not other["complete"]:
            return None
        if own is None or pd.isna(own["low"]) or pd.isna(other["low"]):
            return 0
        above, below = own["low"] > other["high"], own["high"] < other["low"]
        return int(above) - int(below) if higher else int(below) - int(above)

    def _judge_pair(self, claim: Claim, place: Place) -> Finding:
        other = str(claim.better_than)
        numbers = self._numbers(claim.model, [other], place)
        for name in (claim.model, other):
            cell = self._cell(name, place)
            if cell is None or not cell["complete"]:
                reason = f"{name} has no score here" if cell is None else f"{name}: {cell['reason']}"
                return Finding(claim, "not testable", reason, *place, numbers)
        if place in self.run.unfit:
            return Finding(claim, "not testable", UNFIT, *place, numbers)
        if self.run.measures[place.metric].direction is None:
            return Finding(claim, "not testable", NO_DIRECTION, *place, numbers)
        higher = self.run.measures[place.metric].direction == "higher"
        side = self._side(claim.model, other, place, higher, numbers)
        verdicts: dict[int, Verdict] = {1: "agrees", -1: "disagrees", 0: "undecided"}
        return Finding(claim, verdicts[side], _pair_text(numbers), *place, numbers)

    def _side(self, model: str, other: str, place: Place, higher: bool, numbers: dict[str, Any]) -> int:
        p, difference = numbers.get("p"), numbers.get("difference")
        if difference is None:
            return self._apart(model, other, place, higher) or 0
        return 0 if p is None or p >= SIGNIFICANT else 1 if (difference > 0) == higher else -1

    def _cell(self, model: str, place: Place) -> dict[Any, Any] | None:
        return self._cells.get((model, place))

    @cached_property
    def _cells(self) -> dict[tuple[str, Place], dict[Any, Any]]:
        """(generator, place) to its cell; there is one at most."""
        return {
            (row["generator"], Place(row["dataset"], row["domain"], row["metric"])): row
            for row in self.run.cells.to_dict("records")
        }

    def _numbers(self, model: str, rivals: Sequence[str], place: Place) -> dict[str, Any]:
        """Return the model's own cell, and its difference from the best rival."""
        cell = self._cell(model, place) or {}
        numbers = {
            name: json_value(cell.get(name))
            for name in ("value", "low", "high", "n_asked", "n_scored", "subjects")
        }
        others = {
            name: found
            for name in rivals
            if (found := self._cell(name, place)) and not pd.isna(found["value"])
        }
        if not others:
            return numbers
        sign = 1 if self.run.measures[place.metric].direction == "higher" else -1
        best = max(others, key=lambda name: sign * others[name]["value"])
        numbers |= {"rival": best, "rival_value": json_value(others[best]["value"])}
        gains = gain_over(_at(self.run.differences, place), best)
        for row in gains[gains["generator"] == model].to_dict("records"):
            names = {"difference": "difference", "difference_low": "low", "difference_high": "high", "p": "p"}
            numbers |= {name: json_value(row[key]) for name, key in names.items()}
        return numbers


def _is_meant(wanted: str, column: str) -> bool:
    """Return whether a claim about ``wanted`` is about this column: by full id, or by plain name."""
    if "@" in wanted:
        return wanted == column
    return stem(column) in (QUALITY if wanted in QUALITY else (wanted,))


def _at(frame: pd.DataFrame, place: Place) -> pd.DataFrame:
    """Return the rows of a place."""
    for column, value in place._asdict().items():
        frame = frame[frame[column] == value]
    return frame


def _why_unranked(own: pd.DataFrame) -> str:
    """Return why a model has no rank among others; empty where it has one."""
    if own.empty:
        return "controls are not ranked"
    if pd.isna(own["rank"].iloc[0]):
        return str(own["reason"].iloc[0])
    return "" if own["of"].iloc[0] > 1 else "no other model with the same training data is ranked here"


def _rank_text(numbers: dict[str, Any]) -> str:
    low, high = numbers["rank_low"], numbers["rank_high"]
    span = f"rank {low}" if low == high else f"ranks {low} to {high}"
    text = f"place {numbers['rank']} of {numbers['of']}; the tests leave {span}"
    absent = numbers["not_ranked"]
    return f"{text}; not ranked here: {', '.join(absent)}" if absent else text


def _pair_text(numbers: dict[str, Any]) -> str:
    if numbers.get("difference") is None:
        return "by whether the two intervals overlap"
    p = numbers.get("p")
    return "no test: all subjects agree or too few subjects" if p is None else f"paired test, p = {p:.2g}"
