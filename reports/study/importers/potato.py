"""Potato: ``annotated_instances.jsonl`` of one annotator, in the folder that bears the annotator's name.

A line holds the instance's id (the trial's) and ``label_annotations``: for each question either
``{"selection": choice}`` (pairwise) or ``{choice: value}`` with the chosen one alone (radio).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .raw import RawAnswer, Reading, read_records, text_of, trial_in


def read(path: Path) -> Reading:
    """The answers of one annotator.

    Raises:
        BenchError: it cannot be read.
    """
    answers, skipped = [], []
    for number, record in enumerate(read_records(path), start=1):
        where = f"{path.name}, line {number}"
        chosen = _choice(record.get("label_annotations", record.get("annotations")))
        if chosen is None:
            skipped.append((where, "no annotation, or more than one choice"))
            continue
        trial = text_of(record, "instance_id", "id")
        user = text_of(record, "user_id", "user") or path.parent.name
        answers.append(RawAnswer(user, text_of(record, "form_id"), trial_in(trial) or trial, chosen, where))
    return Reading(answers, skipped=skipped)


def _choice(annotations: Any) -> str | None:
    """The one choice inside the one question of an instance; None where there is not exactly one."""
    if not isinstance(annotations, Mapping) or len(annotations) != 1:
        return None
    question = next(iter(annotations.values()))
    if not isinstance(question, Mapping) or len(question) != 1:
        return None
    label, value = next(iter(question.items()))
    return str(value) if label == "selection" else str(label)
