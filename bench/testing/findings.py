"""Findings of the conformance checks of generators, data sets and metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ..core.contracts import Generator, ImageMetric, SetMetric
from ..core.errors import BenchError, explain

Part = TypeVar("Part")


class Finding(NamedTuple):
    """The outcome of one check; ``problem`` is None where it passed."""

    check: str
    problem: str | None


class ConformanceError(BenchError, AssertionError):
    """A plug-in breaks its contract; ``findings`` holds the outcome of every check, passed ones too."""

    def __init__(self, subject: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        failed = [f"{finding.check}: {finding.problem}" for finding in findings if finding.problem]
        super().__init__(f"{subject} breaks its contract:\n  " + "\n  ".join(failed))


def run_checks(
    subject: str, part: Part, checks: dict[str, Callable[[Part], str | None]]
) -> tuple[Finding, ...]:
    """Run every check on a plug-in.

    Args:
        subject: What is checked, for the message.
        part: The plug-in.
        checks: By title; each returns the problem, or None.

    Raises:
        ConformanceError: a check failed.
    """
    findings = tuple(Finding(title, _outcome(check, part)) for title, check in checks.items())
    if any(finding.problem for finding in findings):
        raise ConformanceError(subject, findings)
    return findings


def _outcome(check: Callable[[Part], str | None], part: Part) -> str | None:
    try:
        return check(part)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in may raise anything
        return f"raised {explain(error)}"


def part_name(part: Generator | ImageMetric | SetMetric) -> str:
    """Return the name or the id on a plug-in's card, or the name of its class."""
    card = getattr(part, "card", None)
    return str(getattr(card, "name", None) or getattr(card, "id", None) or type(part).__name__)
