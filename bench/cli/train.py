"""``bench train``: train generators of ours on a data set, under one protocol."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..core.environment import commit
from ..core.errors import BenchError, SpecError
from .console import make_console
from .options import parse_duration

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.contracts import Dataset
    from ..generators.hyperparameters import Settings
    from ..generators.neural import NeuralGenerator
    from ..generators.training_data import TrainingImages
    from ..training.checkpoint_selection import Validation
    from ..training.loop import Limit, TrainingRun


EXAMPLES = """
\b
Examples:
  bench train --model stargan --data rendered --budget 25m
  bench train --model all --data rendered --protocol embedded-v1
  bench train --model sargan --data cfee --protocol official --steps 200000 --device cuda
  bench train --model reggan --data london --folds 5
  torchrun --nproc-per-node 4 -m fesbench train --model reggan --data cfee --device cuda
"""


PAUSE = 20.0
"""Seconds between two plain lines of progress, where there is no terminal for a bar."""


class Material(NamedTuple):
    """A data set, loaded for training at one resolution, and people outside the training."""

    train: Dataset
    images: TrainingImages
    unseen: Dataset
    preview: Tensor


class Fold(NamedTuple):
    """A part of the people of a data set, and all others, to be loaded at a resolution."""

    held_out: frozenset[str]
    load: Callable[[int], Material]


class Request(NamedTuple):
    """What the command line asks for, the model apart. ``fields`` changes the protocol's settings.

    ``validation`` makes what chooses among the candidate weights of unseen people. ``record`` is for the
    training record alone.
    """

    load: Callable[[int], Material]
    protocol: str
    fields: dict[str, Any]
    origin: str
    budget: float | None
    save_every: int
    device: str
    validation: Callable[[Dataset], Validation] | None
    record: dict[str, Any]
    export: bool
    resume: bool


@click.command(epilog=EXAMPLES)
@click.option("--model", required=True, help="Name of the generator, or all; see 'bench models list'.")
@click.option("--data", default="rendered", show_default=True, help="Name or folder of the data set.")
@click.option("--protocol", default="embedded-v1", show_default=True, help="embedded-v1 or official.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="YAML or TOML that changes settings; flags win."
)
@click.option("--budget", callback=parse_duration, help="Train as well as this time allows, for example 25m.")
@click.option("--steps", type=click.IntRange(1), help="Train this many steps instead of the protocol's.")
@click.option("--seed", type=click.IntRange(0), help="[default: the protocol's]")
@click.option("--size", "resolution", type=int, help="Image size in pixels.  [default: the protocol's]")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), help="Of the generator's passes.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Default: runs/train-MODEL-DATA."
)
@click.option(
    "--save-every", type=click.IntRange(1), default=200, show_default=True, help="Steps between saves."
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps or auto.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads.  [default: PyTorch's]")
@click.option(
    "--folds",
    type=click.IntRange(2),
    metavar="N",
    help="Train N times, each time on all people but one Nth, for a run that cross-fits the data set.",
)
@click.option(
    "--judge",
    metavar="METRIC",
    help="Keep the weights, after the last step or one of the protocol's candidates, that it likes best on "
    "validation subjects.  [default: for rendered faces ecs@embedded-judge1, else the last are kept]",
)
@click.option(
    "--trials", type=click.IntRange(0), default=0, help="For the record: tuning runs behind these settings."
)
@click.option("--export", type=click.Choice(["official"]), help="Write the official code's file as well.")
@click.option("--resume", is_flag=True, help="Go on from the last save in the output folder.")
def train(
    model: str,
    data: str,
    protocol: str,
    config: Path | None,
    budget: float | None,
    out: Path | None,
    save_every: int,
    device: str,
    threads: int | None,
    folds: int | None,
    judge: str | None,
    trials: int,
    export: str | None,
    resume: bool,
    **flags: Any,
) -> None:
    """Train generators on the studio images of a data set's train split.

    The output folder gets the model (.safetensors with a .json card), the losses (.jsonl, TensorBoard),
    sample grids and the state to resume from; it can be stopped and resumed at any time. With --model all,
    --out is the folder of these folders, and --resume skips models that are done.

    With --folds N, every folder gets N of these trainings and MODEL.folds.json, the checkpoint to give to a
    run: each person is then edited by the network that has not seen them.
    """
    if budget is not None and flags["steps"] is not None:
        raise click.UsageError("say how long to train by either --budget or --steps")
    if folds and judge:
        raise click.UsageError("--folds leaves no subjects for --judge: those of a fold are tested")
    import torch

    from ..training.log import has_tensorboard

    if threads is not None:
        torch.set_num_threads(threads)
    if not has_tensorboard():
        _say("without TensorBoard losses go to losses.jsonl alone; pip install 'fesbench[train]' adds curves")
    fields = {**_config(config), **{name: value for name, value in flags.items() if value is not None}}
    request = Request(
        cache(lambda resolution: _load_split(data, resolution)),
        protocol,
        fields | ({"steps": None} if budget else {}),
        str(config or "the command line"),
        budget,
        save_every,
        device,
        _validation(None if folds else judge or _default_judge(data, protocol)),
        {"trials": trials},
        export is not None,
        resume,
    )
    suffix = re.sub(r"[^A-Za-z0-9_-]+", "_", data)
    parts = _folds(data, folds) if folds else ()
    if model != "all":
        _train_one(model, request, parts, out or Path("runs", f"train-{model}-{suffix}"))
        return
    folders = {name: Path(out or "runs", f"train-{name}-{suffix}") for name in _names()}
    if not _train_all(request, parts, folders):
        raise click.exceptions.Exit(1)


def _config(path: Path | None) -> dict[str, Any]:
    from ..generators.hyperparameters import read_changes

    return read_changes(path) if path else {}


def _default_judge(data: str, protocol: str) -> str | None:
    """The embedded judge for the faces that it knows; real photos need one that the user names."""
    from ..training.validation import DEVELOPMENT_JUDGE

    return DEVELOPMENT_JUDGE if (data, protocol) == ("rendered", "embedded-v1") else None


def _validation(judge: str | None) -> Callable[[Dataset], Validation] | None:
    """Makes a validation by the judge, once for each data set."""
    if judge is None:
        return None
    from ..training.validation import expression_validation

    return cache(partial(expression_validation, judge))


def _load_split(data: str, resolution: int) -> Material:
    from fesbench.datasets.registry import load_dataset

    return _load(load_dataset(data, split="train"), load_dataset(data, split="val"), resolution)


def _folds(data: str, count: int) -> list[Fold]:
    """Those into which a run of ``count`` folds and seed 0 cuts the data set."""
    from fesbench.datasets.registry import load_dataset
    from fesbench.datasets.selection import folds, select_subjects

    everyone = load_dataset(data, split="all")
    parts = []
    for number, (held_out, rest) in enumerate(folds(everyone, count, seed=0), 1):
        rest.split = f"all but fold {number} of {count}"
        load = partial(_load, rest, select_subjects(everyone, held_out))
        parts.append(Fold(held_out, cache(load)))
    return parts


def _load(train: Dataset, unseen: Dataset, resolution: int) -> Material:
    from ..generators.training_data import load_images, preview_images

    _say(f"loading {train.name} ({train.split}) …")
    images = load_images(train, resolution)
    for problem in images.problems:
        _say(f"left out {problem.path}: {problem.reason}")
    return Material(train, images, unseen, preview_images(unseen, resolution))


def _train_all(request: Request, parts: Sequence[Fold], folders: dict[str, Path]) -> bool:
    """Train every model that can be, one after the other; whether all went well."""
    failures = {}
    for name, folder in folders.items():
        try:
            _train_one(name, request if parts else _going_on(request, folder), parts, folder)
        except Exception as error:  # whatever is wrong with one model, the others are trained
            if not isinstance(error, BenchError):
                _say("".join(traceback.format_exception(error)))
            failures[name] = str(error) or type(error).__name__
            _say(f"{name} failed: {failures[name]}")
    _say(f"{len(folders) - len(failures)} of {len(folders)} models are trained")
    for name, reason in failures.items():
        _say(f"not trained: {name}: {reason.splitlines()[0]}")
    return not failures


def _names() -> list[str]:
    """The registered models that have a network; one whose package is broken counts, to be told of."""
    from ..generators.registry import GENERATORS

    names = []
    for name in GENERATORS.names():
        try:
            has_network = _network_class(name) is not None
        except BenchError:
            has_network = True
        names += [name] * has_network
    return names


def _going_on(request: Request, folder: Path) -> Request:
    """The request, to be resumed only where there is something to resume."""
    return request._replace(resume=request.resume and _state(folder).is_file())


def _train_one(name: str, request: Request, parts: Sequence[Fold], folder: Path) -> None:
    """Train one model, or one for each of the folds where there are any, and print where it is."""
    if not parts:
        _finish(_trained(name, request, folder), request.export)
        return
    runs = []
    for number, part in enumerate(parts, 1):
        own = folder / f"fold-{number}"
        record = request.record | {"held_out": sorted(part.held_out)}
        run = _trained(name, _going_on(request._replace(load=part.load, record=record), own), own)
        _finish(run, request.export)
        runs.append(run)
    _list_folds(runs, folder)


def _list_folds(runs: Sequence[TrainingRun], folder: Path) -> None:
    from ..generators.cross_trained import SUFFIX, write_folds
    from ..training.devices import is_leader

    if not is_leader():
        return
    path = folder / f"{runs[0].model.template.name}{SUFFIX}"
    write_folds(path, runs[0].record["data"], {run.record["data_digest"]: run.checkpoint for run in runs})
    click.echo(path)


def _trained(name: str, request: Request, folder: Path) -> TrainingRun:
    kind = _network_class(name)
    if kind is None:
        raise BenchError(
            f"{name} is not trained by 'bench train': it has no network; bench run uses it as it is"
        )
    settings, notes = _settings(kind, request)
    limit = _limit(settings, request)
    _check_folder(folder, request.resume)
    run = _run(kind, request, settings, folder, notes)
    if request.resume:
        run.resume()
    if limit.progress(run.trainer.step, run.seconds) >= 1:
        _say(f"{name}: was trained before, {run.trainer.step} steps")
    else:
        _say(f"{name}: {len(run.data.labels)} images, {len(run.data.expressions)} expressions, into {folder}")
        _train_with_progress(run, limit)
    return run


def _settings(kind: type[NeuralGenerator], request: Request) -> tuple[Settings, dict[str, Any]]:
    """The settings that hold, and what the training record says about where they are from."""
    from ..generators.hyperparameters import changed
    from ..training.protocols import departures, protocol_settings

    base = protocol_settings(request.protocol, kind)
    settings = changed(base, request.fields, request.origin)
    notes = {
        "protocol": request.protocol,
        "departures": departures(settings, base),
        "budget_seconds": request.budget,
        **request.record,
        **commit(),
    }
    return settings, notes


def _limit(settings: Settings, request: Request) -> Limit:
    from ..training.loop import Limit

    if settings.steps is None and request.budget is None:
        raise SpecError(f"protocol {request.protocol} does not say how long: give either --budget or --steps")
    return Limit(settings.steps, request.budget)


def _run(
    kind: type[NeuralGenerator], request: Request, settings: Settings, folder: Path, notes: dict[str, Any]
) -> TrainingRun:
    from ..training.loop import TrainingRun

    train, images, unseen, preview = request.load(settings.resolution)
    return TrainingRun(
        kind,
        train,
        preview,
        settings,
        folder,
        request.save_every,
        request.device,
        images,
        notes,
        request.validation(unseen) if request.validation else None,
    )


def _network_class(name: str) -> type[NeuralGenerator] | None:
    """The model, where it has a network to train."""
    from ..generators.neural import NeuralGenerator
    from ..generators.registry import GENERATORS

    kind = GENERATORS.load(name)
    return kind if isinstance(kind, type) and issubclass(kind, NeuralGenerator) else None


def _state(folder: Path) -> Path:
    return folder / "state.pt"


def _check_folder(folder: Path, resume: bool) -> None:
    state = _state(folder)
    if resume and not state.is_file():
        raise SpecError(f"nothing to resume in {folder}: {state.name} is missing; leave --resume out")
    if not resume and state.exists():
        raise SpecError(f"{folder} already holds a training; pass --resume to go on, or another --out")


def _finish(run: TrainingRun, export: bool) -> None:
    """Print where the model is; write the official file as well, if asked to."""
    from ..generators.checkpoints import save_official
    from ..training.devices import is_leader

    if not is_leader():
        return
    generator = run.generator()
    paths = [run.checkpoint]
    if export and not generator.has_official_code:
        _say(f"{generator.card.name}: its authors published no code, so there is no official file to write")
    elif export:
        paths.append(run.folder / f"{generator.card.name}-official.ckpt")
        save_official(generator, paths[1])
    for path in paths:
        click.echo(path)


def _say(message: str) -> None:
    """A message on stderr, by the first process only."""
    from ..training.devices import is_leader

    if is_leader():
        click.echo(message, err=True)


def _train_with_progress(run: TrainingRun, limit: Limit) -> None:
    from ..training.devices import is_leader

    console = make_console(stderr=True)
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=console, disable=not is_leader()) as progress:
        task = progress.add_task("train", total=1.0, step=0, losses="")
        told = run.seconds

        def report(step: int, fraction: float) -> None:
            nonlocal told
            progress.update(task, completed=fraction, step=step, losses=_totals(run.losses))
            if not console.is_terminal and run.seconds - told >= PAUSE:
                told = run.seconds
                left = run.seconds / fraction * (1 - fraction)
                _say(f"step {step}, {fraction:.1%}, about {left:.0f} s left, {_totals(run.losses)}")

        run.train(limit, report)


def _totals(losses: dict[str, float]) -> str:
    """The sums that both networks minimise; the files have the terms."""
    sides = {"D": "d_", "G": "g_"}
    sums = {
        side: sum(value for name, value in losses.items() if name.startswith(prefix))
        for side, prefix in sides.items()
    }
    return ", ".join(f"{side} {total:.3f}" for side, total in sums.items())
