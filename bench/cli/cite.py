"""``bench cite``: BibTeX of models, metrics and data sets."""

from __future__ import annotations

import click

from fesbench.reports.citations import KEYS, bibtex, bibtex_of_card, bibtex_of_metric

from ..core.errors import BenchError
from ..generators.registry import GENERATORS, load_model
from ..metrics.registry import METRICS, load_metric


@click.command(epilog="Example:  bench cite stargan qualiclip london fesbench > references.bib")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
def cite(names: tuple[str, ...]) -> None:
    """Print BibTeX for models (names, or FILE.py:CLASS), metrics (ids), data sets, and fesbench.

    Entries hold only what is known here: complete author lists and pages from the publishers.
    """
    entries = dict.fromkeys(entry for name in names for entry in _entry(name).split("\n\n"))
    click.echo("\n\n".join(entries))


def _entry(name: str) -> str:
    if name in KEYS:
        return bibtex(name)
    if ".py:" in name or name in GENERATORS.names():
        entry = bibtex_of_card(load_model(name).card)
    elif name in METRICS.names():
        entry = bibtex_of_metric(load_metric(name).card)
    else:
        return bibtex(name)
    if not entry:
        raise BenchError(f"the card of {name} names nothing to cite")
    return entry
