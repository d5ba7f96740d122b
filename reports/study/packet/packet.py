"""Writes a packet, whole or not at all, and its key somewhere else."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from fesbench.core.errors import BenchError
from fesbench.core.files import write_text

from ..design.balance import Balance, by_stratum
from ..design.build import Made
from ..design.stimuli import undate, write_stimuli
from ..material import Material
from ..schema import Form, Study
from ..storage import ADMIN, KEY, MANIFEST, PUBLIC, STUDY, check_apart, file_digests, form_path, write_model
from .documents import (
    ADMIN_TEXTS,
    MEASURES,
    PARTICIPANT_TEXTS,
    TASKS,
    Details,
    data_dictionary,
    details_yaml,
    documents,
    stimulus_licences,
    table,
)
from .licences import Licence
from .web.page import ON_DISK, Hosting, write_web

OUTPUTS = ("print", "lab", "web", "mturk", "qualtrics", "gforms", "potato")
"""What a packet can hold. ``lab`` is the page of the lab's own server, ``web`` the same for any host."""

_PLATFORMS = ("mturk", "qualtrics", "gforms", "potato")
_IGNORED = "*batch_results*.csv\nprolific_export_*.csv\nresponses*.csv\nlinkage*.csv\nprivate/\n"


def write_packet(
    packet: Path,
    private: Path,
    made: Made,
    counted: Balance,
    material: Material,
    details: Details,
    image_url: str,
    terms: Mapping[str, Licence],
    suite: Mapping[str, object],
    hosting: Hosting = ON_DISK,
) -> None:
    """Write the packet and the private folder.

    Args:
        packet: A folder that does not exist, or is empty.
        private: Gets the key, the draw and the proof of balance, which tell models.
        made: The study.
        counted: Its balance.
        material: What it was made from.
        details: What the organiser said.
        image_url: Where the pictures will be hosted, for platforms that only know addresses.
        terms: The licence of each data set.
        suite: Version and commit of the suite, for the manifest.
        hosting: Where the web page sends answers.

    Raises:
        BenchError: a folder is in use, the two are too close together, or one cannot be written.
    """
    check_apart(packet, private)
    for folder in (packet, private):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BenchError(f"{folder} exists and is not empty; choose another folder")
    values = _values(made, material, details, image_url)
    packet.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=packet.parent) as scratch:
        draft = Path(scratch, "packet")
        _write_public(draft, made, values, image_url, hosting)
        _write_admin(draft / ADMIN, made, details, values, terms)
        write_text(draft / ".gitignore", _IGNORED)
        record = {"study": made.study.id, "seed": made.study.seed, **suite, "sha256": file_digests(draft)}
        write_text(draft / MANIFEST, json.dumps(record, indent=1) + "\n")
        undate(draft)
        _write_private(private, made, counted, material)
        os.replace(draft, packet)


def _write_public(
    packet: Path, made: Made, values: Mapping[str, object], image_url: str, hosting: Hosting
) -> None:
    study, forms, public = made.study, made.forms, packet / PUBLIC
    write_stimuli(public / "stimuli", made.files)
    write_model(public / STUDY, study)
    for form in forms:
        write_model(form_path(packet, form.id), form)
    texts = documents(PARTICIPANT_TEXTS, values)
    for name, text in texts.items():
        write_text(public / "texts" / f"{name}.md", text)
    if "print" in study.outputs:
        from .paper import write_print

        write_print(packet, study, forms, texts)
    if "web" in study.outputs:
        write_web(packet, study, forms, texts, hosting)
    _write_platforms(packet, study, forms, image_url)


def _write_platforms(packet: Path, study: Study, forms: Sequence[Form], image_url: str) -> None:
    for name in _PLATFORMS:
        if name in study.outputs:
            import_module(f".platforms.{name}", __package__).write(packet, study, forms, image_url)


def _write_admin(
    folder: Path, made: Made, details: Details, values: Mapping[str, object], terms: Mapping[str, Licence]
) -> None:
    for name, text in documents((*ADMIN_TEXTS, *PARTICIPANT_TEXTS), values).items():
        write_text(folder / f"{name}.md", text)
    write_text(folder / "details.yaml", details_yaml(details))
    write_text(folder / "data_dictionary.csv", data_dictionary(details.storage_period))
    write_text(folder / "stimuli_licences.csv", stimulus_licences(terms, made.key.permission))


def _write_private(folder: Path, made: Made, counted: Balance, material: Material) -> None:
    """The key, and everything that names models beside items."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    key = made.key
    columns = ("item", "dataset", "domain", "expression", "subject", "edit")
    drawn = [(i.id, i.dataset, i.domain, i.expression, i.subject, i.edit) for i in key.items]
    write_text(folder / "draw.csv", table(columns, drawn))
    left_out = table(("edit", "reason"), material.left_out.items())
    write_text(folder / "left_out.csv", left_out)
    rows = [(*place, count) for place, count in counted.exposures.items()]
    names = ("question", "domain", "expression", "item", "slot", "entrant", "count")
    write_text(folder / "exposures.csv", table(names, rows))
    write_text(folder / "design.md", design_report(made, counted, material))
    write_text(folder / "linkage_template.csv", table(("platform_id", "participant", "form_id"), []))
    write_model(folder / KEY, key)
    (folder / KEY).chmod(0o600)


def design_report(made: Made, counted: Balance, material: Material) -> str:
    """What was drawn, and the counts that show the balance, as Markdown. It names models: keep it private."""
    study, key = made.study, made.key
    low, high = counted.shares
    exact = "exactly balanced" if counted.exact else f"balanced to {counted.spread} within each item"
    lines = [
        f"# Design of study {study.id}",
        "",
        f"{study.design}, {', '.join(study.questions)}; {len(key.items)} items × {len(made.forms)} forms; "
        f"{made.rows} rows in the design: {exact}.",
        f"Each model is met {low} to {high} times in main trials.",
        f"{len(material.candidates)} edits could be drawn; {len(material.left_out)} lacked some output.",
        *made.notes,
        "",
        "## Exposures: question × domain × expression × slot",
        "",
        "| question | domain | expression | slot | fewest | most | by model |",
        "|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str, int], dict[str, int]] = {}
    for place, count in by_stratum(counted.exposures).items():
        group = place.question, place.domain, place.expression, place.slot
        groups.setdefault(group, {})[place.entrant] = count
    for group, counts in groups.items():
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        cells = [*group, min(counts.values()), max(counts.values()), each]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _values(made: Made, material: Material, details: Details, image_url: str) -> dict[str, object]:
    """What fills the gaps of the texts."""
    study, key, options = made.study, made.key, made.study.options
    rules = options.exclusion
    balanced = len(made.forms) % made.rows == 0
    exact = (
        "So each model stands in each place equally often with each item."
        if balanced
        else f"Participants are no multiple of {made.rows}, so counts within an item differ by a few."
    )
    return details.model_dump() | {
        "study_id": study.id,
        "design": study.design,
        "design_text": f"{study.design}: {TASKS[study.design]}",
        "task": TASKS[study.design],
        "measure": MEASURES[study.design][0],
        "extra": MEASURES[study.design][1],
        "measurement": study.measurement,
        "questions": ", ".join(study.questions),
        "items": options.items,
        "participants": options.participants,
        "trials": max(len(form.trials) for form in made.forms),
        "minutes": study.minutes,
        "models_count": len(key.models),
        "outputs": ", ".join(study.outputs),
        "image_url": image_url,
        "focus": key.titles[key.focus],
        "competitors": ", ".join(key.titles[name] for name in key.models if name != key.focus) or "none",
        "rows": made.rows,
        "exact_text": exact,
        "eligible": len(material.candidates),
        "left_out": str(len(material.left_out)),
        "seed": str(study.seed),
        "datasets": ", ".join(key.datasets),
        "gold": options.gold,
        "repeats": options.repeats,
        "attention": options.attention,
        "gold_share": f"{rules.gold_share:.0%}",
        "median_rt_ms": f"{rules.median_rt_ms:g}",
        "same_slot_share": f"{rules.same_slot_share:.0%}",
        "repeats_judged": rules.repeats,
        "permission": key.permission or "none stated",
    }
