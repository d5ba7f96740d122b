"""Read and write the files of a study.

A packet consists of ``PACKET/public`` (for participants), ``PACKET/admin`` (for the organiser and the ethics
board) and ``PACKET/manifest.json``. The private folder, with the key, is stored elsewhere: by default in
``studies/<study id>`` in the suite's data folder.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from fesbench.core.errors import BenchError, invalid_fields
from fesbench.core.files import file_digest, read_limited, write_text
from fesbench.core.paths import home

from .schema import Form, Key, Study

PUBLIC, ADMIN = "public", "admin"
MANIFEST = "manifest.json"
STUDY, KEY = "study.json", "key.json"
LARGEST = 256 * 2**20
"""Largest size of a study file in bytes."""

Model = TypeVar("Model", bound=BaseModel)


def write_model(path: Path, content: BaseModel) -> None:
    """Write a model as JSON, whole or not at all."""
    write_text(path, content.model_dump_json(indent=1) + "\n")


def read_model(path: Path, kind: type[Model]) -> Model:
    """Read a JSON file that ``write_model`` wrote.

    Raises:
        BenchError: the file is missing, too large, damaged or of another version.
    """
    try:
        return kind.model_validate_json(read_limited(path, LARGEST, "it is not a file of a study"))
    except FileNotFoundError as error:
        raise BenchError(f"{path} is missing; give the folder that `bench study make` wrote") from error
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise BenchError(
            f"{path} was changed or is of another version: {invalid_fields(error)}; make the packet again"
        ) from error


def _check_unchanged(packet: Path, paths: Sequence[Path]) -> None:
    """Compare files of a packet with its manifest.

    Raises:
        BenchError: the manifest cannot be read, or a file is not what the packet was made with.
    """
    manifest = packet / MANIFEST
    try:
        digests = dict(json.loads(read_limited(manifest, LARGEST, "it is not a file of a study"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchError(
            f"{manifest} cannot be read; give the folder that `bench study make` wrote"
        ) from error
    for path in paths:
        if digests.get(path.relative_to(packet).as_posix()) != file_digest(path):
            raise BenchError(
                f"{path} was changed since the packet was made, so answers may not match its questions; "
                "restore it from a copy"
            )


def stimulus_path(packet: Path, name: str) -> Path:
    """Return the path of the image of a stimulus."""
    return packet / PUBLIC / "stimuli" / f"{name}.png"


def form_path(packet: Path, form: str) -> Path:
    """Return the path of a form."""
    return packet / PUBLIC / "forms" / f"{form}.json"


def read_study(packet: Path) -> Study:
    """Read the study of a packet.

    Raises:
        BenchError: see ``read_model``; or the file was changed.
    """
    path = packet / PUBLIC / STUDY
    study = read_model(path, Study)
    _check_unchanged(packet, [path])
    return study


def read_forms(packet: Path, study: Study) -> list[Form]:
    """Read all forms of a study, in order.

    Raises:
        BenchError: see ``read_model``; or a form belongs to another study, or was changed.
    """
    forms = [read_model(form_path(packet, name), Form) for name in study.forms]
    for form in forms:
        if form.study != study.id:
            raise BenchError(f"{form_path(packet, form.id)} belongs to study {form.study}, not {study.id}")
    _check_unchanged(packet, [form_path(packet, name) for name in study.forms])
    return forms


def private_folder(study: str) -> Path:
    """Return the default folder for the key of a study, without creating it."""
    return home() / "studies" / study


def read_key(study: Study, folder: Path | None = None) -> Key:
    """Read the key of a study from ``folder``, by default ``private_folder``.

    Raises:
        BenchError: see ``read_model``; or the key belongs to another study.
    """
    path = (folder or private_folder(study.id)) / KEY
    key = read_model(path, Key)
    if key.study != study.id:
        raise BenchError(
            f"{path} is the key of study {key.study}, not {study.id}; give the folder of this one"
        )
    return key


def check_apart(packet: Path, private: Path) -> None:
    """Refuse a private folder that could be uploaded, zipped or moved together with the packet.

    Raises:
        BenchError: it is the packet, one contains the other, or both have the same parent folder.
    """
    inner, outer = packet.resolve(), private.resolve()
    together = (
        inner == outer or inner in outer.parents or outer in inner.parents or inner.parent == outer.parent
    )
    if together:
        raise BenchError(
            f"the key must not lie in, around or beside the packet: {private} is too near {packet}; omit "
            "--private, or choose a folder elsewhere"
        )


def pseudonym(secret: str, platform_id: str) -> str:
    """Return the pseudonym of a participant: 16 hexadecimal digits of an HMAC of the id on the platform."""
    return hmac.new(bytes.fromhex(secret), f"participant:{platform_id}".encode(), hashlib.sha256).hexdigest()[
        :16
    ]


def file_digests(folder: Path, leave_out: Sequence[str] = ()) -> dict[str, str]:
    """Return the sha256 of every file in a folder by its relative POSIX path, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        name: file_digest(path)
        for path in paths
        if (name := path.relative_to(folder).as_posix()) not in leave_out
    }
