"""``bench study``: from a run to blinded packets, and from answers to numbers."""

from __future__ import annotations

from importlib.util import find_spec

import click

from ...core.errors import BenchError
from .. import LazyCommand, LazyGroup

PACKAGES = ("choix", "krippendorff", "reportlab", "starlette", "uvicorn")
"""What the extra ``study`` brings."""

COMMANDS = {
    "make": LazyCommand(".study.make:make", "Make a blinded, counterbalanced packet from a run."),
    "power": LazyCommand(".study.power:power", "How many participants and answers a study needs."),
    "serve": LazyCommand(".study.serve:serve", "Collect answers in the lab with a small server."),
    "import": LazyCommand(".study.import_answers:import_", "Turn answers of any platform into one table."),
    "analyze": LazyCommand(".study.analyze:analyze", "Preferences, intervals, tests and agreement."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def study() -> None:
    """Make, run and analyse a human study."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise BenchError(f"studies need {', '.join(missing)}; install with: pip install 'fesbench[study]'")
