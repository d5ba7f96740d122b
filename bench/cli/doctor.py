"""``bench doctor``: check the installation."""

from __future__ import annotations

import json

import click
from rich.text import Text

from ..testing.installation import examine
from .console import make_console

STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}


@click.command(epilog="Example:  bench doctor --json > environment.json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Show versions, devices, weights and folders, and look for known problems, with remedies.

    Exit code 1 says that something is broken; a note says that something optional is not there.
    """
    symptoms = []
    console = make_console()
    for symptom in examine():
        symptoms.append(symptom)
        if not as_json:
            console.print(
                Text.assemble(
                    (f"{symptom.state:7}", STYLES[symptom.state]), f"{symptom.what}: {symptom.found}"
                )
            )
            if symptom.remedy:
                console.print(Text(f"       → {symptom.remedy}"))
    if as_json:
        click.echo(json.dumps([symptom._asdict() for symptom in symptoms], indent=2, ensure_ascii=False))
    ctx.exit(1 if any(symptom.state == "broken" for symptom in symptoms) else 0)
