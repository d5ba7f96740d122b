"""Write a packet, whole or not at all, and the private folder of its key."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fesbench.core.errors import BenchError
from fesbench.core.files import write_text

from ..design.balance import balance
from ..design.request import BuiltStudy
from ..design.stimuli import set_equal_dates, write_stimuli
from ..material import Material
from ..schema import Form, Study
from ..storage import ADMIN, MANIFEST, PUBLIC, STUDY, check_apart, file_digests, form_path, write_model
from .data_dictionary import data_dictionary
from .details import Details, details_yaml
from .documents import ADMIN_TEXTS, PARTICIPANT_TEXTS, documents, template_values
from .licences import Licence, stimulus_licences
from .paper import write_print
from .platforms import gforms, mturk, potato, qualtrics
from .private import write_private
from .web.page import Hosting, write_web

OUTPUTS = ("print", "lab", "web", "mturk", "qualtrics", "gforms", "potato")
"""The kinds of files in a packet. ``lab`` is the page on the lab's own server, ``web`` that on any host."""

PlatformWriter = Callable[[Path, Study, Sequence[Form], str], None]

_PLATFORMS: Mapping[str, PlatformWriter] = {
    "mturk": mturk.write,
    "qualtrics": qualtrics.write,
    "gforms": gforms.write,
    "potato": potato.write,
}
_IGNORED = "*batch_results*.csv\nprolific_export_*.csv\nresponses*.csv\nlinkage*.csv\nprivate/\n"


@dataclass(frozen=True)
class Contents:
    """All that a packet is written from.

    Attributes:
        built: The study.
        material: The material that it is built from.
        details: The facts that the organiser states.
        terms: The licence of each data set.
        suite: The version and commit of the suite, for the manifest.
        hosting: Where images are hosted and answers are posted.
    """

    built: BuiltStudy
    material: Material
    details: Details
    terms: Mapping[str, Licence]
    suite: Mapping[str, object]
    hosting: Hosting

    @property
    def values(self) -> dict[str, object]:
        """The values for the gaps of the texts."""
        return template_values(self.built, self.material, self.details, self.hosting.image_url)


def write_packet(packet: Path, private: Path, contents: Contents) -> None:
    """Write the packet and the private folder.

    Args:
        packet: A folder that does not exist or is empty.
        private: The folder for the key, the draw and the proof of balance, all of which name models.
        contents: The contents of the packet.

    Raises:
        BenchError: the study is not balanced, a folder is in use, the two folders are too close together, or
            one of them cannot be written.
    """
    check_apart(packet, private)
    for folder in (packet, private):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BenchError(f"{folder} exists and is not empty; choose another folder")
    built = contents.built
    counted = balance(built.study, built.forms, built.key, built.rows)
    packet.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=packet.parent) as scratch:
        draft = Path(scratch, "packet")
        _write_public(draft, contents)
        _write_admin(draft / ADMIN, contents)
        write_text(draft / ".gitignore", _IGNORED)
        _write_manifest(draft, contents)
        set_equal_dates(draft)
        write_private(private, built, counted, contents.material)
        os.replace(draft, packet)


def _write_manifest(packet: Path, contents: Contents) -> None:
    study = contents.built.study
    record = {"study": study.id, "seed": study.seed, **contents.suite, "sha256": file_digests(packet)}
    write_text(packet / MANIFEST, json.dumps(record, indent=1) + "\n")


def _write_public(packet: Path, contents: Contents) -> None:
    study, forms, public = contents.built.study, contents.built.forms, packet / PUBLIC
    write_stimuli(public / "stimuli", contents.built.files)
    write_model(public / STUDY, study)
    for form in forms:
        write_model(form_path(packet, form.id), form)
    texts = documents(PARTICIPANT_TEXTS, contents.values)
    for name, text in texts.items():
        write_text(public / "texts" / f"{name}.md", text)
    if "print" in study.outputs:
        write_print(packet, study, forms, texts)
    if "web" in study.outputs:
        write_web(packet, study, forms, texts, contents.hosting)
    for name, write in _PLATFORMS.items():
        if name in study.outputs:
            write(packet, study, forms, contents.hosting.image_url)


def _write_admin(folder: Path, contents: Contents) -> None:
    for name, text in documents((*ADMIN_TEXTS, *PARTICIPANT_TEXTS), contents.values).items():
        write_text(folder / f"{name}.md", text)
    write_text(folder / "details.yaml", details_yaml(contents.details))
    write_text(folder / "data_dictionary.csv", data_dictionary(contents.details.storage_period))
    permission = contents.built.key.permission
    write_text(folder / "stimuli_licences.csv", stimulus_licences(contents.terms, permission))
