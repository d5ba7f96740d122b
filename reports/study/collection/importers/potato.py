"""Potato: the state of one annotator, in the folder named after the annotator.

Version 2: ``user_state.json``, whose ``instance_id_to_label_to_value`` has for each instance (a trial) a
list of ``[{"schema": question, "name": choice}, value]``. Version 1: ``annotated_instances.jsonl``, whose
lines have the id of an instance and ``label_annotations``: for each question either ``{"selection": choice}``
(pairwise) or ``{choice: value}`` with only the chosen one (radio).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .raw import RawAnswer, Reading, read_records, text_of, trial_in

STATE = "instance_id_to_label_to_value"


def read(path: Path) -> Reading:
    """Read the answers of one annotator.

    Raises:
        BenchError: it cannot be read.
    """
    answers, skipped = [], []
    for number, record in enumerate(_instances(read_records(path)), start=1):
        where = f"{path.name}, line {number}"
        chosen = _choice(record.get("label_annotations", record.get("annotations")))
        if chosen is None:
            skipped.append((where, "no annotation, or more than one choice"))
            continue
        trial = text_of(record, "instance_id", "id")
        user = text_of(record, "user_id", "user") or path.parent.name
        answers.append(RawAnswer(user, text_of(record, "form_id"), trial_in(trial) or trial, chosen, where))
    return Reading(answers, skipped=skipped)


def _instances(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield one record for each instance, converting version 2 to the format of version 1."""
    for record in records:
        states = record.get(STATE)
        if not isinstance(states, Mapping):
            yield record
            continue
        for instance, chosen in states.items():
            yield {"id": instance, "user": record.get("user_id"), "label_annotations": _labels(chosen)}


def _labels(chosen: Any) -> dict[str, dict[str, Any]]:
    """Return the values by question and choice."""
    found: dict[str, dict[str, Any]] = {}
    for pair in chosen if isinstance(chosen, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], Mapping):
            label = pair[0]
            found.setdefault(str(label.get("schema")), {})[str(label.get("name"))] = pair[1]
    return found


def _choice(annotations: Any) -> str | None:
    """Return the only choice of the only question of an instance; None if there is not exactly one."""
    if not isinstance(annotations, Mapping) or len(annotations) != 1:
        return None
    question = next(iter(annotations.values()))
    if not isinstance(question, Mapping) or len(question) != 1:
        return None
    label, value = next(iter(question.items()))
    return str(value) if label == "selection" else str(label)
