"""Finds the generators by name, file or folder.

A model spec is a string that names a model on the command line and in the Python API: a registered name,
``path/to/file.py:Class`` for a class of the user's own, or ``outputs:DIR`` for a folder of finished images.
``NAME.TRAINING``, such as ``stargan.seed-1``, is one of several trainings of a model; it needs a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

from fesbench.datasets.expressions import canonical

from ..core.code import modules_beside
from ..core.contracts import Generator, GeneratorCard, Synthesizer
from ..core.errors import BenchError, SpecError, UnknownName
from ..core.registry import Registry
from .cross_trained import SUFFIX, CrossTrained, read_folds
from .external import FolderOutputs, load_class, output_files

GENERATORS = Registry(
    "model",
    {
        "reggan": "fesbench.reggan.model:RegGAN",
        "reggan-registered": "fesbench.reggan.registered:RegisteredRegression",
        "reggan-registered-refined": "fesbench.reggan.registered_refinement:RegisteredRegGAN",
        "reggan-regression": "fesbench.reggan.model:RegressionStage",
        "masked-regression": "fesbench.baselines.masked_regression:MaskedRegression",
        "stargan": "fesbench.baselines.stargan:StarGAN",
        "ganimation": "fesbench.baselines.ganimation:GANimation",
        "stgan": "fesbench.baselines.stgan:STGAN",
        "attgan": "fesbench.baselines.attgan:AttGAN",
        "degan": "fesbench.baselines.degan:DEGAN",
        "ganmut": "fesbench.baselines.ganmut:GANmut",
        "usgan": "fesbench.baselines.usgan:USGAN",
        "sargan": "fesbench.baselines.sargan:SARGAN",
        "truth": "fesbench.generators.controls:Truth",
        "copy": "fesbench.generators.controls:Copy",
    },
    group="fesbench.generators",
)

OUTPUTS = "outputs:"
"""Beginning of a model spec that names a folder of images."""

CHECKPOINT = "checkpoint"
"""Key of the user's own weights among ``identifying_files``."""

Model = Generator | Synthesizer | CrossTrained
"""What a model spec loads as."""

NEEDS_CHECKPOINT = frozenset({"attgan", "ganmut", "reggan-registered-refined"})
"""Models that ship without trained weights: they need a checkpoint, and ``all`` leaves them out."""


_TRAINING = re.compile(r"(?P<model>(?:.*\.py:)?[^.:/]+)\.(?P<training>[A-Za-z0-9_-]{1,40})")


def split_training(spec: str) -> tuple[str, str]:
    """Return the model of a spec and which of its trainings it is; the spec itself and "" where it is none.

    A registered name that holds a dot is a model.
    """
    found = None if spec.startswith(OUTPUTS) or spec in GENERATORS.targets() else _TRAINING.fullmatch(spec)
    return (found["model"], found["training"]) if found else (spec, "")


def expand(specs: tuple[str, ...]) -> tuple[str, ...]:
    """Replace ``all`` by the registered models that need no checkpoint; drop duplicates, keep the order."""
    ready = [name for name in GENERATORS.names() if name not in NEEDS_CHECKPOINT]
    names = [name for spec in specs for name in (ready if spec == "all" else [spec])]
    return tuple(dict.fromkeys(names))


def check_model_spec(spec: str) -> None:
    """Check that a model spec names something that exists, without loading it.

    Raises:
        UnknownName: no model is registered under the name.
        BenchError: the file or folder does not exist.
    """
    if spec.startswith(OUTPUTS):
        if not Path(spec.removeprefix(OUTPUTS)).is_dir():
            raise BenchError(f"{spec}: there is no such folder; outputs:DIR needs one image for each edit")
    elif ".py:" in spec:
        if not Path(spec.rpartition(":")[0]).is_file():
            raise BenchError(f"{spec}: there is no such file; a model is path/to/file.py:Class")
    elif (name := split_training(spec)[0]) not in GENERATORS.targets():
        raise UnknownName("model", name, GENERATORS.targets())


def is_foreign(spec: str) -> bool:
    """Return whether a model spec names code that is not the suite's own."""
    return ".py:" in spec or not (spec.startswith(OUTPUTS) or split_training(spec)[0] in GENERATORS.builtin)


def identifying_files(spec: str, checkpoint: Path | str | None = None) -> dict[str, Path]:
    """Return the files that determine a model's outputs, without loading it.

    Args:
        spec: A model spec.
        checkpoint: As for ``load_model``.

    Returns:
        Paths by what they are to the model; the files need not exist.
    """
    if spec.startswith(OUTPUTS):
        return output_files(Path(spec.removeprefix(OUTPUTS)))
    weights = _shipped(spec) if checkpoint is None else _checkpoint_files(Path(checkpoint))
    if ".py:" in spec:
        source = Path(spec.rpartition(":")[0])
        beside = {f"module {name}": path for name, path in modules_beside(source).items()}
        return {"source": source} | beside | weights
    return GENERATORS.files(split_training(spec)[0]) | weights


def _shipped(name: str) -> dict[str, Path]:
    folder = Path(str(files("fesbench.baselines") / "shipped"))
    return {path.name: path for path in sorted(folder.glob("*")) if path.stem == name}


def _checkpoint_files(checkpoint: Path) -> dict[str, Path]:
    """Return the checkpoint and the files read with it: its card, and action units."""
    return {
        CHECKPOINT: checkpoint,
        "action units beside it": checkpoint.with_suffix(".action_units.csv"),
        "card of its checkpoint": checkpoint.with_suffix(".json"),
    }


def load_model(
    spec: str,
    checkpoint: Path | str | None = None,
    device: str = "cpu",
    expressions: Sequence[str] = (),
    resolution: int | None = None,
) -> Model:
    """Load the model that a spec names.

    Args:
        spec: A model spec.
        checkpoint: Weights to load instead of the shipped ones: an official file, one of ``bench train``, or
            the list of several that were trained in folds.
        device: A torch device.
        expressions: Names of the checkpoint's labels, in order; by default those of the card beside it, else
            the authors'.
        resolution: The image size in pixels that the checkpoint was trained at; likewise.

    Raises:
        UnknownName: no model is registered under the name, or there is no such expression.
        BenchError: the file, folder or checkpoint cannot be used.
    """
    if (expressions or resolution) and checkpoint is None:
        raise SpecError(
            f"labels or an image size for {spec} describe a checkpoint; give it with --checkpoint"
        )
    if spec.startswith(OUTPUTS):
        return FolderOutputs(Path(spec.removeprefix(OUTPUTS)))
    name, training = split_training(spec)
    if training and checkpoint is None:
        raise SpecError(f"{spec} is a training of {name}: give its weights with --checkpoint {spec}=FILE")
    kind = load_class(name) if ".py:" in name else GENERATORS.load(name)
    if checkpoint is not None:
        if not hasattr(kind, "from_checkpoint"):
            raise BenchError(f"{name} takes no checkpoint; leave --checkpoint out for it")
        path, load = Path(checkpoint), _loader(kind, spec, expressions, resolution)
        model: Model = read_folds(path, load) if path.name.endswith(SUFFIX) else load(path)
    else:
        model = kind.default() if hasattr(kind, "default") else kind()
    return model.to(device) if isinstance(model, Generator | CrossTrained) else model


def _loader(
    kind: Any, spec: str, expressions: Sequence[str], resolution: int | None
) -> Callable[[Path], Any]:
    """Return ``from_checkpoint`` of a class with what the user states of the checkpoint.

    Of a training, what it returns is named so.
    """
    stated: dict[str, Any] = {}
    if expressions:
        stated["expressions"] = distinct_labels(expressions)
    if resolution:
        stated["resolution"] = resolution
    taken = signature(kind.from_checkpoint).parameters
    for name in stated:
        if name not in taken:
            raise BenchError(f"{spec}: its from_checkpoint takes no argument {name!r}; leave the option out")
    training = split_training(spec)[1]

    def load(path: Path) -> Any:
        model = kind.from_checkpoint(path, **stated)
        if training:
            model.card = _card_of_training(model.card, training)
        return model

    return load


def _card_of_training(card: GeneratorCard, training: str) -> GeneratorCard:
    title = f"{card.title or card.name} ({training})"
    return replace(card, name=f"{card.name}.{training}", title=title, training_of=card.name)


def distinct_labels(names: Sequence[str]) -> tuple[str, ...]:
    """Return the suite's names of a checkpoint's labels.

    Raises:
        UnknownName: there is no such expression.
        SpecError: an expression is named twice.
    """
    known = tuple(canonical(name) for name in names)
    if len(set(known)) < len(known):
        raise SpecError(f"labels {', '.join(names)}: an expression is named twice")
    return known


def load_generator(
    name_or_path: str,
    checkpoint: Path | str | None = None,
    device: str = "cpu",
    expressions: Sequence[str] = (),
    resolution: int | None = None,
) -> Generator:
    """Load a generator.

    Args:
        name_or_path: A registered name or ``path/to/file.py:Class``.
        checkpoint: Weights to load instead of the shipped ones; see ``load_model``.
        device: A torch device.
        expressions: Names of the checkpoint's labels; see ``load_model``.
        resolution: Image size of the checkpoint; see ``load_model``.

    Raises:
        UnknownName: no model is registered under the name.
        BenchError: the file or checkpoint cannot be used, or the model generates nothing from an image
            (``truth``, ``outputs:DIR``).
    """
    model = load_model(name_or_path, checkpoint, device, expressions, resolution)
    if not isinstance(model, Generator):
        raise BenchError(f"{name_or_path} does not generate from images; only bench run can use it")
    return model
