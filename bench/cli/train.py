"""``bench train``: train a generator of ours on a data set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..errors import BenchError, SpecError

if TYPE_CHECKING:
    from fesbench.baselines.neural import NeuralGenerator
    from fesbench.baselines.training import Limit, TrainingRun


def parse_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A length of time such as ``90s``, ``25m`` or ``1h30m``, in seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise click.BadParameter(f"{value!r} is no length of time; write it as 90s, 25m or 1h30m")
    return float(total)


@click.command(epilog="Example:  bench train --model stargan --data rendered --budget 25m")
@click.option("--model", required=True, help="Name of the generator; see 'bench models list'.")
@click.option("--data", default="rendered", show_default=True, help="Name or folder of the data set.")
@click.option("--budget", callback=parse_duration, help="Train as well as this time allows, for example 25m.")
@click.option("--steps", type=click.IntRange(1), help="Train this many steps instead.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Default: runs/train-MODEL-DATA."
)
@click.option("--size", type=click.Choice(["32", "64", "128", "256"]), default="64", show_default=True)
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option(
    "--save-every", type=click.IntRange(1), default=200, show_default=True, help="Steps between saves."
)
@click.option("--device", default="cpu", show_default=True, help="A torch device, such as cuda.")
@click.option("--resume", is_flag=True, help="Go on from the last save in the output folder.")
def train(
    model: str,
    data: str,
    budget: float | None,
    steps: int | None,
    seed: int,
    out: Path | None,
    size: str,
    precision: Literal["float32", "bfloat16"],
    save_every: int,
    device: str,
    resume: bool,
) -> None:
    """Train a generator on the studio images of a data set's train split.

    The output folder gets the model (.safetensors with a .json card), the losses (.jsonl), sample grids
    and the state to resume from; it can be stopped and resumed at any time.
    """
    if (budget is None) == (steps is None):
        raise click.UsageError("say how long to train: either --budget or --steps")
    from fesbench.baselines.settings import Settings
    from fesbench.baselines.training import Limit, TrainingRun
    from fesbench.baselines.training_data import preview_images
    from fesbench.datasets.registry import load_dataset

    kind = _trainable(model)
    folder = out or Path("runs") / f"train-{model}-{re.sub(r'[^A-Za-z0-9_-]+', '_', data)}"
    _check_folder(folder, resume)
    settings = Settings(resolution=int(size), precision=precision, seed=seed)
    click.echo(f"loading the train split of {data} …", err=True)
    preview = preview_images(load_dataset(data, split="val"), settings.resolution)
    run = TrainingRun(kind, load_dataset(data, split="train"), preview, settings, folder, save_every, device)
    _describe(run)
    if resume:
        run.resume()
    _train_with_progress(run, Limit(steps, budget))
    click.echo(folder / f"{run.generator().card.name}.safetensors")


def _trainable(name: str) -> type[NeuralGenerator]:
    from fesbench.baselines.neural import NeuralGenerator
    from fesbench.baselines.registry import GENERATORS

    kind = GENERATORS.load(name)
    if not (isinstance(kind, type) and issubclass(kind, NeuralGenerator)):
        raise BenchError(
            f"{name} is not trained by 'bench train': it has no network; bench run uses it as it is"
        )
    return kind


def _check_folder(folder: Path, resume: bool) -> None:
    state = folder / "state.pt"
    if resume and not state.is_file():
        raise SpecError(f"nothing to resume in {folder}: {state.name} is missing; leave --resume out")
    if not resume and state.exists():
        raise SpecError(f"{folder} already holds a training; pass --resume to go on, or another --out")


def _describe(run: TrainingRun) -> None:
    data = run.data
    click.echo(f"{len(data.labels)} images, {len(data.expressions)} expressions, into {run.folder}", err=True)
    for problem in data.problems:
        click.echo(f"left out {problem.path}: {problem.reason}", err=True)


def _train_with_progress(run: TrainingRun, limit: Limit) -> None:
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("train", total=1.0, step=0)

        def report(step: int, fraction: float) -> None:
            progress.update(task, completed=fraction, step=step)

        run.train(limit, report)
