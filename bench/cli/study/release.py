"""``bench study release``: let a participant whose browser lost its storage go on in another one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from fesbench.reports.study.storage import private_folder, read_forms, read_study

from ...core.errors import BenchError
from ...core.files import write_text
from ...core.plurals import counted

EXAMPLES = """
\b
Examples:
  bench study release packet 5f1234
  bench study release packet w0123456789 --reason "the computer was replaced"
"""


@click.command(epilog=EXAMPLES)
@click.argument("packet", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("participant")
@click.option("--reason", default="browser storage lost", show_default=True, help="Why, for the record.")
@click.option(
    "--answers",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file of the server.  [default: in the folder of the key]",
)
def release(packet: Path, participant: str, reason: str, answers: Path | None) -> None:
    """Let PARTICIPANT go on with the study in PACKET in another browser.

    PARTICIPANT is the id on the platform, or the code that the page showed. The answers given so far are
    kept, and the next browser that starts with this id goes on after them; the earlier browser cannot answer
    any more. The server may be running. Each release is recorded in the file of the answers, and in
    releases.csv beside it.
    """
    from fesbench.reports.formats.delimited import csv_rows
    from fesbench.reports.study.collection.server.collection import Collection, Release

    study = read_study(packet)
    path = answers or private_folder(study.id) / "answers.sqlite"
    if not path.is_file():
        raise BenchError(f"{path} is missing; give the file that `bench study serve` named with --answers")
    with closing(Collection(path, study.id, read_forms(packet, study))) as collection:
        with collection.transaction():
            record = collection.release(participant, reason)
        rows = collection.releases()
    write_text(path.with_name("releases.csv"), csv_rows([Release._fields, *rows]))
    click.echo(
        f"{participant} goes on with form {record.form} after {counted(record.answers, 'answer')}: open the "
        f"page with ?participant={participant}, or with the same PROLIFIC_PID"
    )
