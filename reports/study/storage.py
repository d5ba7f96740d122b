"""Where the files of a study lie, and how they are read and written.

A packet is ``PACKET/public`` (what participants may see), ``PACKET/admin`` (for the organiser and the ethics
board) and ``PACKET/manifest.json``. The private folder, with the key, is somewhere else: by default
``studies/<study id>`` in the suite's own home.
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
"""Bytes; a larger study file is refused unread."""

Model = TypeVar("Model", bound=BaseModel)


def write_model(path: Path, content: BaseModel) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, content.model_dump_json(indent=1) + "\n")


def read_model(path: Path, kind: type[Model]) -> Model:
    """Read JSON that ``write_model`` wrote.

    Raises:
        BenchError: the file is missing, too large, damaged or of another version.
    """
    try:
        return kind.model_validate_json(read_limited(path, LARGEST, "it is no file of a study"))
    except FileNotFoundError as error:
        raise BenchError(f"{path} is missing; give the folder that `bench study make` wrote") from error
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise BenchError(
            f"{path} was changed or is of another version: {invalid_fields(error)}; make the packet anew"
        ) from error


def _check_unchanged(packet: Path, paths: Sequence[Path]) -> None:
    """Compare files of a packet with its manifest.

    Raises:
        BenchError: the manifest cannot be read, or a file is not what the packet was made with.
    """
    manifest = packet / MANIFEST
    try:
        digests = json.loads(manifest.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{manifest} cannot be read; give the folder that `bench study make` wrote"
        ) from error
    for path in paths:
        if digests.get(path.relative_to(packet).as_posix()) != file_digest(path):
            raise BenchError(
                f"{path} was changed since the packet was made; answers would be read by another study than "
                "they were given to: restore it from a copy"
            )


def stimulus_path(packet: Path, name: str) -> Path:
    """The picture of a stimulus name."""
    return packet / PUBLIC / "stimuli" / f"{name}.png"


def form_path(packet: Path, form: str) -> Path:
    """The file of a form."""
    return packet / PUBLIC / "forms" / f"{form}.json"


def read_study(packet: Path) -> Study:
    """The study of a packet.

    Raises:
        BenchError: see ``read_model``; or it was changed.
    """
    path = packet / PUBLIC / STUDY
    study = read_model(path, Study)
    _check_unchanged(packet, [path])
    return study


def read_forms(packet: Path, study: Study) -> list[Form]:
    """All forms of a study, in order.

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
    """Where the key of a study lies unless the organiser chose another place; not created."""
    return home() / "studies" / study


def read_key(study: Study, folder: Path | None = None) -> Key:
    """The key of a study, from ``folder`` or ``private_folder``.

    Raises:
        BenchError: see ``read_model``; or the key is another study's.
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
        BenchError: it is the packet, lies inside or around it, or beside it in one parent folder.
    """
    inner, outer = packet.resolve(), private.resolve()
    together = (
        inner == outer or inner in outer.parents or outer in inner.parents or inner.parent == outer.parent
    )
    if together:
        raise BenchError(
            f"the key must not lie in, around or beside the packet: {private} is too near {packet}; leave "
            "--private out, or choose a folder elsewhere"
        )


def pseudonym(secret: str, platform_id: str) -> str:
    """What a participant is called in all results: 16 hexadecimal digits of an HMAC of the platform's id."""
    return hmac.new(bytes.fromhex(secret), f"participant:{platform_id}".encode(), hashlib.sha256).hexdigest()[
        :16
    ]


def file_digests(folder: Path, leave_out: Sequence[str] = ()) -> dict[str, str]:
    """Relative posix path to sha256 of every file in a folder, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        name: file_digest(path)
        for path in paths
        if (name := path.relative_to(folder).as_posix()) not in leave_out
    }
