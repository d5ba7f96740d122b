"""Mechanical Turk: a layout with Crowd HTML elements, and a manifest with a row for each HIT.

A HIT shows the consent, which is required, the instructions and up to ``LARGEST_HIT`` trials of one form.
Any worker may take any HIT of ``manifest.csv``; ``F0001.csv`` … have the HITs of one form each, to be
published for one worker. Crowd HTML does not check that radio groups are answered, so the layout does.
Formats: Amazon's reference of Crowd HTML elements.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from fesbench.core.files import write_text

from ....formats.delimited import csv_rows
from ...schema import Form, Study, Trial
from ..prose import consent_choices, read_texts, to_html
from ..sheets import split

ELEMENTS = "https://assets.crowd.aws/crowd-html-elements.js"

_PAGE = """<script src="{elements}"></script>
<style>
section {{ border-bottom: 1px solid #bbb; padding: 1em 0; }}
figure {{ display: inline-block; margin: 4px; text-align: center; vertical-align: top; }}
img {{ width: 150px; height: 150px; }}
#note {{ color: #b00020; }}
</style>
<crowd-form answer-format="flatten-objects" id="form">
<h2>{title}</h2>
<p>Part ${{part}}. Please answer every question on a large screen. About {minutes} minutes for all parts.</p>
<details open>{consent}</details>
<p><crowd-checkbox name="consent" required>{agree}</crowd-checkbox></p>
<details open>{instructions}</details>
{sections}
<p id="note" role="alert"></p>
</crowd-form>
<script>
for (const section of document.querySelectorAll("section")) {{
  section.hidden = !section.dataset.trial;
  for (const image of section.querySelectorAll("img")) {{
    image.closest("figure").hidden = !image.getAttribute("src");
  }}
}}
document.getElementById("form").onsubmit = function (event) {{
  for (const section of document.querySelectorAll("section")) {{
    const buttons = [...section.querySelectorAll("crowd-radio-button")];
    if (!section.hidden && !buttons.some((button) => button.checked)) {{
      document.getElementById("note").textContent = "Please answer every question; one is still open.";
      section.scrollIntoView();
      event.preventDefault();
      return;
    }}
  }}
}};
</script>
"""


def write(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    """Write ``layout.html``, ``manifest.csv``, and ``F0001.csv`` … ."""
    folder = packet / "public" / "platforms" / "mturk"
    size = max(len(trials) for form in forms for trials in form.hits)
    # Trials of a design differ only in whether the original is shown: one that shows it is the pattern.
    example = max(forms[0].trials, key=lambda trial: bool(trial.reference))
    header = ["form_id", "part", *_columns(size, example)]
    rows = {form.id: _rows(form, size, image_url) for form in forms}
    write_text(folder / "manifest.csv", csv_rows([header, *chain.from_iterable(rows.values())]))
    for name, own in rows.items():
        write_text(folder / f"{name}.csv", csv_rows([header, *own]))
    sections = "\n".join(_section(place, example) for place in range(size))
    texts = read_texts(packet)
    page = _PAGE.format(
        elements=ELEMENTS,
        title=html.escape(study.title),
        minutes=study.minutes,
        consent=f"<summary>Consent</summary>{to_html(texts['consent'])}",
        agree=html.escape(consent_choices(texts["consent"])[0]),
        instructions=f"<summary>Instructions</summary>{to_html(texts['instructions'])}",
        sections=sections,
    )
    write_text(folder / "layout.html", page)


def _rows(form: Form, size: int, image_url: str) -> list[list[str]]:
    """Return the row of each HIT of a form."""
    hits = form.hits
    return [
        [form.id, f"{part} of {len(hits)}", *_cells(trials, size, image_url)]
        for part, trials in enumerate(hits, start=1)
    ]


def _columns(size: int, example: Trial) -> list[str]:
    return [
        f"t{place:02d}_{name}"
        for place in range(size)
        for name in (
            "trial_id",
            "prompt",
            "source_url",
            *(f"image_{slot}" for slot in range(len(example.stimuli))),
            *(f"label_{choice}" for choice in range(len(example.choices))),
        )
    ]


def _cells(trials: Sequence[Trial], size: int, image_url: str) -> list[str]:
    cells: list[str] = []
    for trial in trials:
        reference = f"{image_url}/{trial.reference}.png" if trial.reference else ""
        images = [f"{image_url}/{name}.png" for name in trial.stimuli]
        cells += [trial.id, html.escape(trial.prompt), reference, *images, *map(html.escape, trial.labels)]
    width = len(cells) // len(trials)
    return cells + [""] * (width * (size - len(trials)))


def _section(place: int, example: Trial) -> str:
    name = f"t{place:02d}"
    reference, judged = split(example)
    original = _figure(f"{name}_source_url", reference[0][1] if reference else "")
    figures = "".join(_figure(f"{name}_image_{slot}", caption) for slot, (_, caption) in enumerate(judged))
    buttons = "".join(
        f'<crowd-radio-button name="{name}.{choice}">${{{name}_label_{at}}}</crowd-radio-button>'
        for at, choice in enumerate(example.choices)
    )
    return (
        f'<section data-trial="${{{name}_trial_id}}"><p>${{{name}_prompt}}</p>'
        f"<div>{original}</div><div>{figures}</div><crowd-radio-group>{buttons}</crowd-radio-group></section>"
    )


def _figure(variable: str, caption: str) -> str:
    return f'<figure><img src="${{{variable}}}" alt=""><figcaption>{caption}</figcaption></figure>'
