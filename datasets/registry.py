"""Data sets by name: built in, registered by the user, installed as plug-ins, or simply a folder."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from fesbench.core.contracts import Dataset
from fesbench.core.errors import DatasetError, UnknownName, explain
from fesbench.core.files import written_whole
from fesbench.core.host_process import HostError, HostProcess, TimedOut
from fesbench.core.paths import home
from fesbench.core.registry import Registry

from .folders.folder import FolderDataset, FolderSpec, folder_dataset
from .folders.manifest import domain_name

DEFAULT = "rendered"
"""The data set of those who have none."""

REGISTRY = Registry(
    "data set",
    {
        "rendered": "fesbench.datasets.rendered.dataset:RenderedDataset",
        "ood-real": "fesbench.datasets.portraits.dataset:PortraitsDataset",
    },
    "fesbench.datasets",
)

TRIAL = f"{__package__}.trial_host"
TRIAL_SECONDS = 600.0
"""How long a data set of an installed package may take to list its samples."""

SUBJECT_TABLES = ("subjects.csv", "info.csv")
"""Files in a data set's folder, the first that is there, that may say what is known of its subjects."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def load_dataset(name_or_path: str | Path = DEFAULT, split: str = "test") -> Dataset:
    """Return one split of a data set; no image is kept in memory.

    Args:
        name_or_path: A registered, built-in or installed name, or the path of a folder whose layout can be
            guessed from the names in it. An installed entry point is called with ``split=split``.
        split: ``train``, ``val`` or ``test``, which share no subject; folders also have ``all``, rendered
            faces ``reference`` and ``judge``.

    Raises:
        UnknownName: nothing is called so and there is no such folder, or there is no such split.
        DatasetError: the folder does not fit its layout, or an installed data set cannot be loaded.
    """
    name, registered = str(name_or_path), registrations()
    if name in registered:
        return FolderDataset(registered[name], split)
    if name in REGISTRY.names():
        return _builtin_or_installed(name, split)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return folder_dataset(path, split)
    if path.exists() or "/" in name:
        raise DatasetError(f"{path} is not a folder; give a folder of images, or a name of `bench data list`")
    raise UnknownName("data set", name, [*REGISTRY.names(), *registered])


def load_split(dataset: Dataset, name_or_path: str | Path, split: str) -> Dataset:
    """Return another split of a loaded data set, which ``load_dataset`` would return for the same name.

    The images of a folder are not looked at again. Errors are those of ``load_dataset``.
    """
    return (
        dataset.of_split(split) if isinstance(dataset, FolderDataset) else load_dataset(name_or_path, split)
    )


def _builtin_or_installed(name: str, split: str) -> Dataset:
    if name in REGISTRY.builtin:
        dataset: Dataset = REGISTRY.load(name)(split=split)
        return dataset
    try_out(name, split)
    try:
        dataset = REGISTRY.load(name)(split=split)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise DatasetError(f"the installed data set {name!r} cannot be loaded: {explain(error)}") from error
    return dataset


@cache
def try_out(name: str, split: str) -> None:
    """Load a data set of an installed package in a process of its own, once for each split.

    It is loaded here only after that, so that one that ends its process or hangs ends in an error.

    Raises:
        DatasetError: it cannot be loaded there, or takes longer than ``TRIAL_SECONDS``.
    """
    with closing(HostProcess(TRIAL)) as process:
        try:
            process.call("try_out", name, split, sys.path, seconds=TRIAL_SECONDS)
        except TimedOut:
            reason = f"it is not loaded after {TRIAL_SECONDS:g} s"
        except HostError as error:
            reason = str(error)
        else:
            return
    raise DatasetError(f"the installed data set {name!r} cannot be loaded: {reason}")


def subject_table(name_or_path: str) -> Path | None:
    """Return the file in the folder of a data set that describes its subjects; None if there is none."""
    spec = registrations().get(name_or_path)
    folder = spec.path if spec else Path(name_or_path).expanduser()
    return next((path for name in SUBJECT_TABLES if (path := folder / name).is_file()), None)


def registrations() -> dict[str, FolderSpec]:
    """Return the data sets that the user added, by name.

    Raises:
        DatasetError: the file that holds them is damaged.
    """
    file = _file()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            name: _from_json(name, entry, content["version"]) for name, entry in content["datasets"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{file} is damaged ({error!r}); move it away and add the data sets again"
        ) from error


def register(spec: FolderSpec) -> FolderDataset:
    """Remember a folder under a name, after reading it; answers with all of its samples.

    Raises:
        DatasetError: the name is taken or malformed, the domain's is reserved, or the folder holds no usable
            image in its layout.
        UnknownName: there is no such layout.
    """
    if not _NAME.fullmatch(spec.name):
        raise DatasetError(
            f"{spec.name!r} is no name for a data set; use letters, digits, dot, dash, underscore"
        )
    if spec.name in REGISTRY.names():
        raise DatasetError(f"{spec.name!r} is a built-in or installed data set; choose another name")
    path, domain = spec.path.expanduser().resolve(), domain_name(spec.domain)
    dataset = FolderDataset(replace(spec, path=path, domain=domain), "all")
    if not dataset.samples():
        raise DatasetError(_nothing_usable(dataset))
    with _changing() as entries:
        if spec.name in entries:
            raise DatasetError(
                f"there is a data set {spec.name!r} ({entries[spec.name].path}); choose another name, or "
                f"`bench data remove {spec.name}` first"
            )
        entries[spec.name] = replace(dataset.spec, layout=dataset.layout)
    return dataset


def unregister(name: str) -> None:
    """Forget a registered data set; its files stay.

    Raises:
        UnknownName: the user added none of that name.
    """
    with _changing() as entries:
        if name not in entries:
            raise UnknownName("registered data set", name, entries)
        del entries[name]


def _nothing_usable(dataset: FolderDataset) -> str:
    shown = "".join(f"\n  {problem.path}: {problem.reason}" for problem in dataset.problems[:5])
    more = f"\n  … and {len(dataset.problems) - 5} more" if len(dataset.problems) > 5 else ""
    return f"{dataset.root} holds no usable image in the layout {dataset.layout}.{shown}{more}"


@contextmanager
def _changing() -> Iterator[dict[str, FolderSpec]]:
    """The registrations, to be changed in place while no other process does."""
    with FileLock(home() / "datasets.lock", timeout=30):
        entries = registrations()
        yield entries
        text = json.dumps(
            {"version": 2, "datasets": {name: _to_json(entries[name]) for name in entries}}, indent=2
        )
        with written_whole(_file()) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _file() -> Path:
    return home() / "datasets.json"


def _to_json(spec: FolderSpec) -> dict[str, Any]:
    return {
        key: str(value) if key == "path" else value for key, value in asdict(spec).items() if key != "name"
    }


def _from_json(name: str, entry: Mapping[str, Any], version: int) -> FolderSpec:
    if version == 1 and entry["layout"] == "cfee":  # patterns were called so
        entry = {**entry, "layout": "pattern", "pattern": entry["pattern"] or "{subject}_{expression}"}
    return FolderSpec(**{**entry, "name": name, "path": Path(entry["path"])})
