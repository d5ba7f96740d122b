"""Train generators on a data set under one protocol: what ``bench train`` does."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from lightning_fabric import Fabric

from fesbench.datasets.action_units import of_samples, read_measurements
from fesbench.datasets.workers import available_cores

from ..core.contracts import Dataset, LandmarkGenerator
from ..core.environment import commit
from ..core.errors import BenchError, SpecError
from ..generators.checkpoints import save_official
from ..generators.cross_trained import SUFFIX, write_folds
from ..generators.hyperparameters import Settings, changed, read_changes
from ..generators.neural import NeuralGenerator
from ..generators.registry import GENERATORS
from ..generators.training_data import TrainingImages, located_preview, with_units
from ..runs.store.storage import LOCK, storage_at
from .checkpoint_selection import Validation
from .devices import SharedFailure, fail_together, is_joined, start_fabric
from .log import has_tensorboard
from .loop import STATE_FILE, Limit, TrainingRun
from .progress import NoListener, StepReport, TrainingListener
from .protocols import EMBEDDED, departures, protocol_settings
from .side_by_side import Call, train_side_by_side
from .sizes import check_training_size
from .splits import Fold, Load, LoadedSplit, train_split, training_folds
from .validation import DEVELOPMENT_JUDGE, expression_validation


@dataclass(frozen=True)
class Training:
    """A finished training of one model on one split.

    Attributes:
        model: Name of the generator.
        data: Name of the data set.
        data_digest: Digest of the part of it that was trained on.
        folder: Holds the checkpoint, losses, samples and the state to resume from.
        checkpoint: The trained weights; their card lies beside them.
        official: The file for the official code; None where none was asked for, or there is no such code.
        steps: Steps made.
        kept: The step whose weights the checkpoint holds.
        seconds: Time taken, that before a resume included.
        finished: Whether the training has come to its end.
    """

    model: str
    data: str
    data_digest: str
    folder: Path
    checkpoint: Path
    official: Path | None
    steps: int
    kept: int
    seconds: float
    finished: bool


@dataclass(frozen=True)
class TrainingResult:
    """What ``train`` did.

    Attributes:
        trainings: One for each trained model, or, with folds, one for each fold of each.
        folds: With folds, the file that lists a model's checkpoints, by model; pass it to a run.
        failures: Why other models could not be trained, by model; empty unless all models were asked for.
    """

    trainings: tuple[Training, ...]
    folds: Mapping[str, Path]
    failures: Mapping[str, str]


@dataclass(frozen=True)
class _Request:
    """What is asked for, the same for every model and fold."""

    protocol: str
    changes: Mapping[str, Any]
    origin: str
    budget: float | None
    save_every: int
    turn: int | None
    device: str
    validation: Callable[[Dataset], Validation] | None
    trials: int
    code: Mapping[str, str | bool | None]
    export: bool
    resume: bool
    fabric: Fabric
    listener: TrainingListener
    action_units: Path | None
    registered: bool


def train(
    model: str,
    data: str = "rendered",
    protocol: str = "embedded-v1",
    *,
    config: Path | str | Mapping[str, Any] | None = None,
    budget: float | None = None,
    steps: int | None = None,
    seed: int | Sequence[int] | None = None,
    resolution: int | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    out: Path | str | None = None,
    save_every: int = 200,
    turn: int | None = None,
    device: str = "cpu",
    workers: int = 1,
    threads: int | None = None,
    folds: int | None = None,
    judge: str | None = None,
    trials: int = 0,
    export: Literal["official"] | None = None,
    action_units: Path | str | None = None,
    registered: bool = False,
    resume: bool = False,
    listener: TrainingListener | None = None,
) -> TrainingResult:
    """Train generators on the studio images of a data set's train split; the same as ``bench train``.

    Args:
        model: Name of a generator that has a network, several with commas between, or ``all``.
        data: Name or folder of the data set.
        protocol: ``embedded-v1``, ``embedded-v2`` or ``official``; see ``protocol_settings``.
        config: Changes to the protocol's settings: fields of ``Settings``, or a YAML or TOML file of them.
        budget: Seconds to train for, instead of a number of steps.
        steps: Steps to make instead of the protocol's.
        seed: Instead of the protocol's. With several, every model is trained once with each, in a folder
            ``train-MODEL-DATA-seed-N`` of its own.
        resolution: Image size in pixels instead of the protocol's.
        precision: Of the generator's passes, instead of the protocol's.
        out: Output folder, by default ``runs/train-MODEL-DATA``; for all models, the folder of these folders.
        save_every: Steps between saves.
        turn: With several trainings, each makes so many steps before it is the next one's turn, until all
            are done: at any time all are about as far.
        device: See ``start_fabric``.
        workers: How many trainings are made at a time, each in a process of its own. A script that gives more
            than 1 needs the guard ``if __name__ == "__main__":``.
        threads: Processor threads that PyTorch uses in this process from now on; with several workers, in
            each of theirs, by default the cores over their number.
        folds: Train as many times, each time on all subjects but one part of them, and list the checkpoints
            in ``MODEL.folds.json``.
        judge: Id of the expression metric that chooses among the candidate weights, on validation subjects.
            By default the development judge for rendered faces under an embedded protocol without
            folds, else none.
        trials: For the training record: the number of tuning runs behind these settings, besides those of
            the model's own loss weights.
        export: ``official`` to write the file of the model's official code as well.
        action_units: OpenFace's measurements of the images, for models that learn from action units; see
            ``datasets.action_units.read_measurements``. With all models, the others train without them.
        registered: Learn from the faces of the data set's pairs, registered by their landmarks. Runs show
            the model such faces. Without a judge, as judges see photos.
        resume: Continue from the last save in the output folder; with all models, where there is one.
        listener: Receives the progress.

    Returns:
        The trainings, and for all models the failures of those that could not be trained.

    Raises:
        BenchError: a setting, the data set, the device or the folder cannot be used, or training diverged.
            With all models, such an error of one of them is a failure in the result.
    """
    if budget is not None and steps is not None:
        raise SpecError("say how long to train by either --budget or --steps")
    if folds and judge:
        raise SpecError("--folds leaves no subjects for --judge: those of a fold are tested")
    if registered and (judge or action_units):
        raise SpecError("--registered takes no --judge and no --action-units: both are of photos as they are")
    seeds = (seed,) if seed is None or isinstance(seed, int) else tuple(dict.fromkeys(seed))
    if folds and (turn or len(seeds) > 1):
        raise SpecError("--folds trains one fold after the other: leave out --turn, and give one --seed")
    if workers > 1 and turn:
        raise SpecError("--turn lets trainings take turns in one process; leave it or --workers out")
    if threads is not None:
        torch.set_num_threads(threads)
    flags = {"steps": steps, "resolution": resolution, "precision": precision}
    fabric = start_fabric(device)
    request = _Request(
        protocol,
        _changes(config, flags, budget),
        "the settings" if config is None or isinstance(config, Mapping) else str(config),
        budget,
        save_every,
        turn,
        device,
        _validation(None if folds or registered else judge or _default_judge(data, protocol)),
        trials,
        commit(),
        export == "official",
        resume,
        fabric,
        (listener or NoListener()) if fabric.is_global_zero else NoListener(),
        Path(action_units) if action_units else None,
        registered,
    )
    if not has_tensorboard():
        request.listener.note(
            "without TensorBoard losses go to losses.jsonl alone; pip install 'fesbench[train]' adds curves"
        )
    if action_units and model != "all" and "," not in model and not _learns_from_units(model):
        raise SpecError(f"{model} does not learn from action units; leave --action-units out")
    load = train_split(data, request.listener.note, registered)
    parts = training_folds(data, folds, request.listener.note, registered) if folds else ()
    suffix = re.sub(r"[^A-Za-z0-9_-]+", "_", data)
    if model != "all" and "," not in model and len(seeds) == 1:
        own = _seeded(request, seeds[0])
        return _train_model(model, own, load, parts, Path(out or Path("runs", f"train-{model}-{suffix}")))
    names = _trainable_names() if model == "all" else model.split(",")
    jobs = [
        _Job(name, _seeded(request, one), Path(out or "runs", f"train-{name}-{suffix}{_ending(one, seeds)}"))
        for one in seeds
        for name in names
    ]
    if workers == 1:
        return _train_all(jobs, load, parts)
    shared = {
        "data": data,
        "protocol": protocol,
        "config": dict(config) if isinstance(config, Mapping) else config,
        "budget": budget,
        **flags,
        "save_every": save_every,
        "device": device,
        "threads": threads or max(1, available_cores() // workers),
        "folds": folds,
        "judge": judge,
        "trials": trials,
        "export": export,
        "registered": registered,
    }
    calls = [_call(job, jobs, shared) for job in jobs]
    return _gathered(train_side_by_side(train, calls, workers, request.listener), request.listener)


def _ending(seed: int | None, seeds: Sequence[int | None]) -> str:
    return f"-seed-{seed}" if len(seeds) > 1 else ""


def _seeded(request: _Request, seed: int | None) -> _Request:
    return request if seed is None else replace(request, changes={**request.changes, "seed": seed})


def _changes(
    config: Path | str | Mapping[str, Any] | None, flags: Mapping[str, Any], budget: float | None
) -> dict[str, Any]:
    """Return the changed fields of ``Settings``; flags win over the file, a budget over both."""
    fields = config if isinstance(config, Mapping) else read_changes(Path(config)) if config else {}
    given = {name: value for name, value in flags.items() if value is not None}
    return {**fields, **given, **({"steps": None} if budget else {})}


def _default_judge(data: str, protocol: str) -> str | None:
    """Return the embedded judge for rendered faces, which it knows; real photos need one that users name."""
    return DEVELOPMENT_JUDGE if data == "rendered" and protocol in EMBEDDED else None


def _validation(judge: str | None) -> Callable[[Dataset], Validation] | None:
    """Return what makes the validation by a judge, once for each data set."""
    return cache(partial(expression_validation, judge)) if judge else None


def _trainable_names() -> list[str]:
    """Return the registered models that have a network, and those that fail to load, to report them."""
    names = []
    for name in GENERATORS.names():
        try:
            has_network = _network_class(name) is not None
        except BenchError:
            has_network = True
        names += [name] * has_network
    return names


def _network_class(name: str) -> type[NeuralGenerator] | None:
    """Return the class of a model, or None where it has no network to train."""
    kind = GENERATORS.load(name)
    return kind if isinstance(kind, type) and issubclass(kind, NeuralGenerator) else None


def _learns_from_units(name: str) -> bool:
    kind = _network_class(name)
    return kind is not None and kind.learns_from_units


class _Job(NamedTuple):
    """One of several trainings: a model, what is asked for, and its folder."""

    name: str
    request: _Request
    folder: Path


def _train_all(jobs: Sequence[_Job], load: Load, parts: Sequence[Fold]) -> TrainingResult:
    """Train one model after the other, in turns where asked for; an error ends its training only."""
    results: dict[Path, TrainingResult] = {}
    failures: dict[str, str] = {}
    waiting = deque(jobs)
    while waiting:
        job = waiting.popleft()
        try:
            own = job.request if parts else _resuming(job.request, job.folder, job.folder in results)
            results[job.folder] = _train_model(job.name, own, load, parts, job.folder)
        except Exception as error:
            if is_joined() and not isinstance(error, SharedFailure):
                raise  # The other processes may wait for this one: torchrun ends them when it ends.
            results.pop(job.folder, None)
            failures[_label(job, jobs)] = str(error) or type(error).__name__
            job.request.listener.failed(_label(job, jobs), error)
            continue
        if not all(training.finished for training in results[job.folder].trainings):
            waiting.append(job)
    return _joined(results.values(), failures)


def _call(job: _Job, jobs: Sequence[_Job], shared: Mapping[str, Any]) -> Call:
    """Return the call of ``train`` that makes one of several trainings."""
    request = job.request if shared["folds"] else _resuming(job.request, job.folder)
    units = None
    with suppress(BenchError):  # of a model that cannot be loaded, which its own call says
        units = request.action_units if _learns_from_units(job.name) else None
    own = {
        "model": job.name,
        "seed": request.changes.get("seed"),
        "out": job.folder,
        "resume": request.resume,
        "action_units": units,
    }
    return Call(_label(job, jobs), {**shared, **own})


def _gathered(outcomes: Mapping[str, Any], listener: TrainingListener) -> TrainingResult:
    """Return the results of trainings side by side as one, and tell of those that failed."""
    results, failures = [], {}
    for label, outcome in outcomes.items():
        if isinstance(outcome, TrainingResult):
            results.append(outcome)
        else:
            failures[label] = str(outcome) or type(outcome).__name__
            listener.failed(label, outcome)
    return _joined(results, failures)


def _joined(results: Collection[TrainingResult], failures: Mapping[str, str]) -> TrainingResult:
    """Return the results of several trainings as one."""
    trainings = tuple(training for result in results for training in result.trainings)
    folds = {name: path for result in results for name, path in result.folds.items()}
    return TrainingResult(trainings, folds, failures)


def _label(job: _Job, jobs: Sequence[_Job]) -> str:
    """Return the name of a job's model, or of its folder where the model has several."""
    return job.name if [other.name for other in jobs].count(job.name) == 1 else job.folder.name


def _train_model(
    name: str, request: _Request, load: Load, parts: Sequence[Fold], folder: Path
) -> TrainingResult:
    """Train a model once, or once for each fold where there are any."""
    if not parts:
        return TrainingResult((_train_once(name, request, load, folder),), {}, {})
    trainings = []
    for number, part in enumerate(parts, 1):
        own, record = folder / f"fold-{number}", {"held_out": sorted(part.held_out)}
        trainings.append(_train_once(name, _resuming(request, own), part.load, own, record))
    with fail_together(request.fabric):
        path = _folds_listed(trainings, folder, request.fabric)
    request.listener.wrote(path)
    return TrainingResult(tuple(trainings), {name: path}, {})


def _folds_listed(trainings: Sequence[Training], folder: Path, fabric: Fabric) -> Path:
    """Write the list of a model's folds, by the first process only; return its path."""
    path = folder / f"{trainings[0].checkpoint.stem}{SUFFIX}"
    if fabric.is_global_zero:
        checkpoints = {training.data_digest: training.checkpoint for training in trainings}
        write_folds(path, trainings[0].data, checkpoints)
    return path


def _resuming(request: _Request, folder: Path, begun: bool = False) -> _Request:
    """Return the request with ``resume`` only where there is something to resume, or it has begun."""
    return replace(request, resume=(request.resume or begun) and (folder / STATE_FILE).is_file())


def _train_once(
    name: str, request: _Request, load: Load, folder: Path, record: Mapping[str, Any] = MappingProxyType({})
) -> Training:
    """Train a model on one split; ``record`` adds to the training record."""
    with ExitStack() as held:
        with fail_together(request.fabric):
            if request.fabric.is_global_zero:
                held.callback(_remove_unused, folder)
                held.enter_context(storage_at(folder).lock())
        return _train_held(name, request, load, folder, record)


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a training that did not begin: it holds nothing, or its lock only."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {LOCK}:
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()


def _train_held(
    name: str, request: _Request, load: Load, folder: Path, record: Mapping[str, Any]
) -> Training:
    """Train a model in a folder that this training holds."""
    with fail_together(request.fabric):
        run, limit = _prepared(name, request, load, folder, record)
    if run.progress(limit) >= 1:
        request.listener.note(f"{name}: was trained before, {_counted(run.trainer.step, 'step')}")
    else:
        images, expressions = len(run.data.labels), len(run.data.expressions)
        request.listener.note(f"{name}: {images} images, {expressions} expressions, into {folder}")
        run.train(limit, partial(_report, run, request.listener), request.turn)
        request.listener.note(_standing(run, folder))
    with fail_together(request.fabric):
        official = _exported(run) if request.export and run.model.has_official_code else None
    _list_files(run, request, official)
    data, digest = run.record["data"], run.record["data_digest"]
    steps, kept = run.trainer.step, run.kept
    finished = run.progress(limit) >= 1
    return Training(name, data, digest, folder, run.checkpoint, official, steps, kept, run.seconds, finished)


def _prepared(
    name: str, request: _Request, load: Load, folder: Path, record: Mapping[str, Any]
) -> tuple[TrainingRun, Limit]:
    """Return a training that is ready to begin or continue, and its length."""
    kind = _network_class(name)
    if kind is None:
        raise BenchError(
            f"{name} is not trained by 'bench train': it has no network; bench run uses it as it is"
        )
    if request.registered and kind.template.registered:
        raise SpecError(f"{name} registers faces by itself; leave --registered out")
    settings, notes = _settings(kind, request, record)
    limit = _limit(settings, request)
    check_training_size(kind, settings)
    _check_folder(folder, request.resume)
    split = load(settings.resolution)
    images = split.images
    if request.action_units and kind.learns_from_units:
        images, left_out = _measured(split, request.action_units, request.listener)
        notes["action_units_left_out"] = left_out
    located = issubclass(kind, LandmarkGenerator)
    preview = located_preview(split.unseen, settings.resolution) if located else (split.preview, None)
    run = TrainingRun(
        kind,
        split.train,
        preview[0],
        settings,
        folder,
        request.save_every,
        request.device,
        images,
        notes,
        request.code,
        request.validation(split.unseen) if request.validation else None,
        preview[1],
    )
    if request.resume:
        run.resume()
    return run, limit


def _measured(split: LoadedSplit, path: Path, listener: TrainingListener) -> tuple[TrainingImages, int]:
    """Return the images with the units that were measured on them, and how many rows were left out."""
    units, left_out = read_measurements(path)
    found = of_samples(units, split.train.samples())
    images = with_units(split.images, {key: found[key] for key in split.images.ids if key in found})
    for problem in left_out:
        listener.note(f"left out {problem.path}: {problem.reason}")
    known = sum(key in found for key in split.images.ids)
    listener.note(f"action units of {known} of {len(split.images.ids)} images, {len(left_out)} left out")
    return images, len(left_out)


def _settings(
    kind: type[NeuralGenerator], request: _Request, record: Mapping[str, Any]
) -> tuple[Settings, dict[str, Any]]:
    """Return the settings, and the entries of the training record that say where they come from."""
    base = protocol_settings(request.protocol, kind)
    settings = changed(base, request.changes, request.origin)
    notes = {
        "protocol": request.protocol,
        "departures": departures(settings, base),
        "budget_seconds": request.budget,
        "trials": request.trials + (kind.trials if request.protocol in EMBEDDED else 0),
        **record,
    }
    return settings, notes


def _limit(settings: Settings, request: _Request) -> Limit:
    if settings.steps is None and request.budget is None:
        raise SpecError(f"protocol {request.protocol} does not say how long: give either --budget or --steps")
    return Limit(settings.steps, request.budget)


def _check_folder(folder: Path, resume: bool) -> None:
    state = folder / STATE_FILE
    if resume and not state.is_file():
        raise SpecError(f"nothing to resume in {folder}: {state.name} is missing; leave --resume out")
    if not resume and state.exists():
        raise SpecError(f"{folder} already holds a training; pass --resume to go on, or another --out")


def _report(run: TrainingRun, listener: TrainingListener, step: int, fraction: float) -> None:
    listener.step(StepReport(step, fraction, run.seconds, run.losses))


def _exported(run: TrainingRun) -> Path:
    """Write the file of the official code, by the first process only; return its path."""
    path = run.folder / f"{run.checkpoint.stem}-official.ckpt"
    if run.trainer.fabric.is_global_zero:
        save_official(run.generator(), path, run.training_record())
    return path


def _list_files(run: TrainingRun, request: _Request, official: Path | None) -> None:
    request.listener.wrote(run.checkpoint)
    if official:
        request.listener.wrote(official)
    elif request.export:
        request.listener.note(
            f"{run.checkpoint.stem}: its authors published no code, so there is no official file to write"
        )


def _standing(run: TrainingRun, folder: Path) -> str:
    """Say how far a training is, and what its candidates reach."""
    kept = run.selection.outcomes.get(run.kept)
    reached = ", ".join(f"{name} {value}" for name, value in kept.means().items()) if kept else ""
    return f"{folder.name}: {_counted(run.trainer.step, 'step')}, kept {run.kept}{reached and ': '}{reached}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
