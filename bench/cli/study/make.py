"""``bench study make``: a blinded, counterbalanced packet from the outputs of a run."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from fesbench.reports.study.schema import DESIGNS, QUESTIONS, Design, Question

from ... import __version__
from ...core.errors import UnknownName

if TYPE_CHECKING:
    from fesbench.reports.run.study_material import RunMaterial
    from fesbench.reports.study.design.build import Made

EXAMPLES = """
\b
Examples:
  bench study make runs/demo --out packet
  bench study make runs/demo --design 2afc --questions realism --participants 24 --out packet
  bench study make runs/cfee --output print --details details.yaml --out packet
"""

FOCUS = ("reggan", "reggan-regression")
"""What hypotheses are about where the organiser does not say: the first of these that is compared."""
IMAGE_URL = "https://YOUR-HOST/public/stimuli"


def parse_questions(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[Question, ...] | None:
    """Names with commas between."""
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
    "--questions", callback=parse_questions, metavar="NAMES", help="Of expression,identity,realism."
)
@click.option("--items", type=click.IntRange(1, 500), default=12, show_default=True, help="Edits to draw.")
@click.option("--participants", type=click.IntRange(1, 9999), help="Forms.  [default: exact balance, ≥ 12]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw of items.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="PACKET", help="A new folder.")
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Compare these.  [default: all but controls]"
)
@click.option("--focus", metavar="NAME", help="The model that the hypotheses are about.  [default: reggan]")
@click.option(
    "--pairs", type=click.Choice(["focus", "all"]), default="focus", show_default=True, help="Of 2afc."
)
@click.option("--output", "outputs", multiple=True, metavar="KIND", help="print, lab, web, mturk, … or all.")
@click.option(
    "--details", type=click.Path(path_type=Path), help="YAML: institution, contact, payment and the like."
)
@click.option("--image-url", default=IMAGE_URL, help="Where the pictures will be hosted, for platforms.")
@click.option("--post-url", default="", metavar="URL", help="Where the web page sends answers.")
@click.option("--datapipe", default="", metavar="ID", help="Experiment id, where that is DataPipe's address.")
@click.option(
    "--completion-codes",
    metavar="CODES",
    help="Prolific's, with commas: completed, no consent, screen too small.",
)
@click.option("--private", type=click.Path(path_type=Path), help="For the key.  [default: the suite's home]")
@click.option(
    "--include-images-permission",
    "permission",
    metavar="TEXT",
    help="Who permits public showing of faces whose licence forbids it; recorded.",
)
def make(
    run: Path,
    design: Design,
    questions: tuple[Question, ...] | None,
    items: int,
    participants: int | None,
    seed: int,
    out: Path,
    models: tuple[str, ...],
    focus: str | None,
    pairs: Literal["focus", "all"],
    outputs: tuple[str, ...],
    details: Path | None,
    image_url: str,
    private: Path | None,
    permission: str | None,
    post_url: str,
    datapipe: str,
    completion_codes: str | None,
) -> None:
    """Make a study packet from the finished run in folder RUN.

    Items are drawn by the seed, spread over domains, expressions and people, the same for every model. The
    packet tells no model; the key that does is written elsewhere, and its place is printed.
    """
    from fesbench.reports.run.study_material import RunMaterial
    from fesbench.reports.study.design.balance import balance
    from fesbench.reports.study.design.build import Request, build
    from fesbench.reports.study.packet.documents import Details, read_details
    from fesbench.reports.study.packet.licences import allowed_outputs, licence_of
    from fesbench.reports.study.packet.packet import OUTPUTS, write_packet
    from fesbench.reports.study.packet.web.page import NO_CODES, Codes, Hosting
    from fesbench.reports.study.storage import private_folder

    from ...core.environment import commit
    from ...runs.results import RunResults

    for name in outputs:
        if name not in (*OUTPUTS, "all"):
            raise UnknownName("output", name, (*OUTPUTS, "all"))
    hosting = Hosting(post_url, datapipe, Codes.parse(completion_codes) if completion_codes else NO_CODES)
    known = read_details(details) if details else Details()
    material = RunMaterial(RunResults.open(run), models)
    terms = {name: licence_of(name, layout) for name, layout in material.layouts.items()}
    asked = OUTPUTS if "all" in outputs else tuple(name for name in OUTPUTS if name in outputs)
    request = Request(
        design=design,
        questions=questions or _all_questions(design),
        items=items,
        participants=participants,
        seed=seed,
        secret=secrets.token_bytes(32),
        focus=focus or next((name for name in (*FOCUS, *material.models) if name in material.models), ""),
        pairs=pairs,
        outputs=allowed_outputs(terms, asked, OUTPUTS, permission),
        permission=permission,
        title=known.title,
        institution=known.institution,
        contact=known.contact,
        draft=bool(known.missing),
    )
    made = build(material, request)
    counted = balance(made.study, made.forms, made.key, made.rows)
    folder = private or private_folder(made.study.id)
    suite = {"fesbench": __version__, **commit()}
    write_packet(out, folder, made, counted, material, known, image_url, terms, suite, hosting)
    _tell(made, material, known.missing, folder)
    click.echo(out)


def _all_questions(design: Design) -> tuple[Question, ...]:
    """What a design asks about where the organiser does not say."""
    if design == "naming":
        return ("expression",)
    return ("identity",) if design == "same-different" else QUESTIONS


def _tell(made: Made, material: RunMaterial, missing: list[str], private: Path) -> None:
    """The rest, on stderr."""
    study, options = made.study, made.study.options
    say = [
        f"study {study.id}: {study.design}, {', '.join(study.questions)}; {options.items} items, "
        f"{options.participants} forms of {len(made.forms[0].trials)} trials, {', '.join(material.models)}",
        f"files for {', '.join(study.outputs)}",
        *made.notes,
    ]
    if options.participants % made.rows:
        say.append(f"balance is exact where participants are a multiple of {made.rows}")
    if made.key.permission:
        say.append(f"public showing rests on the stated permission: {made.key.permission}")
    if missing:
        say.append(f"pages are marked DRAFT until admin/details.yaml says: {', '.join(missing)}")
    say.append(f"the key is in {private}; keep a copy, and keep it away from the packet")
    for line in say:
        click.echo(line, err=True)
