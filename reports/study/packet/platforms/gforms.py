"""Google Forms: one Apps Script for each form, and a contact sheet for each trial.

The form begins with the consent, without which it is submitted at once, and the instructions; the debrief is
its confirmation message. A script cannot put images into choices, so a trial is one image with letters. The
title of a question contains the id of the trial, by which answers are imported. Calls: the reference of
``FormApp`` in Apps Script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image as Pillow

from fesbench.core.files import write_text, written_whole

from ...schema import Form, Study, Trial
from ...storage import stimulus_path
from ..prose import consent_choices, read_texts, to_plain
from ..sheets import contact_sheet

CODE = "Your code: the one that you were given, or any word. Keep it, in case you want your answers deleted."

_SCRIPT = """// Paste into script.google.com and run makeForm; host the folder 'sheets' first.
const TITLE = {title};
const SHEETS = {sheets};
const TEXTS = {texts};
const TRIALS = {trials};

function makeForm() {{
  const form = FormApp.create(TITLE);
  form.setProgressBar(true).setCollectEmail(false).setLimitOneResponsePerUser(false);
  form.setDescription(TEXTS.consent).setConfirmationMessage(TEXTS.debrief);
  const consent = form.addMultipleChoiceItem().setTitle("consent").setRequired(true);
  const start = form.addPageBreakItem().setTitle("Instructions").setHelpText(TEXTS.instructions);
  consent.setChoices([
    consent.createChoice(TEXTS.agree, start),
    consent.createChoice(TEXTS.refuse, FormApp.PageNavigationType.SUBMIT),
  ]);
  form.addTextItem().setTitle("participant").setHelpText(TEXTS.code).setRequired(false);
  form.addMultipleChoiceItem().setTitle("form_id").setChoiceValues([{form}]).setRequired(true);
  for (const trial of TRIALS) {{
    form.addPageBreakItem();
    const blob = UrlFetchApp.fetch(SHEETS + "/" + trial.id + ".jpg").getBlob();
    form.addImageItem().setImage(blob).setWidth(700);
    form.addMultipleChoiceItem()
      .setTitle("[" + trial.id + "] " + trial.prompt)
      .setChoiceValues(trial.labels)
      .setRequired(true);
  }}
  Logger.log(form.getPublishedUrl());
}}
"""


def write(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    """Write ``F0001.gs`` … and ``sheets/<trial>.jpg``; ``image_url`` is where the stimuli would be hosted."""
    folder = packet / "public" / "platforms" / "gforms"
    sheets = f"{image_url.rpartition('/')[0]}/platforms/gforms/sheets"

    texts = _texts(read_texts(packet))

    @cache
    def picture(name: str) -> Pillow.Image:
        with Pillow.open(stimulus_path(packet, name)) as image:
            return image.copy()

    for form in forms:
        write_text(folder / f"{form.id}.gs", _script(study, form, texts, sheets))
        for trial in form.trials:
            with written_whole(folder / "sheets" / f"{trial.id}.jpg") as temporary:
                temporary.write_bytes(contact_sheet(trial, picture, study.options.pixels))


def _texts(texts: Mapping[str, str]) -> dict[str, str]:
    agree, refuse = consent_choices(texts["consent"])
    shown = {name: to_plain(text) for name, text in texts.items()}
    return shown | {"agree": agree, "refuse": refuse, "code": CODE}


def _script(study: Study, form: Form, texts: Mapping[str, str], sheets: str) -> str:
    return _SCRIPT.format(
        title=json.dumps(f"{study.title} ({form.id})"),
        sheets=json.dumps(sheets),
        form=json.dumps(form.id),
        texts=json.dumps(texts, indent=1),
        trials=json.dumps([_trial(trial) for trial in form.trials], indent=1),
    )


def _trial(trial: Trial) -> dict[str, object]:
    return {"id": trial.id, "prompt": trial.prompt, "labels": trial.labels}
