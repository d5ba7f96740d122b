"""Models from outside the suite: a class in a Python file, or a folder of finished images."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from fesbench.datasets.folders.inspection import inspect_images
from fesbench.datasets.folders.listing import relative_path
from fesbench.datasets.folders.manifest import read_rows
from fesbench.datasets.images import SUFFIXES, load_image, trait_notes

from ..core.contracts import (
    FROM_FILES,
    Edit,
    Failure,
    Generator,
    GeneratorCard,
    Image,
    Supervision,
    Synthesizer,
)
from ..core.errors import BenchError, ImageError, UnknownName, explain, invalid_fields
from ..core.files import read_limited
from ..core.names import composed

MANIFEST, CARD = "manifest.csv", "card.json"
MAX_CARD_BYTES = 1 << 16


def _text(longest: int) -> StringConstraints:
    """Return the constraints of a line of text that is not empty."""
    return StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=longest)


class _StatedCard(BaseModel):
    """The fields that ``card.json`` may state."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, _text(60)] | None = None
    title: Annotated[str, _text(80)] | None = None
    trained_on: Annotated[str, _text(200)] | None = None
    supervision: Supervision | None = None
    citation: Annotated[str, _text(2000)] | None = None
    guided_by: Annotated[tuple[Annotated[str, _text(80)], ...], Field(max_length=20)] | None = None

    @field_validator("*")
    @classmethod
    def _printable(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if not "".join(value or "").isprintable():
            raise ValueError("holds characters that cannot be printed, such as line breaks")
        return value


class FolderOutputs(Synthesizer):
    """Finished images, found by the ids of the edits.

    Args:
        folder: Holds one image for each edit, named ``<edit id>`` plus an image suffix, directly or in
            sub-folders; or a ``manifest.csv`` with the columns ``edit`` and ``path``. A ``card.json`` may
            state ``name``, ``title``, ``trained_on``, ``supervision``, ``citation`` and ``guided_by`` of the
            model.

    Raises:
        BenchError: the folder or a column of its manifest is missing, a path leaves the folder, or
            ``card.json`` holds other fields or values.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BenchError(f"{folder} is not a folder; outputs:DIR needs one with an image for each edit")
        self.folder = folder.resolve()
        manifest = self.folder / MANIFEST
        self.paths = self._from_manifest(manifest) if manifest.is_file() else self._from_names()
        self.card = replace(_card(self.folder), assumed=tuple(self._image_notes()))

    def _image_notes(self) -> list[str]:
        names = [path.relative_to(self.folder).as_posix() for found in self.paths.values() for path in found]
        findings = inspect_images(self.folder, dict.fromkeys(names))
        return trait_notes({name: finding.noted for name, finding in findings.items() if not finding.reason})

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return the image stored for each edit, or why there is none."""
        return [self._load(edit) for edit in edits]

    def _load(self, edit: Edit) -> Image | Failure:
        found = self.paths.get(composed(edit.id), ())
        if not found:
            return Failure(f"no image named {edit.id} in {self.folder.name}")
        if len(found) > 1:
            named = " and ".join(path.relative_to(self.folder).as_posix() for path in found)
            return Failure(f"{named} both answer {edit.id}; keep one of them")
        try:
            return load_image(found[0])
        except ImageError as error:
            return Failure(str(error))

    def _from_names(self) -> dict[str, list[Path]]:
        paths: dict[str, list[Path]] = {}
        for path in sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES):
            if path.resolve().is_relative_to(self.folder):
                paths.setdefault(composed(path.stem), []).append(path)
        return paths

    def _from_manifest(self, manifest: Path) -> dict[str, list[Path]]:
        paths: dict[str, list[Path]] = {}
        for _, row in read_rows(manifest, ("edit", "path")):
            if row["edit"] and row["path"]:
                path = self._inside(row["path"], manifest)
                known = paths.setdefault(composed(row["edit"]), [])
                known += [path] if path not in known else []
        return paths

    def _inside(self, name: str, manifest: Path) -> Path:
        path = (self.folder / relative_path(self.folder, name)).resolve()
        if not path.is_relative_to(self.folder):
            raise BenchError(
                f"{manifest} names {name!r}, which lies outside its folder; move the image inside"
            )
        return path


def _card(folder: Path) -> GeneratorCard:
    """Return the card that the folder states, or one named after the folder."""
    file = folder / CARD
    stated = _read_card(file).model_dump(exclude_none=True) if file.is_file() else {}
    name = stated.get("name", folder.name)
    return GeneratorCard(**({"name": name, "title": name} | stated), weights=FROM_FILES)


def _read_card(file: Path) -> _StatedCard:
    try:
        content = read_limited(file, MAX_CARD_BYTES, "keep the few entries that describe the model")
        return _StatedCard.model_validate_json(content)
    except OSError as error:
        raise BenchError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise BenchError(
            f"{file}: {invalid_fields(error)}. It may state {', '.join(_StatedCard.model_fields)}."
        ) from error


def output_files(folder: Path) -> dict[str, Path]:
    """Return the files that ``FolderOutputs`` reads by relative path: the images, the manifest and the card.

    Raises:
        BenchError: as for ``FolderOutputs``.
    """
    outputs = FolderOutputs(folder)
    images = sorted({path for found in outputs.paths.values() for path in found})
    named = {path.relative_to(outputs.folder).as_posix(): path for path in images}
    return {name: outputs.folder / name for name in (MANIFEST, CARD)} | named


def load_class(spec: str) -> type[Generator] | type[Synthesizer]:
    """Return the class that ``path/to/file.py:Class`` names; this runs the user's file.

    Raises:
        BenchError: the file is missing or fails to import, or the class is no generator.
        UnknownName: the file has no such class.
    """
    name, _, attribute = spec.rpartition(":")
    module = _import_file(Path(name))
    classes = {key: value for key, value in vars(module).items() if inspect.isclass(value)}
    if attribute not in classes:
        own = [key for key, value in classes.items() if value.__module__ == module.__name__]
        raise UnknownName(f"class in {name}", attribute, own)
    found = classes[attribute]
    if not issubclass(found, Generator | Synthesizer):
        raise BenchError(f"{spec} is not a subclass of fesbench.Generator or fesbench.Synthesizer")
    return found


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BenchError(f"there is no file {path}; a model is path/to/file.py:Class")
    spec = importlib.util.spec_from_file_location(f"fesbench_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path} is not a Python file; a model is path/to/file.py:Class")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BenchError(f"{path} cannot be imported: {explain(error)}") from error
    return module
