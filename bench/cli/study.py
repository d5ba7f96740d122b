"""``bench study``: from a run to blinded packets, and from answers to numbers."""

from __future__ import annotations

import click

from . import LazyCommand, LazyGroup

COMMANDS = {
    "make": LazyCommand(".study_make:make", "Make a blinded, counterbalanced packet from a run."),
    "power": LazyCommand(".study_power:power", "How many participants and answers a study needs."),
    "serve": LazyCommand(".study_serve:serve", "Collect answers in the lab with a small server."),
    "import": LazyCommand(".study_import:import_", "Turn answers of any platform into one table."),
    "analyze": LazyCommand(".study_analyze:analyze", "Preferences, intervals, tests and agreement."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def study() -> None:
    """Make, run and analyse a human study."""
