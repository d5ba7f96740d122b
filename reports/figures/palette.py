"""One colour and one marker for each model, the same in every figure.

Colours are those of Okabe and Ito, then of Paul Tol's 'muted' scheme: distinct for colour-blind readers.
Markers differ as well, so that a figure reads in black and white. Controls are grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fesbench.core.contracts import COPY, TRUTH


@dataclass(frozen=True)
class Look:
    """How a model is drawn: a colour and one of matplotlib's markers."""

    color: str
    marker: str


_KNOWN = {
    "reggan": Look("#D55E00", "o"),
    "stargan": Look("#0072B2", "s"),
    "ganimation": Look("#009E73", "^"),
    "stgan": Look("#CC79A7", "D"),
    "usgan": Look("#56B4E9", "v"),
    "sargan": Look("#E69F00", "P"),
    "degan": Look("#332288", "X"),
    "attgan": Look("#882255", "<"),
    "ganmut": Look("#44AA99", ">"),
    "reggan-registered": Look("#88CCEE", "8"),
    "reggan-registered-refined": Look("#117733", "p"),
    "reggan-regression": Look("#CC6677", "p"),
    "masked-regression": Look("#999933", "h"),
    TRUTH: Look("#4D4D4D", "*"),
    COPY: Look("#8C8C8C", "d"),
}
_OTHERS = tuple(
    Look(color, marker)
    for marker in ("8", "H", "o", "s", "^", "D", "v", "P")
    for color in ("#117733", "#AA4499", "#6699CC", "#997700", "#994455")
)


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Model name to its look; models that the suite does not know get one by their place in ``names``."""
    others = [name for name in dict.fromkeys(names) if name not in _KNOWN]
    spare = {name: _OTHERS[place % len(_OTHERS)] for place, name in enumerate(others)}
    return {name: _KNOWN.get(name) or spare[name] for name in names}
