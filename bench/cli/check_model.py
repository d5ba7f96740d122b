"""``bench check-model``: the conformance checks of a generator."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click
from rich.table import Table

from ..generators.registry import is_foreign, load_generator
from ..testing.findings import ConformanceError, Finding
from .console import make_console
from .options import labels_option, native_size_option


@click.command(epilog="Example:  bench check-model ./my_model.py:MyGAN")
@click.argument("model")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Weights instead of the shipped ones.")
@labels_option
@native_size_option
@click.option(
    "--timeout", default=300.0, show_default=True, metavar="SECONDS", help="How long the checks may take."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check_model(
    model: str,
    checkpoint: Path | None,
    labels: tuple[str, ...],
    native_size: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Run the conformance checks on a registered name or FILE.py:CLASS; exit code 1 if one fails."""
    if is_foreign(model):
        title, findings = _isolated(model, checkpoint, labels, native_size, timeout)
    else:
        title, findings = _own(model, checkpoint, labels, native_size)
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        make_console().print(_table(title, findings))
    if any(finding.problem for finding in findings):
        sys.exit(1)


def _own(
    model: str, checkpoint: Path | None, labels: tuple[str, ...], native_size: int | None
) -> tuple[str, Sequence[Finding]]:
    """Return the title of a model of the suite and its findings."""
    from ..testing.generators import check_generator

    generator = load_generator(model, checkpoint, expressions=labels, resolution=native_size)
    try:
        return generator.card.title, check_generator(generator)
    except ConformanceError as error:
        return generator.card.title, error.findings


def _isolated(
    model: str, checkpoint: Path | None, labels: tuple[str, ...], native_size: int | None, timeout: float
) -> tuple[str, Sequence[Finding]]:
    """Return the title of a model of others and its findings, from a process of its own."""
    from ..core.host_process import ProcessEnded, TimedOut
    from ..runs.isolation.model import IsolatedModel
    from ..runs.isolation.requests import ModelRequest

    weights = None if checkpoint is None else str(checkpoint)
    request = ModelRequest(model, weights, labels, native_size, path=tuple(sys.path))
    with closing(IsolatedModel(request, timeout)) as loaded:
        try:
            return loaded.card.title, [Finding(*found) for found in loaded.check()]
        except (ProcessEnded, TimedOut) as error:
            return loaded.card.title, [Finding("runs to its end", str(error))]


def _table(title: str, findings: Sequence[Finding]) -> Table:
    table = Table("check", "result", title=title)
    for finding in findings:
        table.add_row(finding.check, finding.problem or "passed")
    return table
