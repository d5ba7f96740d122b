"""The texts of a study: filled from templates; what the organiser has not said yet stays visible as a gap."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fesbench.core.errors import SpecError

from ..schema import KINDS, PLATFORMS, QUESTIONS, Design
from .licences import Licence

PARTICIPANT_TEXTS = ("consent", "instructions", "debrief")
ADMIN_TEXTS = ("README", "protocol", "recruitment", "privacy", "risk", "CHANGELOG")
DRAFT = "> **DRAFT.** Not for use: these are missing: {missing}. Fill in details.yaml.\n\n"

_GAP = re.compile(r"\{\{([a-z_]+)\}\}")

TASKS: dict[Design, str] = {
    "best-of-n": "Each question shows an original picture and, beside it, several changed ones with letters. "
    "Choose the letter of the picture that answers the question best.",
    "2afc": "Each question shows an original picture and two changed ones, A and B. Choose one of the two.",
    "rating": "Each question shows a picture, some also the original. Choose a point of the scale.",
    "naming": "Each question shows one face. Choose the word for its expression.",
    "same-different": "Each question shows two pictures. Say whether they show the same person.",
}

MEASURES: dict[Design, tuple[str, str]] = {
    "best-of-n": (
        "The share of answers that choose the model",
        "Beside the test, the exact binomial one on answers that went to one of the two; strengths by Luce's "
        "model.",
    ),
    "2afc": (
        "The share of comparisons that prefer the model",
        "Beside the test, the exact binomial one; strengths by Bradley and Terry's model.",
    ),
    "rating": ("The mean rating", "The run's controls, real photos among them, are rated beside the models."),
    "naming": (
        "The share of answers that name the intended expression",
        "The confusion matrix of each model.",
    ),
    "same-different": (
        "The share of answers that say it is the same person",
        "Sensitivity d′ against real pairs of two people, log-linear correction.",
    ),
}
"""What the analysis reports for each model, and what beside it."""


class Details(BaseModel):
    """What only the organiser can say; an empty field stays a gap, and its pages are marked DRAFT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = "Pictures of faces"
    institution: str = ""
    researcher: str = ""
    contact: str = ""
    ethics_board: str = ""
    approval: str = ""
    payment: str = ""
    storage_period: str = ""
    deletion_date: str = ""
    results_link: str = ""
    power: str = ""

    @property
    def missing(self) -> list[str]:
        """The fields still to be filled in."""
        return [name for name, value in self.model_dump().items() if not value.strip()]


def read_details(path: Path) -> Details:
    """Details from a YAML file.

    Raises:
        SpecError: it cannot be read, is no mapping, or has a field that is not known.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Details.model_validate({name: _text(value) for name, value in (content or {}).items()})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError) as error:
        raise SpecError(f"{path} cannot be read as a YAML mapping: {error}") from error
    except ValidationError as error:
        names = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise SpecError(f"{path}: {names}: not known; fields: {', '.join(Details.model_fields)}") from error


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def details_yaml(details: Details) -> str:
    """The details as a file to be filled in."""
    head = "# Fill in, then make the packet again: bench study make … --details details.yaml\n"
    return head + yaml.safe_dump(details.model_dump(), allow_unicode=True, sort_keys=False)


def fill(text: str, values: Mapping[str, object]) -> str:
    """Fill the gaps ``{{name}}`` of a text; one without a value stays, and puts a draft notice on top."""
    missing = sorted({name for name in _GAP.findall(text) if not str(values.get(name, "")).strip()})
    filled = _GAP.sub(lambda gap: gap[0] if gap[1] in missing else str(values[gap[1]]), text)
    return DRAFT.format(missing=", ".join(missing)) + filled if missing else filled


def is_draft(text: str) -> bool:
    """Whether ``fill`` left a gap."""
    return text.startswith(DRAFT[:12])


def documents(names: Iterable[str], values: Mapping[str, object]) -> dict[str, str]:
    """Name to filled text."""
    folder = files(__package__) / "texts"
    return {name: fill((folder / f"{name}.md").read_text(encoding="utf-8"), values) for name in names}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text; a cell that a spreadsheet would take for a formula gets an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


_TRIAL_ID = "t and 12 hexadecimal digits"
_RESPONSES = {
    "study_id": ("text", "", "s and 12 hexadecimal digits", "the study", "no"),
    "form_id": ("text", "", "F0001 …", "the form that was answered", "no"),
    "participant": (
        "text",
        "",
        "16 hexadecimal digits",
        "pseudonym: HMAC of the person's code",
        "indirectly",
    ),
    "platform": ("text", "", " ".join(PLATFORMS), "where the answer was given", "no"),
    "trial_id": ("text", "", _TRIAL_ID, "the trial; its models are in the key", "no"),
    "question": ("text", "", " ".join(QUESTIONS), "what was asked about", "no"),
    "kind": ("text", "", " ".join(KINDS), "what the trial is for", "no"),
    "answer": ("text", "", "one of the trial's choices", "what was chosen", "no"),
    "slot": ("number", "", "0 or more", "the place of the answer among the choices, from 0", "no"),
    "stimulus": ("text", "", "32 hexadecimal digits", "the picture that the answer is about", "no"),
    "rt_ms": ("number", "ms", "0 or more, or empty", "time from showing to answering", "no"),
    "timestamp": ("time", "ISO 8601", "with zone, or empty", "when the answer was given", "indirectly"),
    "screen": ("text", "pixels", "WIDTHxHEIGHT, or empty", "the participant's screen", "indirectly"),
    "gold_pass": ("number", "", "1 0, or empty", "whether a check was passed", "no"),
}
_RATERS = {
    "participant": ("text", "", "16 hexadecimal digits", "as in responses.csv", "indirectly"),
    "forms": ("text", "", "F0001 …", "the forms answered", "no"),
    "platform": ("text", "", " ".join(PLATFORMS), "where the first answer was given", "no"),
    "asked": ("number", "trials", "0 or more", "trials of the forms, practice apart", "no"),
    "answered": ("number", "trials", "0 or more", "of these answered", "no"),
    "gold_share": ("number", "", "0 to 1, or empty", "golds answered rightly", "no"),
    "attention_share": ("number", "", "0 to 1, or empty", "instructed answers that were given", "no"),
    "repeats": ("number", "trials", "0 or more", "trials answered twice", "no"),
    "repeat_share": ("number", "", "0 to 1, or empty", "of these answered alike", "no"),
    "repeat_chance": ("number", "", "0 to 1, or empty", "of these alike by chance", "no"),
    "slot_share": ("number", "", "0 to 1, or empty", "answers in the most frequent of several places", "no"),
    "median_rt_ms": ("number", "ms", "0 or more, or empty", "median time for an answer", "no"),
    "duration_s": ("number", "s", "0 or more, or empty", "from the first trial to the last answer", "no"),
    "screen": ("text", "pixels", "WIDTHxHEIGHT, or empty", "as in responses.csv", "indirectly"),
    "excluded": ("text", "", "rules, blanks between", "rules that leave the participant out", "no"),
}


def data_dictionary(retention: str) -> str:
    """Every column of ``responses.csv`` and ``participants.csv``, as CSV."""
    columns = ("file", "column", "type", "unit", "allowed_values", "description", "identifying", "retention")
    files_of = {"responses.csv": _RESPONSES, "participants.csv": _RATERS}
    rows = [
        (file, name, *meaning, retention)
        for file, meanings in files_of.items()
        for name, meaning in meanings.items()
    ]
    return table(columns, rows)


def stimulus_licences(terms: Mapping[str, Licence], permission: str | None) -> str:
    """What may be done with the pictures of each data set, as CSV."""
    columns = ("dataset", "licence", "public_showing", "note", "permission_stated")
    rows = [
        (name, found.licence, found.public, found.note, permission or "") for name, found in terms.items()
    ]
    return table(columns, rows)
