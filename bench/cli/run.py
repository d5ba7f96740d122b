"""``bench run``: compare generators on data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.table import Table

from fesbench.datasets.workers import available_cores
from fesbench.reports.run.publish import show, show_times

from ..api import complete_run, is_complete
from ..core.contracts import Inference, Upscale
from ..core.errors import SpecError
from ..core.plurals import counted
from ..runs.plan import Plan, make_plan, resolve
from ..runs.spec import RunSpec, read_config, validate
from ..runs.store.store import RunStore
from .console import make_console, shown_progress
from .options import metric_option, split_labels

OF_MODELS = {"labels": "--labels", "native_sizes": "--native-size", "action_units": "--action-units"}
"""Fields of a spec that describe single models, and their options."""

EXAMPLES = """
\b
Examples:
  bench run --model all                        rendered faces, everything that is shipped
  bench run --model all --data london --backend portable
  bench run --model copy --model ./my_model.py:MyGAN --limit 10
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="A model, FILE.py:CLASS, outputs:DIR, or all."
)
@click.option(
    "--data", multiple=True, metavar="NAME", help="A data set's name or folder.  [default: rendered]"
)
@metric_option
@click.option("--backend", help="embedded, portable, face-api, paper or paper-bf16.  [default: embedded]")
@click.option(
    "--checkpoint", "checkpoints", multiple=True, metavar="[MODEL=]FILE", help="Weights for a model."
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
    "--config", type=click.Path(path_type=Path), help="A YAML file with the same fields; flags win."
)
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/NAME]")
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option(
    "--workers", type=click.IntRange(0), default=available_cores, help="Processes that load images."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a model of your own may take to load, and for each batch.",
)
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
    out: Path | None,
    device: str,
    workers: int,
    timeout: float,
    dry_run: bool,
    as_json: bool,
    **flags: object,
) -> None:
    """Run generators on data sets, score the outputs, and compare.

    The same command run again continues where it was stopped. Exit code 1 says that something failed: see
    failures.jsonl and the notes.
    """
    spec = resolve(_spec(config, flags))
    store = RunStore(out or Path("runs") / spec.run_name)
    spec = store.grown_spec(spec)
    plan = make_plan(spec)
    console = make_console(stderr=True)
    _print_plan(plan, store, console)
    if dry_run:
        if as_json:
            click.echo(json.dumps(_plan_record(plan, store), indent=2, ensure_ascii=False))
        return
    was_complete = is_complete(plan, store)
    with shown_progress(console) as listener:
        results = complete_run(plan, store, device, workers, listener, timeout)
    if was_complete:
        console.print("nothing left to do")
    else:
        show_times(results, console)
    if as_json:
        click.echo(results.summary.to_json(), nl=False)
    show(results, console if as_json else make_console())
    ctx.exit(results.exit_code)


def _spec(config: Path | None, flags: dict[str, object]) -> RunSpec:
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    fields = read_config(config).model_dump(exclude_unset=True) if config else {}
    models = tuple(given.get("models") or fields.get("models") or ("all",))  # type: ignore[arg-type]
    if "checkpoints" in given:
        given["checkpoints"] = _checkpoints(given["checkpoints"], models)  # type: ignore[arg-type]
    for name, option in OF_MODELS.items():
        if name in given:
            given[name] = _by_model(given[name], models, option)  # type: ignore[arg-type]
    if "labels" in given:
        given["labels"] = {name: split_labels(text) for name, text in given["labels"].items()}  # type: ignore[attr-defined]
    return validate(fields | given, "bench run")


def _checkpoints(entries: tuple[str, ...], models: tuple[str, ...]) -> dict[str, str]:
    checkpoints = _by_model(entries, models, "--checkpoint")
    for name, file in checkpoints.items():
        if not file or not Path(file).is_file():
            raise SpecError(f"the checkpoint for {name}, {file}, is not a file")
    return checkpoints


def _by_model(entries: tuple[str, ...], models: tuple[str, ...], option: str) -> dict[str, str]:
    """Return the values of an option ``[MODEL=]VALUE`` by model."""
    pairs = [entry.split("=", 1) if "=" in entry else [None, entry] for entry in entries]
    if any(name is None for name, _ in pairs) and (len(models) != 1 or models == ("all",)):
        raise SpecError(f"{option} VALUE needs exactly one --model; write {option} MODEL=VALUE")
    return {name or models[0]: str(value) for name, value in pairs}


def _print_plan(plan: Plan, store: RunStore, console: Console) -> None:
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
            _protocol_text(item.protocol, item.training_set, plan.spec.folds),
            counted(len(item.dataset.problems), "file"),
        )
    console.print(table)
    console.print(
        f"{counted(len(plan.spec.models), 'model')} ({', '.join(plan.spec.models)}), "
        f"{counted(plan.edit_count, 'edit')} each; "
        f"metrics {', '.join(plan.spec.metrics)} with backend {plan.spec.backend} at "
        f"{plan.spec.resolution} px; seed {plan.spec.seed}"
    )


def _plan_record(plan: Plan, store: RunStore) -> dict[str, object]:
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
        "complete": is_complete(plan, store),
        "spec": plan.spec.model_dump(mode="json"),
        "edits_per_model": plan.edit_count,
        "datasets": datasets,
    }


def _protocol_text(protocol: str, training_set: str, folds: int) -> str:
    if protocol == "cross-fit":
        return f"itself, {folds} subject-disjoint folds"
    return f"{training_set}, train split"
