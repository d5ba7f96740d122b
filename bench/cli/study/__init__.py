"""``bench study``: from a run to blinded packets, and from answers to results."""

from __future__ import annotations

from importlib.util import find_spec

import click

from ...core.errors import BenchError
from .. import LazyCommand, LazyGroup

PACKAGES = ("choix", "krippendorff", "reportlab", "starlette", "uvicorn")
"""The packages of the extra ``study``."""

COMMANDS = {
    "make": LazyCommand(".study.make:make", "Make a blinded, counterbalanced packet from a run."),
    "power": LazyCommand(".study.power:power", "How many participants and answers a study needs."),
    "serve": LazyCommand(".study.serve:serve", "Collect answers in the lab with a small server."),
    "release": LazyCommand(".study.release:release", "Let a participant go on in another browser."),
    "import": LazyCommand(".study.import_answers:import_", "Turn answers of any platform into one table."),
    "analyze": LazyCommand(".study.analyze:analyze", "Preferences, intervals, tests and agreement."),
}


class StudyGroup(LazyGroup):
    """A lazy group whose commands need the packages of the extra ``study``."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command.

        Raises:
            BenchError: a package of the extra is not installed.
        """
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise BenchError(
                f"studies need {', '.join(missing)}; install with: pip install 'fesbench[study]'"
            )
        return super().get_command(ctx, cmd_name)


@click.group(cls=StudyGroup, lazy=COMMANDS)
def study() -> None:
    """Make, run and analyse a human study."""
