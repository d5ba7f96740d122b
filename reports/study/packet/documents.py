"""Fill the texts of a study from templates; facts that the organiser has not stated stay visible as gaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.resources import files

from ..design.request import BuiltStudy
from ..material import Material
from ..schema import Design, Exclusion, Key, Study
from .details import Details

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
"""The main result of the analysis for each model, and the further results."""


def fill(text: str, values: Mapping[str, object]) -> str:
    """Fill the gaps ``{{name}}`` of a text; gaps without a value stay, below a draft notice."""
    missing = sorted({name for name in _GAP.findall(text) if not str(values.get(name, "")).strip()})
    filled = _GAP.sub(lambda gap: gap[0] if gap[1] in missing else str(values[gap[1]]), text)
    return DRAFT.format(missing=", ".join(missing)) + filled if missing else filled


def is_draft(text: str) -> bool:
    """Whether ``fill`` left a gap in the text."""
    return text.startswith(DRAFT[:12])


def documents(names: Iterable[str], values: Mapping[str, object]) -> dict[str, str]:
    """Return the filled texts by name."""
    folder = files(__package__) / "texts"
    return {name: fill((folder / f"{name}.md").read_text(encoding="utf-8"), values) for name in names}


def template_values(
    built: BuiltStudy, material: Material, details: Details, image_url: str
) -> dict[str, object]:
    """Return the values for the gaps of the texts.

    Args:
        built: The study.
        material: The material that it is built from.
        details: The facts that the organiser states.
        image_url: The address of the images, for platforms.
    """
    return (
        details.model_dump()
        | _study_values(built.study)
        | _key_values(built.key)
        | _exclusion_values(built.study.options.exclusion)
        | {
            "trials": max(len(form.trials) for form in built.forms),
            "rows": built.rows,
            "exact_text": _balance_text(built),
            "image_url": image_url,
            "eligible": len(material.candidates),
            "left_out": str(len(material.left_out)),
        }
    )


def _study_values(study: Study) -> dict[str, object]:
    options, (measure, further) = study.options, MEASURES[study.design]
    return {
        "study_id": study.id,
        "design": study.design,
        "design_text": f"{study.design}: {TASKS[study.design]}",
        "task": TASKS[study.design],
        "measure": measure,
        "extra": further,
        "measurement": study.measurement,
        "questions": ", ".join(study.questions),
        "items": options.items,
        "participants": options.participants,
        "minutes": study.minutes,
        "outputs": ", ".join(study.outputs),
        "seed": str(study.seed),
        "gold": options.gold,
        "repeats": options.repeats,
        "attention": options.attention,
    }


def _key_values(key: Key) -> dict[str, object]:
    return {
        "models_count": len(key.models),
        "focus": key.titles[key.focus],
        "competitors": ", ".join(key.titles[name] for name in key.models if name != key.focus) or "none",
        "datasets": ", ".join(key.datasets),
        "permission": key.permission or "none stated",
    }


def _exclusion_values(rules: Exclusion) -> dict[str, object]:
    return {
        "gold_share": f"{rules.gold_share:.0%}",
        "median_rt_ms": f"{rules.median_rt_ms:g}",
        "same_slot_share": f"{rules.same_slot_share:.0%}",
        "repeats_judged": rules.repeats,
    }


def _balance_text(built: BuiltStudy) -> str:
    if len(built.forms) % built.rows == 0:
        return "So each model stands in each place equally often with each item."
    return f"Participants are no multiple of {built.rows}, so counts within an item differ by a few."
