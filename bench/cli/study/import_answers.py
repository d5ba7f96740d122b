"""``bench study import``: turn the answers of any platform into one tidy table."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fesbench.reports.study.schema import PLATFORMS, Platform
from fesbench.reports.study.storage import private_folder, read_forms, read_key, read_study

from ...core.files import write_text
from ...core.plurals import counted

if TYPE_CHECKING:
    from fesbench.reports.study.collection.responses import Imported

EXAMPLES = """
\b
Examples:
  bench study import --packet packet --platform web form-01.csv form-02.csv
  bench study import --packet packet --platform mturk Batch_123_batch_results.csv
  bench study import --packet packet --platform paper --replace corrected.csv
"""


@click.command("import", epilog=EXAMPLES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--packet", required=True, type=click.Path(path_type=Path), help="What `bench study make` wrote."
)
@click.option("--platform", required=True, type=click.Choice(PLATFORMS), help="Where the files come from.")
@click.option("--private", type=click.Path(path_type=Path), help="Folder of the key, if it was moved.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for responses.csv.  [default: the folder of the key]",
)
@click.option(
    "--replace",
    "replace_earlier",
    is_flag=True,
    help="Replace the earlier answers of the same participants on this platform.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the import report as JSON.")
def import_(
    files: tuple[Path, ...],
    packet: Path,
    platform: Platform,
    private: Path | None,
    out: Path | None,
    replace_earlier: bool,
    as_json: bool,
) -> None:
    """Turn answers of one platform into responses.csv and import.json.

    Participants' ids are replaced by pseudonyms before anything is written, and names, addresses and places
    are never read. Repeated answers count once; they and all rows that match no trial are reported. Answers
    already in responses.csv are kept, so files can be imported in parts and from several platforms; --replace
    imports a corrected file. Files without any answer that fits the study are refused.
    """
    from fesbench.reports.study.collection.responses import (
        import_files,
        merged,
        read_responses,
        replacing,
        write_import,
    )

    study = read_study(packet)
    forms, key = read_forms(packet, study), read_key(study, private)
    folder = out or private or private_folder(study.id)
    earlier = folder / "responses.csv"
    before = read_responses(earlier, study, forms) if earlier.exists() else []
    new = import_files(platform, files, study, forms, key.secret)
    imported = replacing(before, new, platform) if replace_earlier else merged(before, new)
    path = write_import(folder, imported, forms, key)
    text = json.dumps(imported.report(), indent=2, ensure_ascii=False)
    write_text(folder / "import.json", text + "\n")
    if as_json:
        click.echo(text)
    else:
        _show(imported, path)


def _show(imported: Imported, path: Path) -> None:
    from fesbench.reports.study.collection.responses import SHOWN_PROBLEMS

    problems = imported.problems
    participants = {one.participant for one in imported.responses}
    answers = counted(len(imported.responses), "answer")
    click.echo(f"{path}: {answers} of {counted(len(participants), 'participant')}")
    if imported.replaced:
        click.echo(f"replaced: {counted(imported.replaced, 'earlier answer')}", err=True)
    counts = Counter(problem.kind for problem in problems)
    if counts:
        click.echo(", ".join(f"{kind}: {count}" for kind, count in counts.items()), err=True)
    for problem in problems[:SHOWN_PROBLEMS]:
        click.echo(f"{problem.kind}: {problem.where}: {problem.detail}", err=True)
    if len(problems) > SHOWN_PROBLEMS:
        click.echo(f"… and {len(problems) - SHOWN_PROBLEMS} more: see import.json", err=True)
    if imported.dropped:
        click.echo(f"columns that were not read: {', '.join(imported.dropped)}", err=True)
