"""``bench study make``: make a blinded, counterbalanced packet from the outputs of a run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from fesbench.reports.study.design.request import StudyRequest
from fesbench.reports.study.packet.details import Details, read_details
from fesbench.reports.study.packet.web.page import IMAGE_URL, NO_CODES, Codes, Hosting
from fesbench.reports.study.schema import DESIGNS, QUESTIONS, Design, Question
from fesbench.reports.study.storage import private_folder

from ...core.environment import commit
from ...core.errors import UnknownName
from ...core.plurals import counted
from ...core.version import __version__

if TYPE_CHECKING:
    from fesbench.reports.run.study_material import RunMaterial
    from fesbench.reports.study.packet.licences import Licence
    from fesbench.reports.study.packet.write import Contents

EXAMPLES = """
\b
Examples:
  bench study make runs/demo --out packet
  bench study make runs/demo --design 2afc --questions realism --participants 24 --out packet
  bench study make runs/cfee --output print --details details.yaml --out packet
"""

FOCUS = ("reggan", "reggan-regression")
"""The default focus of the hypotheses: the first of these that is compared."""


@dataclass(frozen=True)
class Options:
    """The options of the command; ``--help`` describes them."""

    design: Design
    questions: tuple[Question, ...] | None
    items: int
    participants: int | None
    seed: int
    models: tuple[str, ...]
    focus: str | None
    pairs: Literal["focus", "all"]
    outputs: tuple[str, ...]
    image_url: str
    post_url: str
    datapipe: str
    completion_codes: str | None
    permission: str | None


def parse_questions(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[Question, ...] | None:
    """Parse question names separated by commas."""
    if value is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    for name in names or ("",):
        if name not in QUESTIONS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(QUESTIONS)}")
    return cast(tuple[Question, ...], names)


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--design", type=click.Choice(DESIGNS), default="best-of-n", show_default=True)
@click.option(
    "--questions",
    callback=parse_questions,
    metavar="NAMES",
    help="One or more of expression,identity,realism.",
)
@click.option("--items", type=click.IntRange(1, 500), default=12, show_default=True, help="Edits to draw.")
@click.option("--participants", type=click.IntRange(1, 9999), help="Forms.  [default: exact balance, ≥ 12]")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw of items."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="PACKET", help="A new folder.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Compare these models.  [default: all but controls]",
)
@click.option("--focus", metavar="NAME", help="The model that the hypotheses concern.  [default: reggan]")
@click.option(
    "--pairs", type=click.Choice(["focus", "all"]), default="focus", show_default=True, help="Pairs of 2afc."
)
@click.option("--output", "outputs", multiple=True, metavar="KIND", help="print, lab, web, mturk, … or all.")
@click.option(
    "--details",
    type=click.Path(path_type=Path),
    help="YAML file with institution, contact, payment and so on.",
)
@click.option("--image-url", default=IMAGE_URL, help="Where the images will be hosted, for platforms.")
@click.option("--post-url", default="", metavar="URL", help="Where the web page posts answers.")
@click.option(
    "--datapipe", default="", metavar="ID", help="Experiment id, if answers are posted to DataPipe."
)
@click.option(
    "--completion-codes",
    metavar="CODES",
    help="Codes of Prolific, separated by commas: completed, no consent, screen too small.",
)
@click.option(
    "--private",
    type=click.Path(path_type=Path),
    help="Folder for the key.  [default: in the suite's data folder]",
)
@click.option(
    "--include-images-permission",
    "permission",
    metavar="TEXT",
    help="Who permits showing faces in public whose licence forbids it; recorded in the packet.",
)
def make(run: Path, out: Path, private: Path | None, details: Path | None, **options: Any) -> None:
    """Make a study packet from the finished run in folder RUN.

    Items are drawn by the seed, spread over domains, expressions and people, the same for every model. The
    packet does not reveal the models; the key is written to another folder, which is printed.
    """
    from fesbench.reports.run.study_material import RunMaterial
    from fesbench.reports.study.design.build import build
    from fesbench.reports.study.packet.licences import licence_of
    from fesbench.reports.study.packet.write import Contents, write_packet

    from ...runs.results import RunResults

    chosen = Options(**options)
    _check_outputs(chosen.outputs)
    hosting = _hosting(chosen)
    known = read_details(details) if details else Details()
    material = RunMaterial(RunResults.open(run), chosen.models)
    terms = {
        name: licence_of(name, layout, material.licences[name]) for name, layout in material.layouts.items()
    }
    built = build(material, _request(chosen, material, known, terms))
    folder = private or private_folder(built.study.id)
    suite = {"fesbench": __version__, **commit()}
    contents = Contents(built, material, known, terms, suite, hosting)
    write_packet(out, folder, contents)
    for line in (*(f"note: {note}" for note in material.notes), *_messages(contents, folder)):
        click.echo(line, err=True)
    click.echo(out)


def _check_outputs(names: tuple[str, ...]) -> None:
    from fesbench.reports.study.packet.write import OUTPUTS

    for name in names:
        if name not in (*OUTPUTS, "all"):
            raise UnknownName("output", name, (*OUTPUTS, "all"))


def _hosting(options: Options) -> Hosting:
    codes = Codes.parse(options.completion_codes) if options.completion_codes else NO_CODES
    return Hosting(options.post_url, options.datapipe, codes, options.image_url)


def _request(
    options: Options, material: RunMaterial, details: Details, terms: Mapping[str, Licence]
) -> StudyRequest:
    from fesbench.reports.study.packet.licences import allowed_outputs
    from fesbench.reports.study.packet.write import OUTPUTS

    asked = OUTPUTS if "all" in options.outputs else tuple(n for n in OUTPUTS if n in options.outputs)
    return StudyRequest(
        design=options.design,
        questions=options.questions or _default_questions(options.design),
        items=options.items,
        participants=options.participants,
        seed=options.seed,
        secret=secrets.token_bytes(32),
        focus=options.focus or _default_focus(material.models),
        pairs=options.pairs,
        outputs=allowed_outputs(terms, asked, OUTPUTS, options.permission),
        permission=options.permission,
        title=details.title,
        institution=details.institution,
        contact=details.contact,
        draft=bool(details.missing),
    )


def _default_questions(design: Design) -> tuple[Question, ...]:
    if design == "naming":
        return ("expression",)
    return ("identity",) if design == "same-different" else QUESTIONS


def _default_focus(models: tuple[str, ...]) -> str:
    return next((name for name in (*FOCUS, *models) if name in models), "")


def _messages(contents: Contents, private: Path) -> Iterator[str]:
    """Yield what the organiser needs to know of the packet."""
    built, missing = contents.built, contents.details.missing
    study, options, key = built.study, built.study.options, built.key
    yield (
        f"study {study.id}: {study.design}, {', '.join(study.questions)}; {counted(options.items, 'item')}, "
        f"{counted(options.participants, 'form')} of {counted(len(built.forms[0].trials), 'trial')}, "
        f"{', '.join(key.models)}"
    )
    yield f"files for {', '.join(study.outputs)}"
    yield from built.notes
    if options.participants % built.rows:
        yield f"balance is exact where participants are a multiple of {built.rows}"
    if key.permission:
        yield f"faces are shown in public by the stated permission: {key.permission}"
    if missing:
        yield f"pages are marked DRAFT until admin/details.yaml states: {', '.join(missing)}"
    yield f"the key is in {private}; keep a copy, and keep it away from the packet"
