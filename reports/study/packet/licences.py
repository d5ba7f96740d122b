"""The licences of known data sets: whether their faces may be shown in public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from fesbench.core.errors import BenchError

from ...formats.delimited import csv_rows

PUBLIC_OUTPUTS = ("web", "mturk", "qualtrics", "gforms", "potato")
"""Outputs that are published on a network; print and the server in the lab are not."""


class Licence(NamedTuple):
    """The terms of a data set, and whether they allow its images to be shown in public."""

    licence: str
    public: Literal["allowed", "forbidden", "unknown"]
    note: str


_BY_NAME = {
    "rendered": Licence("same as fesbench", "allowed", "rendered faces of nobody"),
    "ood-real": Licence("CC BY 4.0, CC0, MIT", "allowed", "name the authors in its LICENCES.md"),
    "london": Licence("CC BY 4.0", "allowed", "Face Research Lab London set; name its authors"),
}
_BY_LAYOUT = {
    "cfee": Licence("research agreement", "forbidden", "the agreement lets nobody else see the pictures"),
    "kdef": Licence("research use", "forbidden", "ask its owners before showing the pictures in public"),
    "rafd": Licence(
        "research agreement", "forbidden", "ask its owners before showing the pictures in public"
    ),
}
_UNKNOWN = Licence("unknown", "unknown", "check its licence, and the rights of the people shown")


def licence_of(dataset: str, layout: str = "", stated: str = "") -> Licence:
    """Return the terms of a data set.

    Args:
        dataset: The name of the data set; those of the suite and ``london`` are known.
        layout: The file layout; those of CFEE, KDEF and RaFD are known by their file names. A folder in any
            other layout has no known terms, whatever it is called.
        stated: The licence that the user states, which comes first.
    """
    if stated:
        return Licence(stated, "unknown", "as stated by whoever added the data set")
    by_name = _BY_NAME.get(dataset.lower()) if layout not in _BY_LAYOUT else None
    return by_name or _BY_LAYOUT.get(layout, _UNKNOWN)


def allowed_outputs(
    terms: Mapping[str, Licence], asked: tuple[str, ...], known: tuple[str, ...], permission: str | None
) -> tuple[str, ...]:
    """Return the outputs to write: those asked for, or all that the licences allow.

    Args:
        terms: The licence of each data set whose images are in the packet.
        asked: The outputs that the organiser asks for; empty for all that are allowed.
        known: All outputs, in order.
        permission: The organiser's statement that showing the faces in public is permitted.

    Raises:
        BenchError: a licence forbids an output that is asked for, and no permission is stated.
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


def stimulus_licences(terms: Mapping[str, Licence], permission: str | None) -> str:
    """Return the terms of each data set as CSV text, with the permission that the organiser states."""
    columns = ("dataset", "licence", "public_showing", "note", "permission_stated")
    rows = [
        (name, found.licence, found.public, found.note, permission or "") for name, found in terms.items()
    ]
    return csv_rows([columns, *rows])
