"""The names of expressions: seven basic ones, CFEE's 22, and what other data sets call them.

CFEE's compound categories are those of Du, Tao and Martinez, "Compound facial expressions of emotion",
PNAS 111(15), 2014, table 1. Codes of KDEF are those of its file names (Lundqvist, Flykt and Oehman, 1998).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fesbench.core.errors import UnknownName

BASIC = ("neutral", "angry", "disgusted", "fearful", "happy", "sad", "surprised")

COMPOUND = (
    "happily-surprised",
    "happily-disgusted",
    "sadly-fearful",
    "sadly-angry",
    "sadly-surprised",
    "sadly-disgusted",
    "fearfully-angry",
    "fearfully-surprised",
    "fearfully-disgusted",
    "angrily-surprised",
    "angrily-disgusted",
    "disgustedly-surprised",
    "appalled",
    "hatred",
    "awed",
)

CFEE = BASIC + COMPOUND
"""The 22 categories of CFEE: neutral, six basic, fifteen compound."""

EXPRESSIONS = (*CFEE, "contemptuous")
"""Everything that has a name here, in the order used for labels and tables."""

KDEF_CODES = {
    "AF": "fearful",
    "AN": "angry",
    "DI": "disgusted",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprised",
}

_OTHER_NAMES = {
    "neutral": "neutrality normal none",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear afraid scared",
    "happy": "happiness joy joyful smile smiling",
    "sad": "sadness",
    "surprised": "surprise",
    "awed": "awe",
    "hatred": "hate hateful",
    "appalled": "appal",
    "contemptuous": "contempt",
}

ALIASES: dict[str, str] = {
    **{name: name for name in EXPRESSIONS},
    **{alias: name for name, aliases in _OTHER_NAMES.items() for alias in aliases.split()},
    **{f"{code}S".lower(): name for code, name in KDEF_CODES.items()},
}
"""Every accepted spelling, in lower case with hyphens, to the name used here."""

_SEPARATORS = re.compile(r"[\s_-]+")


def canonical(name: str) -> str:
    """Return the suite's name for an expression, whatever case and word separators it came with.

    Args:
        name: For instance ``Happiness``, ``happily_surprised``, ``AFS``.

    Raises:
        UnknownName: no expression is called so; names the nearest.
    """
    found = recognised(name)
    if found is None:
        raise UnknownName("expression", name, EXPRESSIONS)
    return found


def recognised(name: str) -> str | None:
    """Return the suite's name for an expression; None where the suite does not know it."""
    return ALIASES.get(_SEPARATORS.sub("-", name.strip().lower()))


def known_name(name: str) -> str:
    """Return the suite's name for an expression, or ``name`` itself where the suite does not know it."""
    return recognised(name) or name


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct expressions in the order of ``EXPRESSIONS``."""
    return tuple(sorted(set(names), key=EXPRESSIONS.index))
