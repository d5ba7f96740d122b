"""Other people's models: a class in a Python file, or a folder of images that already exist."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fesbench.contracts import Edit, Failure, Generator, GeneratorCard, Image, Synthesizer
from fesbench.datasets.images import SUFFIXES, load_image
from fesbench.datasets.manifest import read_cells
from fesbench.errors import BenchError, ImageError, UnknownName


class FolderOutputs(Synthesizer):
    """Images made elsewhere, found by name.

    Args:
        folder: Holds one image for each edit, named ``<edit id>`` plus an image suffix, directly or in
            sub-folders; or a ``manifest.csv`` with the columns ``edit`` and ``path``.

    Raises:
        BenchError: the folder or a column of its manifest is missing, or a path leaves the folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BenchError(f"{folder} is not a folder; outputs:DIR needs one with an image for each edit")
        self.folder = folder.resolve()
        self.card = GeneratorCard(name=folder.resolve().name, title=folder.resolve().name, weights="outputs")
        manifest = self.folder / "manifest.csv"
        self.paths = self._from_manifest(manifest) if manifest.is_file() else self._from_names()

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """The image stored for each edit, or why there is none."""
        return [self._load(edit) for edit in edits]

    def _load(self, edit: Edit) -> Image | Failure:
        path = self.paths.get(edit.id)
        if path is None:
            return Failure(f"no image named {edit.id} in {self.folder.name}")
        try:
            return load_image(path)
        except ImageError as error:
            return Failure(str(error))

    def _from_names(self) -> dict[str, Path]:
        files = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        return {path.stem: path for path in files if path.resolve().is_relative_to(self.folder)}

    def _from_manifest(self, manifest: Path) -> dict[str, Path]:
        cells = [row for _, row in read_cells(manifest, ("edit", "path"))]
        return {
            row["edit"]: self._inside(row["path"], manifest) for row in cells if row["edit"] and row["path"]
        }

    def _inside(self, name: str, manifest: Path) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder):
            raise BenchError(
                f"{manifest} names {name!r}, which lies outside its folder; move the image inside"
            )
        return path


def load_class(reference: str) -> type[Generator] | type[Synthesizer]:
    """The generator class behind ``path/to/file.py:Class``; runs the user's own file.

    Raises:
        BenchError: the file is missing or fails to import, or the class is no generator.
        UnknownName: the file has no such class.
    """
    name, _, attribute = reference.rpartition(":")
    module = _import_file(Path(name))
    classes = {key: value for key, value in vars(module).items() if inspect.isclass(value)}
    if attribute not in classes:
        own = [key for key, value in classes.items() if value.__module__ == module.__name__]
        raise UnknownName(f"class in {name}", attribute, own)
    found = classes[attribute]
    if not issubclass(found, Generator | Synthesizer):
        raise BenchError(f"{reference} is not a subclass of fesbench.contracts.Generator or Synthesizer")
    return found


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BenchError(f"there is no file {path}; a model reference is path/to/file.py:Class")
    spec = importlib.util.spec_from_file_location(f"fesbench_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path} is not a Python file; a model reference is path/to/file.py:Class")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BenchError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module
