"""The generators by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..core.contracts import Generator, Synthesizer
from ..core.errors import BenchError, UnknownName
from ..core.registry import Registry
from .cross_trained import SUFFIX, CrossTrained, read_folds
from .external import FolderOutputs, load_class, output_files

GENERATORS = Registry(
    "model",
    {
        "reggan": "fesbench.reggan.model:RegGAN",
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

CHECKPOINT = "checkpoint"
"""What a file of weights that the user gave is to its model; see ``identifying_files``."""


Model = Generator | Synthesizer | CrossTrained
"""What a reference can stand for."""

NEEDS_CHECKPOINT = frozenset({"attgan", "ganmut"})
"""Models that come without trained weights: they run with a checkpoint, and ``all`` leaves them out."""


def expand(references: tuple[str, ...]) -> tuple[str, ...]:
    """``all`` becomes every registered model that runs as it comes; duplicates are dropped, order kept."""
    ready = [name for name in GENERATORS.names() if name not in NEEDS_CHECKPOINT]
    names = [name for entry in references for name in (ready if entry == "all" else [entry])]
    return tuple(dict.fromkeys(names))


def check_model_spec(reference: str) -> None:
    """Check that a model can be found, without loading it.

    Raises:
        UnknownName: nothing is registered under the name.
        BenchError: the file or folder that it names does not exist.
    """
    if reference.startswith("outputs:"):
        if not Path(reference.removeprefix("outputs:")).is_dir():
            raise BenchError(
                f"{reference}: there is no such folder; outputs:DIR needs one image for each edit"
            )
    elif ".py:" in reference:
        if not Path(reference.rpartition(":")[0]).is_file():
            raise BenchError(f"{reference}: there is no such file; a model is path/to/file.py:Class")
    elif reference not in GENERATORS.targets():
        raise UnknownName("model", reference, GENERATORS.targets())


def identifying_files(reference: str, checkpoint: Path | str | None = None) -> dict[str, Path]:
    """The files that decide what a model answers, by their part in it; they need not exist.

    Args:
        reference: As for ``load_model``; nothing of it is loaded.
        checkpoint: Likewise.
    """
    if reference.startswith("outputs:"):
        return output_files(Path(reference.removeprefix("outputs:")))
    weights = _shipped(reference) if checkpoint is None else _given(Path(checkpoint))
    if ".py:" in reference:
        return {"source": Path(reference.rpartition(":")[0])} | weights
    return GENERATORS.files(reference) | weights


def _shipped(reference: str) -> dict[str, Path]:
    folder = Path(str(files("fesbench.baselines") / "shipped"))
    named = [path for path in sorted(folder.glob("*")) if path.stem == reference]
    return {path.name: path for path in named}


def _given(checkpoint: Path) -> dict[str, Path]:
    """A checkpoint and what is read with it: action units, and where it is one of ours its card."""
    beside = {"action units beside it": checkpoint.with_suffix(".action_units.csv")}
    card = {"card of its checkpoint": checkpoint.with_suffix(".json")}
    return {CHECKPOINT: checkpoint} | beside | (card if checkpoint.suffix == ".safetensors" else {})


def load_model(reference: str, checkpoint: Path | str | None = None, device: str = "cpu") -> Model:
    """Whatever answers edits under ``reference``.

    Args:
        reference: A registered name, ``path/to/file.py:Class``, or ``outputs:DIR``.
        checkpoint: Weights to load instead of the shipped ones: the official file, ours, or the list of
            several that were trained in folds.
        device: A torch device.

    Raises:
        UnknownName: nothing is registered under the name.
        BenchError: the file, folder or checkpoint cannot be used.
    """
    if reference.startswith("outputs:"):
        return FolderOutputs(Path(reference.removeprefix("outputs:")))
    found = load_class(reference) if ".py:" in reference else GENERATORS.load(reference)
    if checkpoint is not None:
        if not hasattr(found, "from_checkpoint"):
            raise BenchError(f"{reference} takes no checkpoint; leave --checkpoint out for it")
        path, load = Path(checkpoint), found.from_checkpoint
        model = read_folds(path, load) if path.name.endswith(SUFFIX) else load(path)
    else:
        model = found.default() if hasattr(found, "default") else found()
    return model.to(device) if isinstance(model, Generator | CrossTrained) else model


def load_generator(name_or_path: str, checkpoint: Path | str | None = None, device: str = "cpu") -> Generator:
    """A generator by registered name or ``path/to/file.py:Class``; see ``load_model``.

    Raises:
        BenchError: also when the name answers edits by other means than from an image (``truth``).
    """
    model = load_model(name_or_path, checkpoint, device)
    if not isinstance(model, Generator):
        raise BenchError(f"{name_or_path} does not generate from images; only bench run can use it")
    return model
