"""The generators by name."""

from __future__ import annotations

from pathlib import Path

from fesbench.contracts import Generator, Synthesizer
from fesbench.errors import BenchError, UnknownName
from fesbench.registry import Registry

from .external import FolderOutputs, load_class

GENERATORS = Registry(
    "model",
    {
        "reggan-regression": "fesbench.reggan.model:RegressionStage",
        "masked-regression": "fesbench.baselines.masked_regression:MaskedRegression",
        "stargan": "fesbench.baselines.stargan:StarGAN",
        "truth": "fesbench.baselines.controls:Truth",
        "copy": "fesbench.baselines.controls:Copy",
    },
    group="fesbench.generators",
)


def expand(references: tuple[str, ...]) -> tuple[str, ...]:
    """``all`` becomes every registered name; duplicates are dropped, order kept."""
    names = [name for entry in references for name in (GENERATORS.names() if entry == "all" else [entry])]
    return tuple(dict.fromkeys(names))


def check_reference(reference: str) -> None:
    """Whether there is anything behind a model reference, without loading it.

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


def load_model(
    reference: str, checkpoint: Path | str | None = None, device: str = "cpu"
) -> Generator | Synthesizer:
    """Whatever answers edits under ``reference``.

    Args:
        reference: A registered name, ``path/to/file.py:Class``, or ``outputs:DIR``.
        checkpoint: Weights to load instead of the shipped ones: the official file or ours.
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
        model = found.from_checkpoint(Path(checkpoint))
    else:
        model = found.default() if hasattr(found, "default") else found()
    return model.to(device) if isinstance(model, Generator) else model


def load_generator(name_or_path: str, checkpoint: Path | str | None = None, device: str = "cpu") -> Generator:
    """A generator by registered name or ``path/to/file.py:Class``; see ``load_model``.

    Raises:
        BenchError: also when the name answers edits by other means than from an image (``truth``).
    """
    model = load_model(name_or_path, checkpoint, device)
    if not isinstance(model, Generator):
        raise BenchError(f"{name_or_path} does not generate from images; only bench run can use it")
    return model
