"""``bench train``: train generators on a data set, under one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from .console import make_console, say
from .options import parse_duration

if TYPE_CHECKING:
    from ..training import train as training

EXAMPLES = """
\b
Examples:
  bench train --model stargan --data rendered --budget 25m
  bench train --model all --data rendered --protocol embedded-v2 --seed 0 --seed 1 --turn 2000 --resume
  bench train --model all --protocol embedded-v2 --workers 2 --resume
  bench train --model sargan --data cfee --protocol official --steps 200000 --device cuda
  bench train --model reggan --data london --folds 5 --registered
  bench train --status runs/v2
  bench train --choose runs/v2 --judge ecs@embedded-judge1
  torchrun --nproc-per-node 4 -m fesbench train --model reggan --data cfee --device cuda
"""

CHOOSE = "fesbench.train.choose"
"""Where the context of the command keeps the folder of ``--choose``."""


def _show_status(ctx: click.Context, param: click.Parameter, folder: Path | None) -> None:
    """Show where the trainings in a folder stand, and end."""
    if folder is None:
        return
    from ..training.standing import standings

    table = Table("training", "model", "seed", "steps", "ends at", "kept", "joint", "error", "hours")
    for one in standings(folder):
        ends = "" if one.end is None else f"{one.end}{'' if one.settled in (None, True) else ' at most'}"
        numbers = (_shown(one.joint, ".3f"), _shown(one.error, ".2f"))
        hours = "" if one.seconds is None else f"{one.seconds / 3600:.2f}"
        places = (one.folder.name, one.model, _shown(one.seed), str(one.steps), ends, _shown(one.kept))
        table.add_row(*places, *numbers, hours)
    make_console().print(table)
    ctx.exit()


def _shown(value: float | None, form: str = "") -> str:
    return "" if value is None else format(value, form)


def _remember_choose(ctx: click.Context, param: click.Parameter, folder: Path | None) -> None:
    ctx.meta[CHOOSE] = folder


def _choose(folder: Path, judge: str | None) -> None:
    """Choose anew in a folder; say what is kept now."""
    from ..training.rechoosing import choose
    from .train_progress import shown_training

    with shown_training() as progress:
        made = choose(folder, judge, progress)
    for one in made:
        same = "as before" if one.kept == one.before else f"before that {one.before}"
        say(f"{one.folder.name}: kept {one.kept}, {same}")


@click.command(epilog=EXAMPLES)
@click.option("--model", help="A generator, several as A,B,…, or all; see 'bench models list'.")
@click.option("--data", default="rendered", show_default=True, help="Name or folder of the data set.")
@click.option(
    "--protocol", default="embedded-v1", show_default=True, help="embedded-v1, embedded-v2 or official."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="YAML or TOML that changes settings; flags win."
)
@click.option("--budget", callback=parse_duration, help="Train as well as this time allows, for example 25m.")
@click.option("--steps", type=click.IntRange(1), help="Train this many steps instead of the protocol's.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    multiple=True,
    callback=lambda ctx, option, value: value if len(value) > 1 else next(iter(value), None),
    help="Several train every model once with each.  [default: the protocol's]",
)
@click.option("--size", "resolution", type=int, help="Image size in pixels.  [default: the protocol's]")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), help="Of the generator's passes.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Default: runs/train-MODEL-DATA."
)
@click.option(
    "--save-every", type=click.IntRange(1), default=200, show_default=True, help="Steps between saves."
)
@click.option(
    "--turn",
    type=click.IntRange(1),
    metavar="STEPS",
    help="With several trainings, let each make so many steps before the next one's turn.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps or auto.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trainings that are made at a time, each in a process of its own.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Processor threads.  [default: PyTorch's; of several workers, their share of the cores]",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    metavar="N",
    help="Train N times, each time on all people but one Nth, for a run that cross-fits the data set.",
)
@click.option(
    "--judge",
    metavar="METRIC",
    help="Choose among the weights after the last step and the protocol's candidates by this metric on "
    "validation subjects; see docs/training.md.  [default: ecs@embedded-judge1 for rendered faces and an "
    "embedded protocol without folds, else the last weights are kept]",
)
@click.option(
    "--trials", type=click.IntRange(0), default=0, help="For the record: tuning runs behind these settings."
)
@click.option("--export", type=click.Choice(["official"]), help="Write the official code's file as well.")
@click.option(
    "--action-units",
    type=click.Path(exists=True, path_type=Path),
    help="OpenFace's CSV files of the images, for GANimation.",
)
@click.option(
    "--registered",
    is_flag=True,
    help="Learn from the faces of the data set's pairs, registered by their landmarks.",
)
@click.option("--resume", is_flag=True, help="Go on from the last save in the output folder.")
@click.option(
    "--status",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_show_status,
    help="Show where each training in DIR stands, running ones too, and do nothing else.",
)
@click.option(
    "--choose",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    expose_value=False,
    callback=_remember_choose,
    help="Train nothing: choose anew among the candidates that trainings in DIR kept, by --judge if given, "
    "else by their stored outcomes.",
)
def train(**options: Any) -> None:
    """Train generators on the studio images of a data set's train split.

    The output folder gets the model (.safetensors with a .json card), the losses (.jsonl, TensorBoard),
    sample grids and the state to resume from; it can be stopped and resumed at any time. With --model all,
    --out is the folder of these folders, and --resume skips models that are done.

    With --folds N, every folder gets N of these trainings and MODEL.folds.json, the checkpoint to give to a
    run: each person is then edited by the network that has not seen them.
    """
    folder = click.get_current_context().meta[CHOOSE]
    if folder is not None:
        _choose(folder, options["judge"])
    elif options["model"] is None:
        raise click.UsageError("Missing option '--model': name a generator, several as A,B,…, or all.")
    else:
        _train(**options)


def _train(**options: Any) -> None:
    from ..training import train as training
    from ..training.devices import is_leader
    from .train_progress import shown_training

    with shown_training() as progress:
        result = training.train(**options, listener=progress)
    if is_leader():
        _show_summary(result)
    if result.failures:
        raise click.exceptions.Exit(1)


def _show_summary(result: training.TrainingResult) -> None:
    trained = {one.folder.parent if result.folds else one.folder for one in result.trainings}
    total = len(trained) + len(result.failures)
    if total < 2:
        return
    say(f"{len(trained)} of {total} models trained")
    table = Table("training", "steps", "kept", "hours")
    for one in result.trainings:
        table.add_row(one.folder.name, str(one.steps), str(one.kept), f"{one.seconds / 3600:.1f}")
    make_console(stderr=True).print(table)
    for name, reason in result.failures.items():
        say(f"not trained: {name}: {reason.splitlines()[0]}")
