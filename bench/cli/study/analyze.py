"""``bench study analyze``: from answers to preferences, intervals and tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fesbench.reports.study.analysis.analysis import RunScores
    from fesbench.reports.study.schema import Key

    from ...runs.results import RunResults

EXAMPLES = """
\b
Examples:
  bench study analyze --packet packet --run runs/demo
  bench study analyze --packet packet --out results collected/responses.csv
"""


@click.command(epilog=EXAMPLES)
@click.argument("responses", required=False, type=click.Path(path_type=Path))
@click.option(
    "--packet", required=True, type=click.Path(path_type=Path), help="What `bench study make` wrote."
)
@click.option("--private", type=click.Path(path_type=Path), help="Folder of the key, where it was moved.")
@click.option("--run", type=click.Path(path_type=Path), help="The run that the pictures come from.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: RUN/report/study]"
)
@click.option(
    "--prolific",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prolific's export of submissions: says whom to approve, in linkage.csv beside the key.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every number as JSON.")
def analyze(
    responses: Path | None,
    packet: Path,
    private: Path | None,
    run: Path | None,
    out: Path | None,
    prolific: Path | None,
    as_json: bool,
) -> None:
    """Analyse RESPONSES, by default the responses.csv beside the key.

    Writes tables (LaTeX, Markdown, CSV), figures, every number as JSON and a page. With --run, answers are
    compared with the metrics' scores of the same pictures. Participants are left out by the rules that the
    study fixed before any answer, and the page says how many.
    """
    from fesbench.reports.study.analysis.analysis import analyse
    from fesbench.reports.study.analysis.write import results_json, write_analysis
    from fesbench.reports.study.collection.prolific import LINKAGE, linkage_csv
    from fesbench.reports.study.collection.responses import read_responses
    from fesbench.reports.study.storage import private_folder, read_forms, read_key, read_study

    from ... import __version__
    from ...api import open_run
    from ...core.files import write_text

    folder = out or (run and run / "report" / "study")
    if folder is None:
        raise click.UsageError("say where the results go: --run RUN or --out FOLDER")
    study = read_study(packet)
    forms, key = read_forms(packet, study), read_key(study, private)
    beside_key = private or private_folder(study.id)
    answers = responses or beside_key / "responses.csv"
    scores = _scores(open_run(run), key) if run else None
    found = analyse(study, forms, key, read_responses(answers, study, forms), scores)
    if prolific:
        write_text(beside_key / LINKAGE, linkage_csv(prolific, key.secret, found.raters))
        click.echo(f"whom to approve: {beside_key / LINKAGE}", err=True)
    page = write_analysis(found, folder, __version__)
    click.echo(results_json(found) if as_json else str(page), nl=not as_json)


def _scores(results: RunResults, key: Key) -> RunScores:
    """What the run says of the models and data sets of the study: headline metrics only."""
    from fesbench.reports.study.analysis.analysis import Metric, RunScores

    measures = results.summary.measures
    shown = measures[measures["headline"]]
    metrics = tuple(
        Metric(str(column), direction == "higher")
        for column, direction in zip(shown["column"], shown["direction"], strict=True)
    )
    rows, cells = results.scores, results.cells
    here = cells[cells["dataset"].isin(list(key.datasets)) & cells["complete"].astype(bool)]
    # A set metric has no mean over domains everywhere: the plain mean of domains stands for it.
    plain = here[~here["domain"].isin(["all", "ood"])]
    models = plain.groupby(["generator", "metric"], sort=False)["value"].mean().reset_index()
    return RunScores(metrics, rows[rows["dataset"].isin(list(key.datasets))], models)
