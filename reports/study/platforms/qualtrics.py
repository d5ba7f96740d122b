"""Qualtrics: one survey for each form, in the Advanced Format of its text import.

A question is one line of HTML; its id is the trial's, and recode values count the choices from 1. Logic,
forced responses and embedded data cannot be imported: the packet's README lists what to do by hand.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from fesbench.files import write_text

from ..schema import Form, Study, Trial


def write(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    """Write one ``.txt`` for each form."""
    folder = packet / "public" / "platforms" / "qualtrics"
    for form in forms:
        write_text(folder / f"{form.id}.txt", "\n".join(_lines(study, form, image_url)) + "\n")


def _lines(study: Study, form: Form, image_url: str) -> Iterator[str]:
    yield "[[AdvancedFormat]]"
    yield f"[[Block:Welcome {form.id}]]"
    yield "[[Question:Text]]"
    yield f"{html.escape(study.title)}. About {study.minutes} minutes."
    for (practice, question), trials in groupby(form.trials, lambda trial: (trial.practice, trial.question)):
        yield f"[[Block:{'Practice' if practice else 'Questions'} {question}]]"
        for trial in trials:
            yield from _question(trial, image_url)


def _question(trial: Trial, image_url: str) -> Iterator[str]:
    yield "[[Question:MC:SingleAnswer:Horizontal]]"
    yield f"[[ID:{trial.id}]]"
    yield f"{html.escape(trial.prompt)}<br>{_pictures(trial, image_url)}"
    yield "[[AdvancedChoices]]"
    for value, label in enumerate(trial.labels, start=1):
        yield f"[[Choice:{value}]]"
        yield html.escape(label)
    yield "[[PageBreak]]"


def _pictures(trial: Trial, image_url: str) -> str:
    named = [(trial.reference, "original")] if trial.reference else []
    letters = trial.choices if len(trial.stimuli) > 1 else ("",)
    named += zip(trial.stimuli, letters, strict=True)
    cells = "".join(
        f'<td><img src="{image_url}/{name}.png" width="150" height="150" alt=""><br>{caption}</td>'
        for name, caption in named
    )
    return f"<table><tr>{cells}</tr></table>"
