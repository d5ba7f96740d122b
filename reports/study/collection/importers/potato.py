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

from .layouts import check_layout
from .raw import CONSENT, NO_CONSENT, RawAnswer, Reading, agrees, trial_id
from .tables import Record, read_records

STATE = "instance_id_to_label_to_value"
PHASES = "phase_to_page_to_label_to_value"


def read(path: Path) -> Reading:
    """Read the answers of one annotator; without consent there are none.

    Raises:
        BenchError: it cannot be read.
    """
    table = read_records(path)
    check_layout(table, "potato")
    answers, skipped = [], []
    for record in _instances(table.records):
        chosen = _choice(record.get("label_annotations", "annotations"))
        name = record.text("instance_id", "id")
        if CONSENT in name.casefold():
            if chosen is None or not agrees(chosen, record.place):
                return Reading([], skipped=[(path.name, NO_CONSENT)])
        elif chosen is None:
            skipped.append((record.place, "no annotation, or more than one choice"))
        else:
            user = record.text("user_id", "user") or path.parent.name
            form = record.text("form_id")
            answers.append(RawAnswer(user, form, trial_id(name) or name, chosen, record.place))
    return Reading(answers, skipped=skipped)


def _instances(records: Iterable[Record]) -> Iterator[Record]:
    """Yield a record in the format of version 1 for each instance, and for the consent of version 2."""
    for record in records:
        states = record.get(STATE)
        if not isinstance(states, Mapping):
            yield record
            continue
        for instance, chosen in {**_consents(record), **states}.items():
            labels = _labels(chosen)
            cells = {"id": instance, "user": record.get("user_id"), "label_annotations": labels}
            yield Record(f"{record.place}, {instance}", cells.items())


def _consents(record: Record) -> Mapping[str, Any]:
    """Return the answers to the question ``consent`` that version 2 stores apart from the instances."""
    phases = record.get(PHASES)
    pages = phases.get(CONSENT) if isinstance(phases, Mapping) else None
    chosen = pages.values() if isinstance(pages, Mapping) else ()
    pairs = [pair for page in chosen if isinstance(page, list) for pair in page if _is_consent(pair)]
    return {CONSENT: pairs} if pairs else {}


def _is_consent(pair: Any) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], Mapping)
        and pair[0].get("schema") == CONSENT
    )


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
