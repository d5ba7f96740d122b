"""The command line: ``bench`` (also installed as ``fesbench``).

Each command has a module of its own that is imported when the command is called, so that ``bench --help``
imports nothing heavy. Data goes to stdout, messages to stderr; exit code 0 means all done,
1 that some cells failed, 2 a usage or input error.
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import IO, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from ..core.errors import BenchError, did_you_mean
from ..core.files import full_disk, write_error
from ..core.version import __version__


class LazyCommand(NamedTuple):
    """The ``module:attribute`` of a command, and its line in the help text of the group."""

    target: str
    short_help: str


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, *, lazy: dict[str, LazyCommand], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order in which a user meets them."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None where there is none of that name."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module, __package__), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin so, without importing the commands."""
        commands = [
            CompletionItem(name, help=entry.short_help)
            for name, entry in self.lazy.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            UsageError: there is none; suggests similar names.
        """
        name = args[0]
        if name not in self.lazy and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {name!r}.{did_you_mean(name, self.lazy)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in self.lazy.items()])


COMMANDS = {
    "run": LazyCommand(".run:run", "Compare generators on data sets."),
    "merge": LazyCommand(".merge:merge", "Put the parts of a run together."),
    "score": LazyCommand(".score:score", "Score any folder of images."),
    "data": LazyCommand(".data:data", "Add, list, show, prepare and export data sets."),
    "models": LazyCommand(".models:models", "List, show and push the generators."),
    "metrics": LazyCommand(".metrics:metrics", "List, show and check the metrics."),
    "weights": LazyCommand(".weights:weights", "List, fetch and verify the weights of metric backends."),
    "train": LazyCommand(".train:train", "Train generators under one protocol."),
    "train-nets": LazyCommand(".train_nets:train_nets", "Train the embedded metric networks."),
    "runs": LazyCommand(".runs:runs", "List, show, pack and push runs."),
    "report": LazyCommand(".report:report", "Write tables, figures and a page for finished runs."),
    "robustness": LazyCommand(".robustness:robustness", "Score a run again with misaligned inputs."),
    "study": LazyCommand(".study:study", "Make, run and analyse a human study."),
    "claims": LazyCommand(".claims:claims", "Say which published claims hold on a run."),
    "compare": LazyCommand(".compare:compare", "Show what two runs differ by, and why."),
    "submit": LazyCommand(".submit:submit", "Write a run's results as one file for a leaderboard."),
    "leaderboard": LazyCommand(".leaderboard:leaderboard", "Make a page from submissions and runs."),
    "query": LazyCommand(".query:query", "Ask finished runs in SQL."),
    "verify": LazyCommand(".verify:verify", "Recompute digests and scores of a run."),
    "cite": LazyCommand(".cite:cite", "Print BibTeX of models, metrics and data sets."),
    "cache": LazyCommand(".cache:cache", "Show and clear what is kept between runs."),
    "doctor": LazyCommand(".doctor:doctor", "Look for what is wrong with this installation."),
    "completion": LazyCommand(".completion:completion", "Print the completion script of a shell."),
    "train-classifier": LazyCommand(
        ".train_classifier:train_classifier", "Train an expression classifier to score with."
    ),
    "check-model": LazyCommand(".check_model:check_model", "Run the conformance suite on a generator."),
}


class UserError(click.ClickException):
    """A ``BenchError`` as the command line reports it."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message on stderr, or to ``file``."""
        click.echo(f"error: {self.message}", file=file, err=file is None)


class RootGroup(LazyGroup):
    """The group of all commands; errors that a user can mend end it with one message."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            UserError: the command raised a ``BenchError``, or a disk is full.
        """
        try:
            return super().invoke(ctx)
        except BenchError as error:
            raise UserError(str(error)) from error
        except OSError as error:
            if full_disk(error) is None:
                raise
            place = error.filename2 or error.filename or "a file"
            raise UserError(str(write_error(place, error))) from error


YOUNG_OBJECTS = 50_000
"""New objects before Python looks for unused ones among them; its own 700 makes planning a fifth longer."""

SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FESBENCH"}


@click.group(cls=RootGroup, lazy=COMMANDS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="fesbench")
def cli() -> None:
    """Measure facial-expression synthesis: run generators on data sets, score and compare them."""


def main() -> None:
    """Run the command line; errors of use and of input end it with one message."""
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
