"""``bench study serve``: collect answers in the lab."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import click

from fesbench.reports.study.collection.server.app import make_app
from fesbench.reports.study.collection.server.collection import UNUSED_AFTER, Collection
from fesbench.reports.study.collection.server.hosts import names_of
from fesbench.reports.study.collection.server.run import run_server
from fesbench.reports.study.packet.prose import read_texts
from fesbench.reports.study.packet.web.page import NO_CODES, Codes, served_files
from fesbench.reports.study.storage import private_folder, read_forms, read_study

from ...core.errors import BenchError

EXAMPLES = """
\b
Examples:
  bench study serve packet
  bench study serve packet --host 192.0.2.10 --port 8080
  bench study import --packet packet --platform server answers.sqlite
"""


@click.command(epilog=EXAMPLES)
@click.argument("packet", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: a free one.")
@click.option(
    "--answers",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file.  [default: in the folder of the key]",
)
@click.option(
    "--completion-codes",
    metavar="CODES",
    help="Codes of Prolific, separated by commas: completed, no consent, screen too small.",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="A further name in the address that participants open, as that of a proxy. Repeatable.",
)
@click.option(
    "--unused-after",
    type=click.FloatRange(min=1),
    default=UNUSED_AFTER.total_seconds() / 60,
    show_default=True,
    metavar="MINUTES",
    help="A form without a single answer for so long is assigned again.",
)
def serve(
    packet: Path,
    host: str,
    port: int,
    answers: Path | None,
    completion_codes: str | None,
    allow_host: tuple[str, ...],
    unused_after: float,
) -> None:
    """Serve the study in PACKET and store the answers, until interrupted.

    Each participant gets the next free form, and each answer counts once. Everyone who can reach the address
    can take part; by default that is only this computer. Acknowledged answers are on the disk, even if the
    server is killed.
    """
    study = read_study(packet)
    codes = Codes.parse(completion_codes) if completion_codes else NO_CODES
    path = answers or private_folder(study.id) / "answers.sqlite"
    if packet.resolve() in path.resolve().parents:
        raise BenchError(
            f"{path} lies in the packet, which participants may see; choose another file with --answers"
        )
    forms, texts = read_forms(packet, study), read_texts(packet)
    collection = Collection(path, study.id, forms, timedelta(minutes=unused_after))
    files = served_files(packet, study, forms, texts, codes)
    app = make_app(files, forms, collection, names_of(host, allow_host))
    if not _loopback(host):
        click.echo("warning: anyone in this network can take part, and answers travel unencrypted", err=True)
    click.echo(f"answers are kept in {path}", err=True)
    run_server(app, host, port, click.echo)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
