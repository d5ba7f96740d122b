"""Reasons in rows of scores: why an edit has no output, or a metric no value.

A row stores its reason as one text, whose prefix tells the kind.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from .contracts import NO_TRUTH

if TYPE_CHECKING:
    import pandas as pd

FAILED = "no output: "
"""Prefix of the reason of a row whose edit has no output."""

UNSCORED = "not scored: "
"""Prefix of the reason of a score that is missing because its metric failed."""


class Reason(Enum):
    """Kinds of reasons.

    ``NO_OUTPUT``: the generator failed on the edit. ``NO_TRUTH``: the data set has no true target that could
    be the output. ``UNSCORED``: the metric failed on the output. ``UNDEFINED``: the metric does not apply.
    """

    NO_OUTPUT = auto()
    NO_TRUTH = auto()
    UNSCORED = auto()
    UNDEFINED = auto()


WITHOUT_OUTPUT = (Reason.NO_OUTPUT, Reason.NO_TRUTH)


def reason_kind(reason: str) -> Reason:
    """Return the kind of a row's reason."""
    if reason.startswith(FAILED):
        return Reason.NO_TRUTH if reason.removeprefix(FAILED).startswith(NO_TRUTH) else Reason.NO_OUTPUT
    return Reason.UNSCORED if reason.startswith(UNSCORED) else Reason.UNDEFINED


def have_reason(reasons: pd.Series, *kinds: Reason) -> pd.Series[bool]:
    """Return (N,) bool: which of N reasons, missing ones among them, are of one of the kinds."""
    return reasons.map(lambda reason: isinstance(reason, str) and reason_kind(reason) in kinds).astype(bool)
