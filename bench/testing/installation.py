"""Checks of the installation: versions, devices, weights, folders, and known problems."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal, NamedTuple

from .. import weights
from ..core.environment import versions
from ..core.paths import home, weights_folder

State = Literal["ok", "note", "broken"]

LITTLE_DISK = 2 * 10**9
"""Bytes: about what a run of 50,000 outputs of 128 px needs, with room for its tables."""
OPTIONAL = (
    "torchvision",
    "pytorch-fid",
    "open-clip-torch",
    "deepface",
    "dlib-bin",
    "h5py",
    "tensorboard",
    "ray",
)


class Symptom(NamedTuple):
    """The outcome of a check.

    Attributes:
        what: What was checked.
        state: Its state; ``note`` for something optional.
        found: What was found.
        remedy: What to do; empty where there is nothing to do.
    """

    what: str
    state: State
    found: str
    remedy: str = ""


def examine() -> Iterator[Symptom]:
    """Run every check, in order; one that raises counts as broken."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            yield Symptom(check.__name__.strip("_"), "broken", f"{type(error).__name__}: {error}")


def _environment() -> Iterator[Symptom]:
    yield Symptom("Python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Symptom("system", "ok", platform.platform())
    for name, found in versions().items():
        if name != "python" and name not in OPTIONAL:
            yield Symptom(
                name, "ok" if found else "broken", found or "not installed", "" if found else _install(name)
            )
    for name in OPTIONAL:
        found = _version(name)
        yield Symptom(name, "ok" if found else "note", found or "not installed (optional)")


def _devices() -> Iterator[Symptom]:
    import torch

    yield Symptom("CPU", "ok", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads in use")
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        yield Symptom(f"cuda:{index}", "ok", f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB")
    if not torch.cuda.is_available():
        yield Symptom("GPU", "note", "none that PyTorch can use; everything runs on the CPU")


def _folders() -> Iterator[Symptom]:
    folder = home()
    with tempfile.NamedTemporaryFile(dir=folder):
        yield Symptom("home", "ok", str(folder))
    for name, place in (("home", folder), ("working folder", os.getcwd())):
        free = shutil.disk_usage(place).free
        few = free < LITTLE_DISK
        remedy = "make room, or choose another place (FESBENCH_HOME, --out)" if few else ""
        yield Symptom(f"disk of {name}", "note" if few else "ok", f"{free / 1e9:.1f} GB free", remedy)


def _weights() -> Iterator[Symptom]:
    states = weights.verify(None)
    for backend in dict.fromkeys(file.backend for file in states):
        mine = {file.name: state for file, state in states.items() if file.backend == backend}
        wrong = [name for name, state in mine.items() if state == "wrong"]
        here = sum(state != "missing" for state in mine.values())
        text = f"{here} of {len(mine)} files in {weights_folder() / backend}"
        if wrong:
            remedy = f"remove {', '.join(wrong)} and run: bench weights fetch {backend}"
            yield Symptom(
                f"weights {backend}", "broken", f"{text}; not as published: {', '.join(wrong)}", remedy
            )
        else:
            remedy = "" if here == len(mine) else f"where wanted: bench weights list {backend}"
            yield Symptom(f"weights {backend}", "ok" if here == len(mine) else "note", text, remedy)


def _embedded() -> Iterator[Symptom]:
    from ..metrics.registry import load_metrics, served_metrics

    metrics, unavailable = load_metrics(served_metrics("embedded"), "embedded")
    yield Symptom("embedded metrics", "ok", f"{len(metrics)} can be computed")
    for name, reason in unavailable:
        yield Symptom(f"metric {name}", "broken", reason, "install fesbench again: its own files are damaged")


def _scipy_and_pytorch_fid() -> Iterator[Symptom]:
    if _version("pytorch-fid") and _release("scipy") >= (1, 18):
        yield Symptom(
            "scipy with pytorch-fid",
            "broken",
            f"SciPy {_version('scipy')} has no sqrtm(disp=…), which pytorch-fid 0.3.0 calls; our FID works",
            "pip install 'scipy<1.18'",
        )


def _deepface_and_werkzeug() -> Iterator[Symptom]:
    if _version("deepface") and find_spec("werkzeug") is None:
        found = "deepface imports werkzeug without declaring it, and it is not installed"
        yield Symptom("deepface with werkzeug", "broken", found, "pip install werkzeug")


def _torchvision_and_torch() -> Iterator[Symptom]:
    if find_spec("torchvision") is None:
        return
    import torch

    try:
        operators = importlib.import_module("torchvision.ops")
        operators.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        built = f"torchvision {_version('torchvision')} was built for another torch than {_version('torch')}"
        remedy = (
            "pip install --force-reinstall torch torchvision, both from one index, with our constraints file"
        )
        yield Symptom("torchvision with torch", "broken", f"{built}: {str(error).splitlines()[0]}", remedy)
    else:
        yield Symptom("torchvision with torch", "ok", "built for each other")


CHECKS: tuple[Callable[[], Iterator[Symptom]], ...] = (
    _environment,
    _devices,
    _folders,
    _weights,
    _embedded,
    _scipy_and_pytorch_fid,
    _deepface_and_werkzeug,
    _torchvision_and_torch,
)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _release(package: str) -> tuple[int, ...]:
    """(1, 18) of 1.18.0rc1; empty where the package is not installed."""
    parts = (_version(package) or "").split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _install(package: str) -> str:
    return f"pip install {package}"
