"""``bench study analyze``: compute preferences, intervals and tests from answers."""

from __future__ import annotations

from pathlib import Path

import click

from fesbench.reports.study.storage import private_folder, read_forms, read_key, read_study

from ...core.errors import BenchError
from ...core.files import write_text
from ...core.version import __version__

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
@click.option("--private", type=click.Path(path_type=Path), help="Folder of the key, if it was moved.")
@click.option("--run", type=click.Path(path_type=Path), help="The run that the pictures come from.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: RUN/report/study]"
)
@click.option(
    "--prolific",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prolific's export of submissions; linkage.csv in the key folder then shows whom to approve.",
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
    """Analyse RESPONSES, by default the responses.csv in the folder of the key.

    Writes tables (LaTeX, Markdown, CSV), figures, all numbers as JSON and a page. With --run, answers are
    correlated with the metrics' scores of the same images. Participants are excluded by the rules that the
    study fixed before any answer, and the page says how many.
    """
    from fesbench.reports.run.study_material import run_scores
    from fesbench.reports.study.analysis.analyse import analyse
    from fesbench.reports.study.analysis.report import results_json, write_analysis
    from fesbench.reports.study.collection.prolific import LINKAGE, linkage_csv
    from fesbench.reports.study.collection.responses import read_responses

    from ...api import open_run

    folder = out or (run and run / "report" / "study")
    if folder is None:
        raise click.UsageError("choose where the results are written: --run RUN or --out FOLDER")
    study = read_study(packet)
    forms, key = read_forms(packet, study), read_key(study, private)
    key_folder = private or private_folder(study.id)
    answers = responses or key_folder / "responses.csv"
    given = read_responses(answers, study, forms)
    if not given:
        raise BenchError(f"{answers} holds no answers; run `bench study import` first")
    scores = run_scores(open_run(run), key.datasets) if run else None
    found = analyse(study, forms, key, given, scores)
    if prolific:
        write_text(key_folder / LINKAGE, linkage_csv(prolific, key.secret, found.raters))
        click.echo(f"whom to approve: {key_folder / LINKAGE}", err=True)
    page = write_analysis(found, folder, __version__)
    click.echo(results_json(found) if as_json else str(page), nl=not as_json)
