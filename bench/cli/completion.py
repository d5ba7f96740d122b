"""``bench completion``, and the names that a shell completes: of models, metrics, data sets and runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

EXAMPLES = """
\b
Examples:
  eval "$(bench completion bash)"              for this shell; in ~/.bashrc for all
  bench completion fish > ~/.config/fish/completions/bench.fish
"""
RUNS = Path("runs")
"""The folder that runs are written to by default."""


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell."""
    root = ctx.find_root()
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(root.command, {}, "bench", "_BENCH_COMPLETE").source())


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of models, or that files are looked for where none fits."""
    from ..generators.registry import GENERATORS

    return _beginning(incomplete, GENERATORS.names()) or [CompletionItem(incomplete, type="file")]


def complete_metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of metrics."""
    from ..metrics.registry import metric_names

    return _beginning(incomplete, metric_names())


def complete_data(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of data sets, or that folders are looked for where none fits."""
    from fesbench.datasets import registry

    return _beginning(incomplete, [*registry.REGISTRY.names(), *registry.registrations()]) or [
        CompletionItem(incomplete, type="dir")
    ]


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the runs in ``runs``, by path or by name, or that folders are looked for where none fits."""
    found = [record.parent for record in sorted(RUNS.glob("*/run.json"))]
    fitting = [
        str(run) for run in found if str(run).startswith(incomplete) or run.name.startswith(incomplete)
    ]
    return [CompletionItem(run) for run in fitting] or [CompletionItem(incomplete, type="dir")]


def _beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
