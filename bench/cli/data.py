"""``bench data``: add, list, show, prepare and export data sets.

No command of this group needs torch, except ``show --card``.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fesbench.datasets import export, registry
from fesbench.datasets.folders import layouts
from fesbench.datasets.folders.folder import FolderSpec
from fesbench.datasets.folders.labels import parse_labels
from fesbench.datasets.overview import overview, write_sheet
from fesbench.datasets.preparation import prepare as preparation
from fesbench.datasets.preparation.detection import load_eye_finder
from fesbench.datasets.splits import PARTS

from ..core.contracts import Dataset, Problem
from ..core.plurals import counted
from ..runs.plan import make_plan
from ..runs.spec import RunSpec
from .completion import complete_data
from .console import say

LAYOUT_HELP = "How names tell subject and expression. " + " ".join(
    f"{name}: {text}." for name, text in layouts.LAYOUTS.items()
)
EXAMPLES = 3

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def data() -> None:
    """Add, list, show, prepare and export data sets.

    A data set is a folder of images that you add under a name, the built-in rendered faces, or an installed
    plug-in. Subjects are split 70 : 10 : 20 into train, val and test by a hash of their names.
    """


@data.command(epilog="Example:  bench data add london photos/london --layout expression-folders")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--layout", type=click.Choice(list(layouts.LAYOUTS)), help=LAYOUT_HELP + " Default: guess.")
@click.option("--domain", default="studio", show_default=True, help="Domain of images that state none.")
@click.option(
    "--pattern",
    help="How paths name the person and the expression, such as '{expression}/{subject}_*', * for anything.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="CSV file: code, expression (01,neutral).")
@click.option(
    "--label", "label", multiple=True, metavar="CODE=EXPRESSION", help="What a number or code means."
)
@click.option("--licence", default="", help="The licence of the images, for cards and study packets.")
@click.option("--citation", default="", help="What to cite for the images, for cards.")
@click.option(
    "--seed", default=0, show_default=True, help="Another seed gives another split of the subjects."
)
def add(name: str, path: Path, labels: Path | None, label: tuple[str, ...], **options: Any) -> None:
    """Register the folder PATH as data set NAME, after reading every image in it.

    The files stay where they are. Images that do not fit or cannot be read are reported and left out.
    """
    say(f"reading the images of {path} …")
    dataset = registry.register(FolderSpec(name, path, labels=parse_labels(label, labels), **options))
    samples = dataset.samples()
    subjects = {sample.subject for sample in samples}
    counts = f"{counted(len(samples), 'image')} of {counted(len(subjects), 'subject')}"
    say(f"added {name}: {counts}, layout {dataset.layout}")
    for note in dataset.notes:
        say(_printable(f"note: {note}"))
    _report(dataset.problems, len(dataset.ignored))
    if dataset.problems:
        say(f"`bench data show {name} --json` lists all of them")


@data.command(epilog="Example:  bench data remove london")
@click.argument("name", shell_complete=complete_data)
def remove(name: str) -> None:
    """Forget a registered data set; its files stay."""
    registry.unregister(name)
    say(f"removed {name}; its files are untouched")


@data.command("list", epilog="Example:  bench data list --json")
@json_option
def list_names(as_json: bool) -> None:
    """List the data sets that `--data` knows."""
    entries = [*_installed(), *(_registered(spec) for spec in registry.registrations().values())]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        click.echo("\t".join((entry["name"], entry["kind"], _printable(entry["where"]))))


def _installed() -> list[dict[str, str]]:
    builtin = registry.REGISTRY.builtin
    return [
        {"name": name, "kind": "built-in" if name in builtin else "plug-in", "where": target}
        for name, target in registry.REGISTRY.targets().items()
    ]


def _registered(spec: FolderSpec) -> dict[str, str]:
    return {"name": spec.name, "kind": spec.layout or "", "where": str(spec.path), "domain": spec.domain}


@data.command(epilog="Example:  bench data show london --sheet london.png")
@click.argument("name", shell_complete=complete_data)
@click.option("--sheet", type=click.Path(path_type=Path), help="Also write a PNG with images of every kind.")
@click.option("--card", "as_card", is_flag=True, help="Print a data card in Markdown.")
@click.option("--run", type=click.Path(path_type=Path), help="With --card: add what this run measured.")
@json_option
def show(name: str, sheet: Path | None, as_card: bool, run: Path | None, as_json: bool) -> None:
    """Count the images of a data set by expression, domain and split, and list its problems.

    NAME is a name of `bench data list` or the path of a folder. With --card, a data card with the usual
    sections: motivation, composition, collection, people, uses, distribution and licence, maintenance.
    """
    if run and not as_card:
        raise click.UsageError("--run belongs to --card")
    if as_card:
        _print_card(name, run)
        return
    splits: dict[str, Dataset] = {part: registry.load_dataset(name, part) for part in PARTS}
    counts = overview(splits)
    if sheet:
        write_sheet([sample for dataset in splits.values() for sample in dataset.samples()], sheet)
        say(f"wrote {sheet}")
    click.echo(json.dumps(counts, indent=2) if as_json else _describe(counts))
    for note in counts["notes"]:
        say(_printable(f"note: {note}"))
    _report(splits["test"].problems, len(counts["ignored"]))


def _print_card(name: str, run: Path | None) -> None:
    from fesbench.reports.run.cards import card_of_data  # starts torch, which no other command here does

    from ..api import open_run

    click.echo(card_of_data(name, open_run(run) if run else None), nl=False)


def _describe(counts: dict[str, Any]) -> str:
    images, subjects = counted(counts["samples"], "image"), counted(counts["subjects"], "subject")
    lines = [f"{counts['name']}: {images} of {subjects}"]
    for kind in ("expressions", "domains"):
        lines.append(f"{kind}:")
        lines += [f"  {name:24} {number:7}" for name, number in counts[kind].items()]
    lines.append("splits:                    images subjects    edits    pairs")
    for name, part in counts["splits"].items():
        numbers = (part[key] for key in ("samples", "subjects", "edits", "pairs"))
        lines.append(f"  {name:24}" + " ".join(f"{number:8}" for number in numbers))
    return "\n".join(_printable(line) for line in lines)


@data.command(epilog="Example:  bench data prepare photos/raw photos/aligned --size 256")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--size", default=256, show_default=True, type=click.IntRange(32, 2048), help="Side in pixels.")
def prepare(source: Path, destination: Path, size: int) -> None:
    """Crop the photos in SOURCE around their eyes into DESTINATION; exit code 1 if any photo has no crop.

    Eyes come to lie on a horizontal line at 40% of the height, 28% of the width apart. Folders keep their
    names. Started again, it makes the crops of photos that are new or changed, and removes those of photos
    that are gone. DESTINATION/prepare.csv has a line for each photo.
    """
    outputs, listing = preparation.plan_outputs(source, destination)
    outcomes = []
    crops = preparation.prepare(source, destination, outputs, size, load_eye_finder())
    with click.progressbar(crops, length=len(outputs), label="aligning", file=sys.stderr) as bar:
        for outcome in bar:
            outcomes.append(outcome)
    report = preparation.write_report(destination, outcomes, listing.problems)
    failed = [Problem(item.path, item.reason) for item in outcomes if item.status == "failed"]
    done = Counter(item.status for item in outcomes)
    say(f"{done['done']} aligned, {done['skipped']} there already; see {report}")
    _report([*failed, *listing.problems], len(listing.ignored), shown=None)
    if failed or listing.problems:
        sys.exit(1)


@data.command("export-edits", epilog="Example:  bench data export-edits london london-edits --size 128")
@click.argument("name", shell_complete=complete_data)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--limit", type=click.IntRange(1), help="Only this many subjects of each domain, as in `bench run`."
)
@click.option("--seed", default=0, show_default=True, help="Seed of --limit, as in `bench run`.")
@click.option("--size", type=click.IntRange(16, 2048), help="Resize the inputs; default: as the files are.")
def export_edits(name: str, folder: Path, limit: int | None, seed: int, size: int | None) -> None:
    """Write the edits that `bench run --data NAME` asks for, for models that live elsewhere.

    FOLDER/manifest.csv names for each edit the input, its expression, the expression asked for, and where
    the result goes. Then `bench run --model outputs:FOLDER --data NAME` scores the results.
    """
    (plan,) = make_plan(RunSpec(data=(name,), limit=limit, seed=seed)).datasets
    problems = export.export_edits(plan.edits, folder, size)
    click.echo(folder / "manifest.csv")
    say(f"{counted(len(plan.edits), 'edit')} of {name}; put the results into {folder / 'outputs'}")
    _report(problems, 0)
    if problems:
        sys.exit(1)


def _report(problems: Sequence[Problem], ignored: int, shown: int | None = EXAMPLES) -> None:
    """Print problems on stderr, grouped by reason, with the first few paths of each; None shows all paths."""
    if ignored:
        say(f"{counted(ignored, 'other file')} (not images) ignored")
    paths: dict[str, list[str]] = {}
    for problem in problems:
        paths.setdefault(problem.reason, []).append(problem.path)
    if problems:
        say(f"{counted(len(problems), 'image or line', 'images or lines')} left out:")
    for reason, names in sorted(paths.items(), key=lambda item: -len(item[1])):
        more = f", … {len(names) - shown} more" if shown and len(names) > shown else ""
        say(_printable(f"  {len(names)} × {reason}: {', '.join(names[:shown])}{more}"))


def _printable(text: str) -> str:
    """Return ``text`` with control and undecodable characters as visible escapes, for a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
