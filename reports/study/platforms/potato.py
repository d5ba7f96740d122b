"""Potato: one task configuration and item file for each form; its pages show HTML inside items."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from fesbench.files import write_text

from ..schema import Form, Study, Trial


def write(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    """Write ``F0001.yaml`` and ``F0001.jsonl`` … ."""
    folder = packet / "public" / "platforms" / "potato"
    for form in forms:
        lines = [json.dumps(_item(form, trial, image_url), ensure_ascii=False) for trial in form.trials]
        write_text(folder / f"{form.id}.jsonl", "\n".join(lines) + "\n")
        write_text(folder / f"{form.id}.yaml", yaml.safe_dump(_config(study, form), sort_keys=False))


def _config(study: Study, form: Form) -> dict[str, object]:
    return {
        "annotation_task_name": f"{study.title} ({form.id})",
        "task_dir": ".",
        "output_annotation_dir": f"annotations/{form.id}",
        "output_annotation_format": "jsonl",
        "data_files": [f"{form.id}.jsonl"],
        "item_properties": {"id_key": "id", "text_key": "text"},
        "assignment_strategy": "fixed_order",
        "login": {"type": "url_direct", "url_argument": "PROLIFIC_PID"},
        "completion_code": "",
        "annotation_schemes": [
            {
                "annotation_type": "radio",
                "name": "answer",
                "description": "Your answer",
                "labels": list(form.trials[0].choices),
                "label_requirement": {"required": True},
            }
        ],
    }


def _item(form: Form, trial: Trial, image_url: str) -> dict[str, str]:
    letters = trial.choices if len(trial.stimuli) > 1 else ("",)
    named = [(trial.reference, "original")] if trial.reference else []
    named += zip(trial.stimuli, letters, strict=True)
    figures = "".join(
        f'<figure style="display:inline-block"><img src="{image_url}/{name}.png" width="150" alt="">'
        f"<figcaption>{caption}</figcaption></figure>"
        for name, caption in named
    )
    scale = "" if trial.labels == trial.choices else f"<p>{html.escape('; '.join(trial.labels))}</p>"
    text = f"<p>{html.escape(trial.prompt)}</p>{scale}{figures}"
    return {"id": trial.id, "form_id": form.id, "text": text}
