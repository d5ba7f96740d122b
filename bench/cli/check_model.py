"""``bench check-model``: the conformance checks of a generator."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from ..generators.registry import load_generator
from ..testing.findings import ConformanceError, Finding
from .console import make_console
from .options import labels_option, native_size_option


@click.command(epilog="Example:  bench check-model ./my_model.py:MyGAN")
@click.argument("model")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Weights instead of the shipped ones.")
@labels_option
@native_size_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check_model(
    model: str, checkpoint: Path | None, labels: tuple[str, ...], native_size: int | None, as_json: bool
) -> None:
    """Run the conformance checks on a registered name or FILE.py:CLASS; exit code 1 if one fails."""
    from ..testing.generators import check_generator

    generator = load_generator(model, checkpoint, expressions=labels, resolution=native_size)
    try:
        findings: Sequence[Finding] = check_generator(generator)
    except ConformanceError as error:
        findings = error.findings
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        make_console().print(_table(generator.card.title, findings))
    if any(finding.problem for finding in findings):
        sys.exit(1)


def _table(title: str, findings: Sequence[Finding]) -> Table:
    table = Table("check", "result", title=title)
    for finding in findings:
        table.add_row(finding.check, finding.problem or "passed")
    return table
