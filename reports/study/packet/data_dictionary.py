"""The data dictionary: every column of ``responses.csv`` and ``participants.csv``."""

from __future__ import annotations

from ...formats.delimited import csv_rows
from ..schema import KINDS, PLATFORMS, QUESTIONS

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
    """Return the data dictionary as CSV text.

    Args:
        retention: How long the data are kept.
    """
    columns = ("file", "column", "type", "unit", "allowed_values", "description", "identifying", "retention")
    files_of = {"responses.csv": _RESPONSES, "participants.csv": _RATERS}
    rows = [
        (file, name, *meaning, retention)
        for file, meanings in files_of.items()
        for name, meaning in meanings.items()
    ]
    return csv_rows([columns, *rows])
