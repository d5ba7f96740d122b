"""Qualtrics: one survey for each form, in the Advanced Format of its text import.

A question is one line of HTML; its id is that of the trial, and recode values count the choices from 1. The
survey begins with the consent (question ``consent``) and the instructions, and ends with the debrief. Logic,
forced responses and embedded data cannot be imported: the README of the packet lists the manual steps.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fesbench.core.files import write_text

from ...schema import Form, Study, Trial
from ..prose import consent_choices, read_texts, to_html
from ..sheets import captioned


def write(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    """Write one ``.txt`` for each form."""
    folder = packet / "public" / "platforms" / "qualtrics"
    texts = read_texts(packet)
    for form in forms:
        write_text(folder / f"{form.id}.txt", "\n".join(_lines(form, texts, image_url)) + "\n")


def _lines(form: Form, texts: Mapping[str, str], image_url: str) -> Iterator[str]:
    yield "[[AdvancedFormat]]"
    yield from _text(f"Consent {form.id}", texts["consent"])
    yield from _choices("consent", "Do you agree?", consent_choices(texts["consent"]))
    yield from _text("Instructions", texts["instructions"])
    for title, trials in form.parts:
        yield f"[[Block:{title}]]"
        for trial in trials:
            prompt = f"{html.escape(trial.prompt)}<br>{_pictures(trial, image_url)}"
            yield from _choices(trial.id, prompt, trial.labels)
    yield from _text("Debrief", texts["debrief"])


def _text(block: str, markdown: str) -> Iterator[str]:
    yield f"[[Block:{block}]]"
    yield "[[Question:Text]]"
    yield to_html(markdown).replace("\n", "")


def _choices(name: str, question: str, labels: Sequence[str]) -> Iterator[str]:
    yield "[[Question:MC:SingleAnswer:Horizontal]]"
    yield f"[[ID:{name}]]"
    yield question
    yield "[[AdvancedChoices]]"
    for value, label in enumerate(labels, start=1):
        yield f"[[Choice:{value}]]"
        yield html.escape(label)
    yield "[[PageBreak]]"


def _pictures(trial: Trial, image_url: str) -> str:
    cells = "".join(
        f'<td><img src="{image_url}/{name}.png" width="150" height="150" alt=""><br>{caption}</td>'
        for name, caption in captioned(trial)
    )
    return f"<table><tr>{cells}</tr></table>"
