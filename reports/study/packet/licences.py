"""What the licences of known data sets say about showing their faces in public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from fesbench.core.errors import BenchError

PUBLIC_OUTPUTS = ("web", "mturk", "qualtrics", "gforms", "potato")
"""Outputs that anyone on a network could see; print and the lab server stay in the room."""


class Licence(NamedTuple):
    """The terms of a data set, and whether they let its pictures be shown in public."""

    licence: str
    public: Literal["allowed", "forbidden", "unknown"]
    note: str


_KNOWN = {
    "rendered": Licence("same as fesbench", "allowed", "rendered faces of nobody"),
    "london": Licence("CC BY 4.0", "allowed", "Face Research Lab London set; name its authors"),
    "cfee": Licence("research agreement", "forbidden", "the agreement lets nobody else see the pictures"),
    "kdef": Licence("research use", "forbidden", "ask its owners before showing the pictures in public"),
    "rafd": Licence(
        "research agreement", "forbidden", "ask its owners before showing the pictures in public"
    ),
}
_UNKNOWN = Licence("unknown", "unknown", "check its licence, and the rights of the people shown")


def licence_of(dataset: str, layout: str = "") -> Licence:
    """The terms of a data set, told by a name that begins with a known one (``cfee-128``), else its layout.

    Args:
        dataset: Its name.
        layout: The layout of its files, where they lie in one of a known data set.
    """
    names = dataset.lower(), layout.lower()
    found = (terms for name in names for known, terms in _KNOWN.items() if name.startswith(known))
    return next(found, _UNKNOWN)


def allowed_outputs(
    terms: Mapping[str, Licence], asked: tuple[str, ...], known: tuple[str, ...], permission: str | None
) -> tuple[str, ...]:
    """The outputs to write; all that may be, where none are asked for.

    Args:
        terms: The licence of each data set whose pictures are in the packet.
        asked: What the organiser wants; empty means whatever is allowed.
        known: All outputs, in order.
        permission: The organiser's statement that public showing is permitted.

    Raises:
        BenchError: an output is asked for that a licence forbids, and no permission is stated.
    """
    closed = [name for name, found in terms.items() if found.public == "forbidden" and not permission]
    if not closed:
        return asked or known
    refused = [name for name in asked if name in PUBLIC_OUTPUTS]
    if refused:
        raise BenchError(
            f"the licence of {', '.join(closed)} forbids showing its faces in public: {', '.join(refused)} "
            "cannot be made; use --output print or lab, or state who permits it with "
            "--include-images-permission TEXT, which is recorded"
        )
    return asked or tuple(name for name in known if name not in PUBLIC_OUTPUTS)
