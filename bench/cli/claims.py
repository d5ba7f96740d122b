"""``bench claims``: which published claims hold on a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.padding import Padding
from rich.text import Text

from .completion import complete_runs
from .console import make_console
from .options import Location

if TYPE_CHECKING:
    from ..review.claims import Finding

EXAMPLES = """
\b
Examples:
  bench claims runs/cfee
  bench claims runs/mine --claims my_claims.yaml --json
\b
A file of your own:
  claims:
    - text: my model shows expressions better than StarGAN
      model: mymodel
      metric: ecs
      better_than: stargan
"""
STYLES = {"agrees": "green", "disagrees": "red", "undecided": "yellow", "not testable": "dim"}


@click.command(epilog=EXAMPLES)
@click.argument("run", type=Location(), shell_complete=complete_runs)
@click.option(
    "--claims",
    "path",
    type=click.Path(path_type=Path),
    help="A YAML file of claims.  [default: RegGAN's abstract]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def claims(run: Path | str, path: Path | None, as_json: bool) -> None:
    """Say for each claim whether the finished RUN agrees, disagrees or leaves it undecided, with the numbers.

    A claim in the file says of a model either its rank by a metric (rank, optionally among a list of models),
    or another model that it is better_than. On rendered faces and by embedded judges, claims that do not name
    them (data: rendered, metric: ecs@embedded) are not testable.
    """
    from ..api import open_run
    from ..review.claims import CAUTION, judge_claims, read_claims

    findings = judge_claims(read_claims(path), open_run(run))
    if as_json:
        content = {"caution": CAUTION, "findings": [finding.to_dict() for finding in findings]}
        click.echo(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False))
        return
    console = make_console()
    console.print(Text(CAUTION, style="bold"))
    shown = None
    for finding in findings:
        if finding.claim != shown:
            shown = finding.claim
            console.print()
            console.print(Text(f"{shown.text} ({shown.source})"))
        console.print(_verdict(finding))
        for line in _lines(finding):
            console.print(Padding(Text(line), (0, 0, 0, 4)))


def _verdict(finding: Finding) -> Text:
    from fesbench.reports.tables.table import metric_title

    place = [finding.dataset, finding.domain, metric_title(finding.metric) if finding.metric else None]
    text = Text("  " + "".join(f"{part}, " for part in place if part))
    text.append(finding.verdict, STYLES[finding.verdict])
    if finding.orientation:
        text.append(f" (orientation: {finding.orientation})")
    return text


def _lines(finding: Finding) -> Iterator[str]:
    yield finding.reason
    numbers = finding.numbers or {}
    if numbers.get("value") is not None:
        value = _with_interval(numbers, "value", "low", "high")
        counts = f"{numbers['n_scored']} of {numbers['n_asked']} outputs"
        people = f" of {numbers['subjects']} subjects" if numbers["subjects"] else ""
        yield f"{finding.claim.model} {value}, {counts}{people}"
    if numbers.get("rival_value") is not None:
        rival = f"best other: {numbers['rival']} {numbers['rival_value']:.4g}"
        if numbers.get("difference") is not None:
            gap = _with_interval(numbers, "difference", "difference_low", "difference_high")
            rival += f"; paired difference {gap}"
        yield rival


def _with_interval(numbers: dict[str, Any], value: str, low: str, high: str) -> str:
    text = f"{numbers[value]:.4g}"
    return text if numbers[low] is None else f"{text} [{numbers[low]:.4g}, {numbers[high]:.4g}]"
