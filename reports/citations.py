"""BibTeX of what a paper that uses the suite cites: models, metrics, data sets, and the suite itself.

The entries are those of ``citations.bib``; they hold only what is known here, so author lists are short ('and
others') and pages are missing: complete them from the publishers' pages.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from fesbench.core.contracts import GeneratorCard, MetricCard
from fesbench.core.errors import UnknownName
from fesbench.metrics.registry import ROWS

MODELS = {
    "reggan": ("reggan2026",),
    "reggan-registered": ("reggan2026", "fesbench"),
    "reggan-registered-refined": ("reggan2026", "fesbench"),
    "reggan-regression": ("reggan2026",),
    "masked-regression": ("khan2020masked",),
    "stargan": ("choi2018stargan",),
    "ganimation": ("pumarola2018ganimation",),
    "stgan": ("liu2019stgan",),
    "attgan": ("he2019attgan",),
    "degan": ("ali2019residue", "ali2019disentangled"),
    "ganmut": ("dapolito2021ganmut",),
    "usgan": ("akram2023usgan",),
    "sargan": ("akram2023sargan",),
}
DATA = {
    "rendered": ("fesbench",),
    "london": ("debruine2017london",),
    "ood-real": ("debruine2016composite",),
    "cfee": ("du2014compound",),
}
KEYS = {"fesbench": ("fesbench",)} | MODELS | DATA | {name: row.citations for name, row in ROWS.items()}
"""Names that can be cited to the keys of their entries."""


def bibtex(name: str) -> str:
    """Return the BibTeX entries for a model, a metric id, a data set (``london``, ``cfee``) or ``fesbench``.

    Raises:
        UnknownName: nothing is known to cite under the name.
    """
    if name not in KEYS:
        raise UnknownName("name to cite", name, KEYS)
    return "\n\n".join(_entries()[key] for key in KEYS[name])


def bibtex_of_metric(card: MetricCard) -> str:
    """Return the entries that the card of an installed metric states; empty where it states none."""
    return "\n\n".join(_entries().get(citation, citation) for citation in card.citations)


def bibtex_of_card(card: GeneratorCard) -> str:
    """Return an entry for a plug-in model, made from its card; empty where there is nothing to cite."""
    if card.control or not card.citation:
        return ""
    fields = {
        "title": card.title,
        "year": str(card.year or ""),
        "note": card.citation,
        "howpublished": card.source,
    }
    lines = [f"  {name} = {{{_escaped(value)}}}" for name, value in fields.items() if value]
    key = re.sub(r"[^A-Za-z0-9]+", "", card.name) or "model"
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


_ARXIV = re.compile(r"(?i:arxiv)\W{0,20}(\d{4}\.\d{4,5})\b|eprint = \{(\d{4}\.\d{4,5})\}")
_DOI = re.compile(r"\b(10\.\d{4,9}/[-._;()/:A-Za-z0-9]{1,200}[A-Za-z0-9])")
_WEB = re.compile(r"https://[A-Za-z0-9.-]{1,200}(?:/[-A-Za-z0-9._~/%+]{0,300})?(?![^\s}),;])")


def paper_link(card: GeneratorCard) -> str:
    """Return the address of a model's paper, else of its code; empty where none is known.

    It comes from the texts of the card, else from the entries of the suite's own models.
    """
    known = bibtex(card.name) if card.name in MODELS else ""
    for text in (card.citation, known, card.source):
        if found := _DOI.search(text):
            return f"https://doi.org/{found[1]}"
        if found := _ARXIV.search(text):
            return f"https://arxiv.org/abs/{found[1] or found[2]}"
        if found := _WEB.search(text):
            return found[0]
    return ""


@cache
def _entries() -> dict[str, str]:
    """Return key to entry of the shipped file, whose entries are separated by empty lines."""
    text = files(__package__).joinpath("citations.bib").read_text("utf-8")
    entries = [entry.strip() for entry in text.split("\n\n") if entry.strip()]
    return {entry[entry.index("{") + 1 : entry.index(",")]: entry for entry in entries}


_SPECIAL = re.compile(r"[\\{}%$&#_^~]")


def _escaped(text: str) -> str:
    """Return ``text`` escaped for BibTeX and LaTeX; braces and backslashes could open a command and go."""
    return _SPECIAL.sub(lambda found: "" if found[0] in "\\{}^~" else f"\\{found[0]}", " ".join(text.split()))
