"""``bench run``: compare generators on data sets."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console
from rich.table import Table

from fesbench.datasets.workers import available_cores

from ..core.contracts import Inference, Upscale
from ..core.errors import SpecError
from ..core.plurals import counted
from ..core.serialization import serialized
from ..metrics.registry import metric_id
from ..runs.plan import DatasetPlan, Plan
from ..runs.progress import Listener, shown_progress
from ..runs.spec import BY_MODEL, Part, RunConfig, by_model, read_config
from ..runs.store.records import OutputForm
from .completion import complete_data, complete_models
from .console import make_console, say
from .options import Location, metric_option, timeout_option

if TYPE_CHECKING:
    from ..runs.execution.executor import Executor
    from ..runs.rates import Duration
    from ..runs.results import RunResults
    from ..runs.store.store import RunStore

EXAMPLES = """
\b
Examples:
  bench run --model all                        rendered faces, everything that is shipped
  bench run --model all --data london --backend portable
  bench run --model copy --model ./my_model.py:MyGAN --limit 10
  bench run --trainings runs/v2 --model truth --model copy
"""


@click.command(epilog=EXAMPLES, no_args_is_help=True)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_models,
    help="A model, FILE.py:CLASS, outputs:DIR, or all.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_data,
    help="A data set's name or folder.  [default: rendered]",
)
@metric_option
@click.option("--backend", help="embedded, portable, face-api, paper or paper-bf16.  [default: see above]")
@click.option(
    "--checkpoint", "checkpoints", multiple=True, metavar="[MODEL=]FILE", help="Weights for a model."
)
@click.option(
    "--trainings",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Add the models that `bench train` has made in DIR as MODEL.seed-N; tables show their means.",
)
@click.option(
    "--labels",
    multiple=True,
    metavar="[MODEL=]A,B,…",
    help="Expressions of a checkpoint's labels, in the order of its training.  [default: its card's, "
    "else the authors']",
)
@click.option(
    "--native-size",
    "native_sizes",
    multiple=True,
    metavar="[MODEL=]N",
    help="Pixels of the images that a checkpoint was trained on.  [default: its card's, else 128]",
)
@click.option(
    "--action-units",
    multiple=True,
    metavar="[MODEL=]PATH",
    help="OpenFace's CSV files that drive GANimation: a folder, or a table by image or by expression.",
)
@click.option("--resolution", type=int, help="Size at which images reach the metrics.  [default: 128]")
@click.option("--limit", type=int, metavar="N", help="Only N subjects of each domain.")
@click.option("--folds", type=int, help="Folds for closed-form models on small data sets.  [default: 5]")
@click.option("--seed", type=int, help="[default: 0]")
@click.option(
    "--inference",
    type=click.Choice(get_args(Inference)),
    help="How generators compute; the last two are faster and differ.  [default: float32]",
)
@click.option(
    "--upscale",
    type=click.Choice(get_args(Upscale)),
    help="What to enlarge of outputs smaller than that: their change of the photo, or the whole.  "
    "[default: change]",
)
@click.option(
    "--registered",
    is_flag=True,
    default=None,
    help="Show models faces that are brought to a common frame by their landmarks.",
)
@click.option(
    "--part", metavar="K/N", help="Only the K-th of N parts of the work; bench merge puts them together."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="A YAML file with the names of these flags; flags win."
)
@click.option(
    "--out", type=Location(), help="The run's folder, or a URL such as s3://….  [default: runs/NAME]"
)
@click.option("--device", help="A torch device.  [default: cpu]")
@click.option("--workers", type=click.IntRange(0), help="Processes that load images.  [default: the cores]")
@click.option(
    "--outputs",
    "output_form",
    type=click.Choice(get_args(OutputForm)),
    help="Keep each output as a file, or 32 together in an archive.  [default: shards above 50,000]",
)
@timeout_option
@click.option(
    "--executor",
    "place",
    type=click.Choice(("local", "ray")),
    default="local",
    show_default=True,
    help="Where the work is done: in this process, or by --workers processes of Ray.",
)
@click.option("--address", help="Of a Ray cluster, such as auto.  [default: Ray on this machine]")
@click.option(
    "--cpus-per-worker",
    type=click.FloatRange(0, min_open=True),
    help="Processors of each Ray worker.  [default: this machine's, divided; 1 on a cluster]",
)
@click.option(
    "--gpus-per-worker", type=click.FloatRange(0), default=0.0, help="GPUs, or a share of one, for each."
)
@click.option("--report", "with_report", is_flag=True, help="Write all of `bench report` as well.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the summary, or with --dry-run the plan, as JSON on stdout.",
)
@click.pass_context
def run(
    ctx: click.Context,
    /,
    config: Path | None,
    out: Path | str | None,
    device: str | None,
    workers: int | None,
    output_form: OutputForm | None,
    timeout: float,
    place: str,
    address: str | None,
    cpus_per_worker: float | None,
    gpus_per_worker: float,
    with_report: bool,
    dry_run: bool,
    as_json: bool,
    trainings: Path | None,
    **flags: object,
) -> None:
    """Run generators on data sets, score the outputs, and compare.

    The same command run again continues where it was stopped. Exit code 1 says that something failed: see
    failures.jsonl and the notes. Without --backend, photos are judged by the backend portable once its files
    were fetched.
    """
    from fesbench.reports.run.publish import show, show_times

    from ..api import complete_part, complete_run, is_complete, plan_run
    from ..runs.rates import expected_duration

    file = read_config(config) if config else RunConfig()
    fields = _with_trainings(_fields(file, flags), trainings)
    if fields.get("part") and with_report:
        raise SpecError("a part of a run has no report; run `bench report` on what `bench merge` wrote")
    plan, store = plan_run(fields, out or file.out, "bench run", say)
    console, device = make_console(stderr=True), device or file.device or "cpu"
    was_complete = is_complete(plan, store)
    duration = None if was_complete or place != "local" else expected_duration(plan, store, device)
    _print_plan(plan, store, duration, console)
    if dry_run:
        if as_json:
            record = _plan_record(plan, store, duration) | {"complete": was_complete}
            click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    output_form = output_form or file.outputs
    processes = next((n for n in (workers, file.workers) if n is not None), available_cores())
    loaders = processes if place == "local" else 0
    executor = _executor(place, address, max(processes, 1), cpus_per_worker, gpus_per_worker)
    asked = [metric_id(name, plan.spec.backend) for name in fields.get("metrics", ())]
    if plan.spec.part:
        with shown_progress(console) as listener:
            complete_part(
                plan, store, device, loaders, listener, timeout, executor, was_complete, output_form
            )
        ctx.exit(_show_part(store, plan.spec.part, as_json, asked, console))
    with shown_progress(console) as listener:
        results = complete_run(
            plan, store, device, loaders, listener, timeout, executor, was_complete, output_form
        )
        written = _write_report(results, listener) if with_report else []
    pages = [path for path in written if path.endswith(".html")]
    for path in written:
        if path not in pages:
            console.print(f"written: {path}", markup=False, soft_wrap=True)
    if was_complete:
        console.print("nothing left to do")
    else:
        show_times(results, console)
    if as_json:
        click.echo(results.summary.to_json(), nl=False)
    show(results, console if as_json else make_console(), *pages[:1])
    ctx.exit(results.exit_code(asked))


def _show_part(store: RunStore, part: Part, as_json: bool, asked: Collection[str], console: Console) -> int:
    """Say what a part of a run did, and what to do once all have come to their end; return the exit code."""
    from ..runs.results import part_exit_code
    from ..runs.store.store import FAILURES

    record = store.record
    done, failed = (record.counts.done if record.counts else 0), record.failed
    whole = store.location_of_whole(part)
    lines = [f"not available: {name}: {reason}" for name, reason in record.unavailable.items()]
    if failed:
        lines.append(f"{counted(failed, 'edit')} without an output: see {store.place(FAILURES)}")
    lines.append(f"{part.title} finished: {counted(done, 'edit')}; when all are: bench merge {whole}")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if as_json:
        found = {"part": str(part), "folder": store.location, "edits": done, "failed": failed}
        click.echo(json.dumps(found, ensure_ascii=False))
    return part_exit_code(record, asked)


def _write_report(results: RunResults, listener: Listener) -> list[str]:
    """Write every format of the report into the folder of the run, and return what to open."""
    from fesbench.reports.formats import FORMATS
    from fesbench.reports.run.report import ReportRequest, read_runs, write_reports

    with results.store.whole_folder() as folder:
        written = write_reports(ReportRequest(read_runs([folder]), folder / "report"), FORMATS, listener)
        return [results.store.place(path.relative_to(folder).as_posix()) for path in written]


def _executor(
    place: str, address: str | None, workers: int, cpus: float | None, gpus: float
) -> Executor | None:
    """Return the executor on a Ray cluster; None for this process."""
    if place == "local":
        return None
    try:
        from ..runs.execution.ray import RayExecutor
    except ImportError as error:
        raise SpecError(f"--executor ray needs Ray ({error}): pip install 'fesbench[ray]'") from error
    share = 1 if address else max(1, available_cores() // workers)
    return RayExecutor(address, workers, cpus or share, gpus)


def _fields(file: RunConfig, flags: dict[str, object]) -> dict[str, Any]:
    """Return the fields of the spec that flags and the file state; flags win."""
    given: dict[str, Any] = {name: value for name, value in flags.items() if value not in (None, ())}
    fields = file.stated | given
    for name in BY_MODEL:
        if name in given:
            fields[name] = by_model(given[name], fields.get("models", ("all",)), name)
    for name, path in fields.get("checkpoints", {}).items():
        if not path or not Path(path).is_file():
            raise SpecError(f"the checkpoint for {name}, {path}, is not a file")
    return fields


def _with_trainings(fields: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return the fields with the models that were trained in a folder.

    ``all`` then leaves out the shipped weights of these models.
    """
    if folder is None:
        return fields
    from ..generators.registry import expand, split_training
    from ..training.trained import trained_models

    found = trained_models(folder)
    trained = {split_training(name)[0] for name in found}
    asked = tuple(fields.get("models", ()))
    others = [name for name in expand(asked) if "all" not in asked or name not in trained]
    checkpoints = {name: str(path) for name, path in found.items()} | fields.get("checkpoints", {})
    return fields | {"models": (*others, *found), "checkpoints": checkpoints}


def _print_plan(plan: Plan, store: RunStore, duration: Duration | None, console: Console) -> None:
    table = Table(title=store.location, title_justify="left")
    for column in (
        "data set",
        "domains",
        "subjects",
        "edits",
        "closed-form models are fitted on",
        "left out",
    ):
        table.add_column(column)
    for item in plan.datasets:
        table.add_row(
            item.name,
            ", ".join(item.dataset.domains),
            str(len({edit.source.subject for edit in item.edits})),
            str(len(item.edits)),
            _protocol_text(item, plan.spec.folds),
            counted(len(item.dataset.problems), "file"),
        )
    console.print(table)
    for item in plan.datasets:
        for note in item.dataset.notes:
            console.print(f"note: {item.name}: {note}", markup=False)
    console.print(
        f"{counted(len(plan.spec.models), 'model')} ({', '.join(plan.spec.models)}), "
        f"{counted(plan.edit_count, 'edit')} each{f' in {plan.spec.part.title}' if plan.spec.part else ''}; "
        f"metrics {', '.join(plan.spec.metrics)} with backend {plan.spec.backend} at "
        f"{plan.spec.resolution} px; seed {plan.spec.seed}"
    )
    if duration:
        console.print(f"time: {duration}", markup=False)


def _plan_record(plan: Plan, store: RunStore, duration: Duration | None) -> dict[str, object]:
    """Return what ``_print_plan`` shows as JSON content."""
    datasets = [
        {
            "name": item.name,
            "domains": list(item.dataset.domains),
            "subjects": len({edit.source.subject for edit in item.edits}),
            "edits": len(item.edits),
            "protocol": item.protocol,
            "home": item.training_set,
            "left_out": len(item.dataset.problems),
        }
        for item in plan.datasets
    ]
    return {
        "folder": store.location,
        "spec": serialized(partial(plan.spec.model_dump, mode="json")),
        "edits_per_model": plan.edit_count,
        "seconds": round(duration.seconds, 1) if duration else None,
        "not_measured": list(duration.unknown) if duration else [],
        "datasets": datasets,
    }


def _protocol_text(item: DatasetPlan, folds: int) -> str:
    if item.protocol == "cross-fit":
        return f"itself, {folds} subject-disjoint folds"
    return (
        f"{item.training_set}, {'all people' if item.train.split == 'all' else f'{item.train.split} split'}"
    )
