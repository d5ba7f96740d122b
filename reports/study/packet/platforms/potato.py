"""Potato: one task configuration and one item file for each form.

Consent and instructions are separate phases, each a file of questions. The keys are those of Potato 2;
version 1 knows most of them.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from fesbench.core.files import write_text

from ...schema import Form, Study, Trial
from ..prose import consent_choices, read_texts, to_html
from ..sheets import captioned


def write(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    """Write ``consent.json``, ``instructions.json``, and ``F0001.yaml`` and ``F0001.jsonl`` … ."""
    folder = packet / "public" / "platforms" / "potato"
    texts = read_texts(packet)
    refusal = consent_choices(texts["consent"])[1]
    for name, questions in _phases(texts).items():
        write_text(folder / f"{name}.json", json.dumps(questions, indent=1, ensure_ascii=False) + "\n")
    for form in forms:
        lines = [json.dumps(_item(form, trial, image_url), ensure_ascii=False) for trial in form.trials]
        write_text(folder / f"{form.id}.jsonl", "\n".join(lines) + "\n")
        write_text(folder / f"{form.id}.yaml", yaml.safe_dump(_config(study, form, refusal), sort_keys=False))


def _phases(texts: Mapping[str, str]) -> dict[str, list[dict[str, object]]]:
    """Return the pages before the task, each with a text and a question."""
    questions = {
        "consent": _question("consent", "Do you agree?", consent_choices(texts["consent"])),
        "instructions": _question("instructions", "Ready?", ["I have read this"]),
    }
    return {name: [_shown(name, to_html(texts[name])), question] for name, question in questions.items()}


def _shown(name: str, text: str) -> dict[str, object]:
    """Return an HTML text as an item of its own: Potato shows tags in a description literally."""
    return {
        "annotation_type": "pure_display",
        "name": f"{name}_text",
        "description": "Please read",
        "labels": [text],
        "allow_html": True,
    }


def _question(name: str, text: str, labels: Sequence[str]) -> dict[str, object]:
    return {
        "annotation_type": "radio",
        "name": name,
        "description": text,
        "labels": list(labels),
        "label_requirement": {"required": True},
    }


def _exit(refusal: str) -> dict[str, object]:
    """Return the rule that ends the study for participants who do not agree."""
    condition = {"schema": "consent", "operator": "equals", "value": refusal}
    return {"show_when": [condition], "message": "You have not agreed. Thank you for your time."}


def _config(study: Study, form: Form, refusal: str) -> dict[str, object]:
    return {
        "annotation_task_name": f"{study.title} ({form.id})",
        "task_dir": ".",
        "output_annotation_dir": f"annotations/{form.id}",
        "export_annotation_format": "jsonl",
        "data_files": [f"{form.id}.jsonl"],
        "item_properties": {"id_key": "id", "text_key": "text"},
        "assignment_strategy": "fixed_order",
        "login": {"type": "url_direct", "url_argument": "PROLIFIC_PID"},
        "completion_code": "",
        "phases": {
            "order": ["consent", "instructions", "annotation"],
            "consent": {"type": "consent", "file": "consent.json", "exit_when": _exit(refusal)},
            "instructions": {"type": "instructions", "file": "instructions.json"},
            "annotation": {"type": "annotation"},
        },
        "annotation_schemes": [_question("answer", "Your answer", form.trials[0].choices)],
    }


def _item(form: Form, trial: Trial, image_url: str) -> dict[str, str]:
    figures = "".join(
        f'<figure style="display:inline-block"><img src="{image_url}/{name}.png" width="150" alt="">'
        f"<figcaption>{caption}</figcaption></figure>"
        for name, caption in captioned(trial)
    )
    scale = "" if trial.labels == trial.choices else f"<p>{html.escape('; '.join(trial.labels))}</p>"
    text = f"<p>{html.escape(trial.prompt)}</p>{scale}{figures}"
    return {"id": trial.id, "form_id": form.id, "text": text}
