"""Write or serve the web page of a study: fixed scripts, a configuration and one file for each form.

The scripts are jsPsych 8 (``vendor/``, with its licence) and our own (``assets/``). A page opened from a disk
may load only scripts and images, so configuration and forms are scripts too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel

from fesbench.core.errors import BenchError
from fesbench.core.files import copy_whole, write_text

from ...schema import Form, Study
from ...storage import PUBLIC, stimulus_path
from ..documents import is_draft
from ..prose import consent_choices, to_html

FOLDER = "web"
ASSETS = ("assets", "vendor")
IMAGE_URL = "https://YOUR-HOST/public/stimuli"
"""The address of the images in files for platforms, where none is given."""


@dataclass(frozen=True)
class Codes:
    """Prolific's completion codes; without them the page does not redirect participants at the end.

    There is no code for failed checks, because the page does not know which trials are checks.
    """

    completed: str = ""
    no_consent: str = ""
    screened_out: str = ""

    @classmethod
    def parse(cls, text: str) -> Codes:
        """Parse one to three codes separated by commas: completed, no consent, screen too small.

        Raises:
            BenchError: the text is not a list of codes.
        """
        codes = [code.strip() for code in text.split(",")]
        if len(codes) > 3 or not all(re.fullmatch(r"\w{1,40}", code, re.ASCII) for code in codes):
            raise BenchError(
                f"completion codes {text!r} are not one to three words separated by commas: "
                "COMPLETED,NO_CONSENT,SCREENED_OUT"
            )
        return cls(*codes)


NO_CODES = Codes()


@dataclass(frozen=True)
class Hosting:
    """The addresses of a packet on the web.

    Attributes:
        post_url: Where a page without its own server posts answers; empty saves them to a file only.
        datapipe: The id of the experiment at DataPipe, sent as ``experimentID``.
        codes: The completion codes.
        image_url: Where the images are hosted, for platforms.

    Raises:
        BenchError: ``post_url`` is not an https address, or codes are given without it: participants would be
            redirected while their answers stay on their own computers.
    """

    post_url: str = ""
    datapipe: str = ""
    codes: Codes = NO_CODES
    image_url: str = IMAGE_URL

    def __post_init__(self) -> None:
        parts = urlsplit(self.post_url)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if self.post_url and not (
            parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and local))
        ):
            raise BenchError(f"answers cannot be posted to {self.post_url!r}: give an https:// address")
        if self.codes.completed and not self.post_url:
            raise BenchError(
                "completion codes need an address to post answers to (--post-url): without one they stay on "
                "participants' own computers"
            )


def write_web(
    packet: Path, study: Study, forms: Sequence[Form], texts: Mapping[str, str], hosting: Hosting
) -> Path:
    """Write ``public/web``, all files that a static host needs, and return the path of the page.

    Args:
        packet: The packet, with its stimuli written.
        study: The study.
        forms: All its forms.
        texts: ``consent``, ``instructions`` and ``debrief`` in Markdown.
        hosting: Where answers are posted.
    """
    folder = packet / PUBLIC / FOLDER
    for name, content in asset_files().items():
        write_text(folder / name, content)
    collector = {"post_url": hosting.post_url, "datapipe": hosting.datapipe}
    write_text(folder / "config.js", config_script(study, texts, hosting.codes, collector))
    for form in forms:
        write_text(folder / "forms" / f"{form.id}.js", f"window.FORM = {_json(form)};\n")
    (folder / "stimuli").mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(name for form in forms for name in form.stimuli):
        copy_whole(stimulus_path(packet, name), folder / "stimuli" / f"{name}.png")
    return folder / "index.html"


def served_files(
    packet: Path, study: Study, forms: Sequence[Form], texts: Mapping[str, str], codes: Codes = NO_CODES
) -> dict[str, str | Path]:
    """Return the files of the page for the lab's own server: path to text, or to an image file.

    Args:
        packet: The packet.
        study: The study.
        forms: All its forms.
        texts: ``consent``, ``instructions`` and ``debrief`` in Markdown.
        codes: The completion codes.
    """
    served: dict[str, str | Path] = dict(asset_files())
    served["config.js"] = config_script(study, texts, codes, {"server": True})
    names = {name for form in forms for name in form.stimuli}
    return served | {f"stimuli/{name}.png": stimulus_path(packet, name) for name in names}


def asset_files() -> dict[str, str]:
    """Return the files that are equal for all studies: file name to text."""
    folders = (files(__package__) / name for name in ASSETS)
    found = [file for folder in folders for file in folder.iterdir()]
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(found, key=lambda file: file.name)}


def config_script(
    study: Study, texts: Mapping[str, str], codes: Codes, collector: Mapping[str, object]
) -> str:
    """Return the configuration of the page as a script.

    Args:
        study: The study.
        texts: ``consent``, ``instructions`` and ``debrief`` in Markdown.
        codes: The completion codes.
        collector: Where answers are sent: ``{"server": True}`` for the server that serves the page, else
            ``post_url`` and ``datapipe`` of ``Hosting``.
    """
    content = {
        "id": study.id,
        "title": study.title,
        "design": study.design,
        "draft": study.draft or any(map(is_draft, texts.values())),
        "forms": list(study.forms),
        "texts": {name: to_html(text) for name, text in texts.items()},
        "consent_choices": consent_choices(texts["consent"]),
        "codes": asdict(codes),
        **collector,
    }
    return f"window.STUDY = {json.dumps(content, ensure_ascii=True, indent=1)};\n"


def _json(content: BaseModel) -> str:
    return json.dumps(content.model_dump(mode="json"), ensure_ascii=True)
