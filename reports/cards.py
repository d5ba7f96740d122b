"""Model and data cards in Markdown, with the sections of the publications that introduced them.

Model cards follow Mitchell et al., 'Model Cards for Model Reporting' (2019), with a YAML front matter; data
cards follow Gebru et al., 'Datasheets for Datasets' (2021). Unknown facts show as 'not stated'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from fesbench.core.contracts import GeneratorCard
from fesbench.core.plurals import counted

from .formats.markdown import escape, markdown_table
from .tables.table import Table, metric_title

NOT_STATED = "not stated"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[\w.-]{1,95})?")
"""What hubs take for the name of a data set; other texts stand in the card's own sections alone."""
ASSUMED = (
    "These statements go by the name or layout of the data set: they hold if the folder is what it is called."
)


@dataclass(frozen=True)
class Origin:
    """Facts about a data set that its files do not state, a sentence or more each.

    ``restricted`` says that its images may not be passed on, ``free`` that reports may show them unasked;
    ``credit`` is the line that has to stand where they are shown; ``assumed`` says on what condition all this
    holds.
    """

    motivation: str = NOT_STATED
    collection: str = NOT_STATED
    people: str = NOT_STATED
    distribution: str = NOT_STATED
    maintenance: str = NOT_STATED
    restricted: bool = False
    free: bool = False
    credit: str = ""
    assumed: str = ""


RENDERED = Origin(
    motivation="Faces whose true target image is known in every domain, so that error to truth can be "
    "measured out "
    "of distribution, and anyone can run the suite offline.",
    collection="Rendered by the suite itself from random numbers; no photograph of anyone was used.",
    people="No real people are shown: subjects are made up.",
    distribution="Part of the suite, MIT licence; the images are rendered anew wherever they are needed.",
    maintenance="By the authors of the suite; a change of the renderer changes its version and every digest.",
    free=True,
)
CFEE = Origin(
    motivation="Facial expressions of 22 categories, basic and compound: Du, Tao and Martinez, 'Compound "
    "facial "
    "expressions of emotion', PNAS 111(15), 2014.",
    collection="Photographs of real people who posed the expressions; see the paper.",
    people="Real people. Show their faces only as the agreement that you signed allows; do not put them on "
    "a public "
    "host or a crowd platform without checking it.",
    distribution="Given out by its authors on request, under a research agreement; it may not be "
    "redistributed. The "
    "suite ships none of it, and puts none of it into a report that is meant to be shared unless told to.",
    maintenance="By its authors.",
    restricted=True,
    assumed=ASSUMED,
)
LONDON = Origin(
    motivation="Standardised photographs of adult faces for research: DeBruine and Jones, Face Research Lab "
    "London "
    "Set, version 5, 2017, doi:10.6084/m9.figshare.5047666.v5.",
    collection="102 adults photographed in London in April 2012; neutral and smiling, from the front.",
    people="Real people. By the source all gave signed consent for their images to be 'used in lab-based and "
    "web-based studies in their original or altered forms and to illustrate research'.",
    distribution="CC BY 4.0: share with attribution, and say what was changed.",
    maintenance="By its authors on figshare.",
    credit="Photos: DeBruine, L. and Jones, B. (2017), Face Research Lab London Set, "
    "doi:10.6084/m9.figshare.5047666.v5, CC BY 4.0; cropped, and outputs are changed by models.",
    assumed=ASSUMED,
)
OOD_REAL = Origin(
    motivation="Real pictures unlike any training data, so that generalisation is tried on more than "
    "rendered faces. There are no true targets: expression, identity and quality are scored, errors are not.",
    collection="Webcam and phone photos of one person, a portrait by NASA, averages of studio photos, the "
    "Mona Lisa, and emoji in 3D; cropped and aligned as the London set is.",
    people="L. DeBruine, who published her photos as CC0; Eileen Collins, on an official portrait. "
    "Composites, avatars and the painting show nobody who is alive.",
    distribution="Part of the suite, picture by picture CC BY 4.0, CC0, MIT or public domain; see "
    "LICENCES.md beside the pictures.",
    maintenance="By the authors of the suite.",
    credit="Composites: DeBruine, L. (2016), Young adult composite faces, "
    "doi:10.6084/m9.figshare.4055130.v1, CC BY 4.0. Avatars: Fluent Emoji, Microsoft Corporation, MIT. All "
    "cropped; outputs are changed by models.",
    free=True,
)
BY_NAME = {"rendered": RENDERED, "london": LONDON, "ood-real": OOD_REAL}
BY_LAYOUT = {"cfee": CFEE}


def origin_of(name: str, layout: str = "") -> Origin:
    """Return what is known of a data set by CFEE's own file names, or by its name; else all 'not stated'."""
    return BY_LAYOUT.get(layout) or BY_NAME.get(name.casefold()) or Origin()


def model_card(
    card: GeneratorCard, training: Mapping[str, Any], results: Sequence[Table], bibtex: str, source: str
) -> str:
    """Return the card of a model as Markdown.

    Args:
        card: The generator's card.
        training: The training record beside its checkpoint; empty where there is none.
        results: Tables of a run, of any models; the model's own row and the controls are shown.
        bibtex: Entries to cite; may be empty.
        source: Where the results come from, in one line.
    """
    own = [table for table in (_rows_of(table, card.name) for table in results) if table]
    sections = {
        "Model details": _items(_details(card)),
        "Intended use": "Comparing methods of facial-expression synthesis in research, on faces whose use "
        "was agreed to.",
        "Out-of-scope use": "Showing a real person with an expression that the person did not show, where "
        "viewers could "
        "take it for true or the person has not agreed; judging anyone's emotions; any deception.",
        "Factors": "Domain (studio, celebrity, portrait, statue, avatar), target expression, subject; skin "
        "tone, age, "
        "gender presentation and pose, where the data set states them. Judge networks differ between groups "
        "as well.",
        "Metrics": _metrics(own),
        "Training data": _training(card, training),
        "Evaluation data": ", ".join(escape(table.title) for table in own)
        or "no run was given: add --run RUN",
        "Quantitative analyses": "\n".join(markdown_table(table) for table in own)
        + (f"\nFrom {escape(source)}." if own else "no run was given: add --run RUN"),
        "Ethical considerations": _ethics(card),
        "Caveats and recommendations": _choices(card),
        "Citation": f"```bibtex\n{bibtex}\n```" if bibtex else escape(card.citation) or NOT_STATED,
    }
    return _front_matter(card, own) + _document(card.title or card.name, sections)


def data_card(
    counts: Mapping[str, Any],
    origin: Origin,
    licence_files: Sequence[str],
    results: Sequence[Table],
    bibtex: str,
) -> str:
    """Return the card of a data set as Markdown.

    Args:
        counts: What ``datasets.overview`` gives, with the ``layout`` where there is one.
        origin: What is known beyond the files.
        licence_files: Files in the folder that speak of licence or origin.
        results: Tables of a run on it.
        bibtex: Entries to cite; may be empty.
    """
    stated = (
        f" Read the files in its folder: {', '.join(map(escape, licence_files))}." if licence_files else ""
    )
    sections = {
        "Motivation": escape(origin.motivation),
        "Composition": _composition(counts),
        "Collection process": escape(f"{origin.collection} {origin.assumed}"),
        "People in the images": escape(origin.people),
        "Preprocessing": f"Layout {escape(str(counts.get('layout') or 'built in'))}; "
        f"{counted(len(counts['problems']), 'image')} left out as unusable, "
        f"{counted(len(counts['ignored']), 'other file')} ignored. `bench data prepare` aligns "
        f"by the eyes.",
        "Uses": "Measuring facial-expression synthesis; training where the licence allows it. Not for "
        "identifying people "
        "or for judging anyone's emotions.",
        "Distribution and licence": escape(origin.distribution) + stated,
        "Maintenance": escape(origin.maintenance),
        "Measured results": "\n".join(map(markdown_table, results)) or "no run was given: add --run RUN",
        "Citation": f"```bibtex\n{bibtex}\n```" if bibtex else NOT_STATED,
    }
    return _document(str(counts["name"]), sections)


def _document(title: str, sections: Mapping[str, str]) -> str:
    parts = [f"# {escape(title)}", *(f"## {name}\n\n{text.strip()}" for name, text in sections.items())]
    return "\n\n".join(parts) + "\n"


def _items(facts: Mapping[str, object]) -> str:
    return "\n".join(
        f"- {escape(name)}: {escape(str(value)) if value else NOT_STATED}" for name, value in facts.items()
    )


def _details(card: GeneratorCard) -> dict[str, object]:
    registered = card.registered or card.learned_registered
    return {
        "name": card.name,
        "year": card.year,
        "weights": card.weights,
        "parameters": f"{card.parameters:,}" if card.parameters else "",
        "resolution": f"{card.resolution} px" if card.resolution else "any",
        "expressions": ", ".join(card.expressions) or "those of the data set",
        **({"driven by": card.driven_by} if card.driven_by else {}),
        "needs to know the source expression": "yes" if card.needs_source else "no",
        **({"sees": "faces registered by their landmarks"} if registered else {}),
        "source": card.source,
        "licence": card.licence,
        "reference": card.citation,
    }


def _choices(card: GeneratorCard) -> str:
    fixed = (
        "Numbers on rendered faces or by embedded judges compare with no published number.",
        "Small test sets: read every number with its interval, and FID beside KID.",
    )
    return "\n".join(f"- {escape(text)}" for text in (*card.choices, *card.assumed, *fixed))


def _training(card: GeneratorCard, training: Mapping[str, Any]) -> str:
    if not card.trained_on and not training:
        return "not trained"
    facts: dict[str, object] = {"trained on": card.trained_on, "supervision": card.supervision}
    return _items(facts | {key: _flat(value) for key, value in training.items()})


def _flat(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(str(_flat(item)) for item in value)
    return value


def _ethics(card: GeneratorCard) -> str:
    texts = [
        "Outputs show people with expressions that they never made: label them as synthetic wherever they "
        "appear."
    ]
    name = card.trained_on.replace("/", " ").partition(" ")[0]
    origin = origin_of(name, name.casefold())
    if origin.restricted:
        texts.append(f"Its training images: {origin.people} {origin.distribution}")
    return "\n".join(f"- {escape(text)}" for text in texts)


def _metrics(tables: Sequence[Table]) -> str:
    columns = {column.metric: column for table in tables for column in table.columns}
    lines = [
        f"- {escape(metric_title(name))}: {column.direction or 'no'} is better, unit {escape(column.unit)}"
        for name, column in columns.items()
    ]
    return "\n".join(lines) or "see `bench metrics list`"


def _composition(counts: Mapping[str, Any]) -> str:
    facts: dict[str, object] = {
        "images": counts["samples"],
        "subjects": counts["subjects"],
        "expressions": _flat(counts["expressions"]),
        "domains": _flat(counts["domains"]),
    }
    splits = {f"{name} split": _flat(part) for name, part in counts["splits"].items()}
    return _items(facts | splits)


def _rows_of(table: Table, name: str) -> Table | None:
    """Return the row of a model and those of the controls; None where the model has none."""
    kept = [index for index, row in enumerate(table.rows) if row.name == name or row.block == "control"]
    if all(row.name != name for row in table.rows):
        return None
    rows = tuple(table.rows[index] for index in kept)
    cells = tuple(table.cells[index] for index in kept)
    unmarked = tuple(tuple(replace(cell, mark="") for cell in row) for row in cells)
    used = {cell.note for row in cells for cell in row} | {row.note for row in rows}
    notes = tuple(note for note in table.notes if not note.mark or note.mark in used)
    return replace(table, rows=rows, cells=unmarked, notes=notes)


def _front_matter(card: GeneratorCard, tables: Iterable[Table]) -> str:
    """Return the YAML that model hubs read; the texts of a card are dumped as data and alter nothing else."""
    results = [
        {
            "task": {"type": "image-to-image", "name": "facial-expression synthesis"},
            "dataset": {"name": table.title, "type": "fesbench"},
            "metrics": [
                {
                    "type": column.metric,
                    "name": f"{metric_title(column.metric)}, {column.domain}",
                    "value": cell.value,
                }
                for row, cells in zip(table.rows, table.cells, strict=True)
                if row.name == card.name
                for column, cell in zip(table.columns, cells, strict=True)
                if cell.complete and cell.value is not None
            ],
        }
        for table in tables
    ]
    licence = (
        {"license": "mit"}
        if card.licence == "MIT"
        else {"license": "other", "license_name": card.licence or NOT_STATED}
    )
    content: dict[str, Any] = licence | {"tags": ["facial-expression-synthesis", "image-to-image"]}
    if _HUB_NAME.fullmatch(card.trained_on):
        content["datasets"] = [card.trained_on]
    if results:
        content["model-index"] = [{"name": card.name, "results": results}]
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---\n\n"
