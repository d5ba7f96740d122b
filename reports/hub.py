"""Sends a model's weights and card, or a run's results, to the Hugging Face hub, through its own client.

The client knows the user's token and the hub's address from its own configuration (``hf auth login``,
``HF_TOKEN``, ``HF_ENDPOINT``). Photos of data sets are never sent, and outputs only of data sets that come
with the suite and may be passed on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import yaml

from fesbench.core.errors import BenchError, explain
from fesbench.core.plurals import counted
from fesbench.core.version import __version__
from fesbench.generators.registry import identifying_files, load_model
from fesbench.review.submission import Scrubbed, submission_of
from fesbench.runs.results import RunResults
from fesbench.runs.store.outputs import output_place
from fesbench.runs.store.storage import storage_at
from fesbench.weights.tensors import read_checkpoint

from .cards import origin_of
from .formats.latex import latex_tables
from .formats.markdown import csv_tables, escape, markdown_tables
from .run.cards import card_of_model
from .run.main_tables import main_tables, origin_line

log = logging.getLogger(__name__)

Kind = Literal["model", "dataset"]
Files = Mapping[str, bytes | Path]
"""Name in the repository to the content, or to the file that holds it."""

_WEIGHTS, _BESIDE = ".safetensors", (".json", ".csv")


def push_model(
    repository: str,
    model: str,
    checkpoint: Path | None = None,
    run: RunResults | None = None,
    public: bool = False,
) -> str:
    """Send the weights of a model, the card beside them, and a model card as ``README.md``.

    Args:
        repository: ``USER/NAME``; made where there is none.
        model: A model spec.
        checkpoint: Weights other than the shipped ones, as ``bench train`` writes them.
        run: Adds what this run measured to the card.
        public: Whether a repository that is made can be seen by everybody.

    Returns:
        The address of the commit.

    Raises:
        BenchError: the model has no such weights, the run no results of it, or the hub refuses.
    """
    files = model_files(model, checkpoint, run)
    return _push(repository, "model", files, f"{model}, fesbench {__version__}", public)


def push_run(repository: str, run: RunResults, outputs: bool = False, public: bool = False) -> str:
    """Send the results of a run: its submission and tables, without images unless they are asked for.

    Args:
        repository: ``USER/NAME`` of a data set repository; made where there is none.
        run: The run.
        outputs: Whether to send the models' outputs too.
        public: Whether a repository that is made can be seen by everybody.

    Returns:
        The address of the commit.

    Raises:
        BenchError: outputs are asked for that may not be passed on, or the hub refuses.
    """
    files = run_files(run, outputs)
    return _push(repository, "dataset", files, f"{run.name}, fesbench {__version__}", public)


def model_files(model: str, checkpoint: Path | None = None, run: RunResults | None = None) -> Files:
    """Return what ``push_model`` sends."""
    found = [path for path in identifying_files(model, checkpoint).values() if path.is_file()]
    weights = [path for path in found if path.suffix == _WEIGHTS]
    if not weights:
        raise BenchError(
            f"{model} has no weights in safetensors that could be sent; give a file that `bench train` wrote "
            "with --checkpoint"
        )
    read_checkpoint(weights[0])
    _remind_of_training_data(load_model(model, checkpoint).card.trained_on)
    beside = [path for path in found if path.suffix in _BESIDE]
    card = card_of_model(model, checkpoint, run)
    return {"README.md": card.encode("utf-8")} | {path.name: path for path in (*weights, *beside)}


def _remind_of_training_data(trained_on: str) -> None:
    """Log where the agreement on the training images has to be asked before weights are passed on."""
    name = trained_on.replace("/", " ").partition(" ")[0]
    origin = origin_of(name, name.casefold())
    if origin.restricted:
        log.warning("it was trained on %s: see whether your agreement allows passing on weights", name)


def run_files(run: RunResults, outputs: bool = False) -> Files:
    """Return what ``push_run`` sends: texts without paths and names of photos, and outputs if asked."""
    tables, clean, origin = main_tables(run), Scrubbed(run), origin_line(run)
    texts = {
        "README.md": _readme(run, outputs),
        "submission.json": submission_of(run).to_json(),
        "tables/main.csv": csv_tables(tables),
        "tables/main.tex": latex_tables(tables, origin),
    }
    files: dict[str, bytes | Path] = {name: clean(text).encode("utf-8") for name, text in texts.items()}
    return files | (dict(_outputs(run)) if outputs else {})


def _readme(run: RunResults, outputs: bool) -> str:
    """Return the card of a run: what was compared, and the main tables."""
    front = {
        "pretty_name": run.name,
        "tags": ["facial-expression-synthesis", "fesbench"],
        "viewer": False,
    }
    credit_lines = [credit for name in run.record.datasets if (credit := origin_of(name).credit)]
    made = "`outputs/` holds the images that the models made: people show expressions that they never made."
    images = [made, *map(escape, credit_lines)] if outputs else ["No image is here."]
    parts = [
        f"# {escape(run.name)}",
        f"Generators of facial expressions compared by fesbench; {escape(origin_line(run))}. "
        "`submission.json` holds every number with its interval and counts, for `bench leaderboard`.",
        " ".join(images),
        markdown_tables(main_tables(run)).strip(),
    ]
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n" + "\n\n".join(parts) + "\n"


def _outputs(run: RunResults) -> Iterator[tuple[str, bytes]]:
    """Yield the outputs of models, without those of controls, which are the data set's own images.

    Raises:
        BenchError: they show people of a data set that may not be passed on, or of which that is not known.
    """
    for name in run.record.datasets:
        if name not in run.spec.data or not origin_of(name).free:
            raise BenchError(
                f"outputs on {name} are not sent: only those on data sets that come with the suite and may "
                "be passed on (rendered, ood-real); leave --outputs out"
            )
    storage, controls = storage_at(run.location), run.record.controls
    for key in run.store.digested_files():
        place = output_place(key)
        if place and place[0] not in controls:
            yield key, storage.read(key)


def _causes(error: BaseException) -> str:
    """Return an error of the client with what it was caused by, in one line."""
    known = [error, *([error.__cause__] if error.__cause__ else [])]
    return "; ".join(" ".join(explain(part).split()).rstrip(".")[:400] for part in known)


def _push(repository: str, kind: Kind, files: Files, message: str, public: bool) -> str:
    """Make the repository where there is none, and commit files to it; return the address of the commit."""
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
    except ImportError as error:
        raise BenchError(
            f"the hub's client is not installed ({error}): pip install 'fesbench[hub]'"
        ) from error
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="fesbench", library_version=__version__)
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    try:
        api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        done = api.create_commit(repository, operations, commit_message=message, repo_type=kind)
    except Exception as error:  # of the client, of its HTTP library, or of the system
        raise BenchError(
            f"{counted(len(files), 'file')} could not be sent to {repository}: "
            f"{_causes(error)}. Is the name USER/NAME, and is the token "
            "(`hf auth login`, or HF_TOKEN) one that may write there?"
        ) from error
    return str(done.commit_url)
