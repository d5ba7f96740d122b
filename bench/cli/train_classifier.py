"""``bench train-classifier``: an expression classifier of one's own, to score with as ``ecs@NAME``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from ..core.names import safe_name
from ..core.paths import weights_folder
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
    of scores through it and is kept beside it. Never score a generator with a classifier that guided it.
    """
    from fesbench.datasets.registry import load_dataset

    from ..core.device import check_device
    from ..metrics.networks import classifier
    from ..training.networks import classifier as classifier_training

    check_device(device)
    recipe = classifier_training.Recipe(backbone, init, side, steps, budget, seed=seed)
    train_set = load_dataset(data, "train")
    seen = classifier_training.load_labelled(train_set, side)
    unseen = classifier_training.load_labelled(load_dataset(data, "test"), side, seen.labels)
    say(f"{len(seen.targets)} images of {seen.subjects} subjects, {len(seen.labels)} expressions")
    module = classifier_training.train(seen, recipe, say, device)
    held_out = classifier_training.measure(module, unseen, device)
    name = safe_name(name or f"{train_set.name}-{backbone}")
    path = (out or weights_folder() / "classifiers") / f"{name}.json"
    classifier.save(module.cpu(), path, classifier_training.describe(recipe, train_set, seen, held_out))
    say(f"{path}: {classifier.ceiling(held_out)}; as a metric: ecs@{name}")
    table = Table("shown", *seen.labels, title="held-out subjects, predicted", title_justify="left")
    for label, counts in zip(seen.labels, held_out["confusion"], strict=True):
        table.add_row(label, *map(str, counts))
    make_console().print(table)
