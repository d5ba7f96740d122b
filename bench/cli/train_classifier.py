"""``bench train-classifier``: train an expression classifier, to score with as ``ecs@NAME``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from .console import make_console, say
from .options import parse_duration

EXAMPLES = """
\b
Examples:
  bench train-classifier --data cfee --init imagenet --budget 30m
  bench run --model all --data cfee --metric ecs@cfee-resnet18
"""


@click.command(epilog=EXAMPLES)
@click.option("--data", required=True, help="Name or folder of the data set.")
@click.option("--backbone", default="resnet18", show_default=True, help="A torchvision network.")
@click.option(
    "--init",
    default="none",
    show_default=True,
    help="none, imagenet (torchvision downloads it), or a torchvision file.",
)
@click.option("--steps", type=click.IntRange(1), default=1000, show_default=True, help="At most this many.")
@click.option("--budget", callback=parse_duration, help="Train no longer than this, for example 25m.")
@click.option("--side", type=click.IntRange(32, 512), default=128, show_default=True, help="Pixels it sees.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--name", help="What follows ecs@.  [default: DATA-BACKBONE]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder.  [default: classifiers in the weights folder]"
)
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
def train_classifier(
    data: str,
    backbone: str,
    init: str,
    steps: int,
    budget: float | None,
    side: int,
    seed: int,
    name: str | None,
    out: Path | None,
    device: str,
) -> None:
    """Train a classifier of expressions on a data set's train split.

    It is measured on the subjects of the test split, which it has not seen; its accuracy there is the ceiling
    of scores through it and is kept on its card. Never score a generator with a classifier that guided it.
    """
    from ..metrics.networks.classifier import ceiling
    from ..training.networks import classifier

    recipe = classifier.Recipe(backbone, init, side, steps, budget, seed=seed)
    made = classifier.train_classifier(data, recipe, name, out, device, say)
    say(f"{made.card}: {ceiling(made.held_out)}; as a metric: {made.metric}")
    table = Table("shown", *made.labels, title="held-out subjects, predicted", title_justify="left")
    for label, counts in zip(made.labels, made.held_out["confusion"], strict=True):
        table.add_row(label, *map(str, counts))
    make_console().print(table)
