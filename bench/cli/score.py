"""``bench score``: score any folder of images against the photos they were made from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from fesbench.datasets.pairs import PATTERN

from ..metrics.registry import backend_for_photos
from .console import make_console, say
from .options import metric_option, timeout_option

if TYPE_CHECKING:
    from ..scoring.folders import Scores

EXAMPLES = """
\b
Examples:
  bench score --images outputs --sources inputs --metric fss,ecs --backend portable
  bench score --images outputs --sources inputs --reference real --backend paper --weights-dir W --json
  bench score --images outputs --sources inputs --targets made.csv
"""


@click.command(epilog=EXAMPLES)
@click.option("--images", required=True, type=click.Path(path_type=Path), help="Folder of what was made.")
@click.option(
    "--sources", required=True, type=click.Path(path_type=Path), help="Folder of what it was made from."
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="Folder of real images, for fid and kid; or an .npz of pytorch-fid's statistics, for fid.",
)
@click.option(
    "--save-statistics",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write an .npz of the real images, for pytorch-fid or a later --reference.",
)
@click.option(
    "--targets",
    default=PATTERN,
    show_default=True,
    help="How images are named, or a CSV file with the columns image, source, target.",
)
@metric_option
@click.option(
    "--backend",
    help="embedded, portable, face-api, paper or paper-bf16.  [default: portable, where its files were "
    "fetched and it has the metrics, else embedded]",
)
@click.option("--weights-dir", type=click.Path(path_type=Path), help="Folder of weight files of your own.")
@click.option("--resolution", type=click.IntRange(32, 1024), help="Bring all images to this size first.")
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
@click.pass_context
def score(ctx: click.Context, /, weights_dir: Path | None, as_json: bool, **fields: Any) -> None:
    """Score a folder of images against the photos they were made from.

    Images are paired with sources by name (s01--happy.png was made from s01.png) or by a CSV file, never by
    order. Files in --weights-dir are used even where they are not the published ones; a warning says so. Exit
    code 1 says that a metric which was asked for could not be computed.
    """
    from ..core.device import check_device
    from ..scoring.folders import Request, score_folders

    if weights_dir is not None:
        os.environ["FESBENCH_WEIGHTS"] = str(weights_dir)
        os.environ["FESBENCH_OTHER_WEIGHTS"] = "1"
    if fields["backend"] is None:
        of_sets = ("fid", "kid") if fields["reference"] else ()
        fields["backend"], note = backend_for_photos(fields["metrics"] or of_sets)
        if note:
            say(f"note: {note}")
    check_device(fields["device"])
    found = score_folders(Request(**fields))
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False, ensure_ascii=False))
    else:
        _show(found)
    ctx.exit(1 if found.unavailable and fields["metrics"] else 0)


def _show(found: Scores) -> None:
    console = make_console()
    table = Table("measure", "value", "95% interval", "images", "why not")
    for cell in found.cells.to_dict("records"):
        low, high = _number(cell["low"]), _number(cell["high"])
        interval = f"{low} … {high}" if low and high else ""
        table.add_row(
            str(cell["metric"]),
            _number(cell["value"]),
            interval,
            str(cell["n_scored"]),
            str(cell["reason"] or ""),
        )
    console.print(table)
    for name, reason in found.unavailable.items():
        console.print(f"not available: {name}: {reason}", markup=False)
    for metric, levels in found.record["face_levels"].items():
        if levels["impostor"] is not None:
            console.print(
                f"{metric} of two different sources: {levels['impostor']:.3f} ({levels['subjects']} sources; "
                "the level of other people where each source shows another person)",
                markup=False,
            )
    for network in found.record["networks"].values():
        if network["labels"]:
            reached = network["reached"] or "what it gets right on real images is not known"
            console.print(f"{network['name']}: {reached}", markup=False)
        console.print(
            f"{network['name']}: sha256 {network['digest'][:16]}…, {network['preprocessing']}", markup=False
        )
    for warning in found.warnings:
        console.print(f"note: {warning}", markup=False)


def _number(value: float) -> str:
    return "" if value is None or value != value else f"{value:.4g}"
