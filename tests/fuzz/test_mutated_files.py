"""Files of strangers with flipped, cut, inserted and zeroed bytes are read, or refused in one line.

``make faults`` tries more of them: ``FAULT_INPUTS`` for each parser, chosen by ``FAULT_SEED``.
"""

import csv
import gzip
import json
import os
import shutil
import signal
import tarfile
import traceback
import warnings
import zlib
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fesbench.core.errors import BenchError
from fesbench.core.files import file_digest
from fesbench.core.yaml_files import read_yaml
from fesbench.datasets.action_units import COLUMNS, read_openface
from fesbench.datasets.folders.folder import folder_dataset
from fesbench.datasets.folders.labels import parse_labels
from fesbench.datasets.images import load_image
from fesbench.datasets.registry import registrations
from fesbench.generators.external import FolderOutputs
from fesbench.metrics.frechet import read_statistics, write_statistics
from fesbench.reports.study.collection.importers import READERS
from fesbench.reports.study.collection.prolific import linkage_csv
from fesbench.reports.study.collection.responses import read_responses
from fesbench.reports.study.collection.server.collection import Collection
from fesbench.reports.study.packet.details import Details, details_yaml, read_details
from fesbench.reports.study.schema import Form, Trial
from fesbench.reports.study.storage import read_forms, read_study
from fesbench.review import claims as claims_module
from fesbench.review.claims import read_claims
from fesbench.review.submission import read_submission, write_submission
from fesbench.runs.results import RunResults
from fesbench.runs.spec import read_config
from fesbench.runs.store.archive import unpack
from fesbench.runs.store.parts import ShardParts
from fesbench.runs.store.storage import storage_at
from fesbench.weights.tensors import read_checkpoint

INPUTS = int(os.environ.get("FAULT_INPUTS", "20"))
SEED = int(os.environ.get("FAULT_SEED", "0"))
HANG = 60
"""Seconds after which an input counts as one that hangs its reader."""
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)


def image(format_):
    def make(folder, _):
        Image.fromarray(PIXELS).save(folder / f"a.{format_}")
        return folder / f"a.{format_}"

    return make


def official(folder, _):
    torch.save({"main.0.weight": torch.ones(4, 3), "main.0.bias": torch.zeros(4)}, folder / "a.ckpt")
    return folder / "a.ckpt"


def legacy(folder, _):
    torch.save({"w": torch.ones(3)}, folder / "a.pth", _use_new_zipfile_serialization=False)
    return folder / "a.pth"


def suite(folder, _):
    save_file({"w": torch.ones(4)}, folder / "a.safetensors")
    card = {"name": "theirs", "title": "Theirs"}
    record = {"sha256": file_digest(folder / "a.safetensors"), "format": 1, "card": card, "training": {}}
    (folder / "a.json").write_text(json.dumps(record))
    return folder / "a.safetensors"


def card_beside(folder, run):
    return suite(folder, run).with_suffix(".json")


def text(name, content):
    def make(folder, _):
        (folder / name).write_text(content)
        return folder / name

    return make


def workbook(folder, _):
    return Path(shutil.copy(WORKBOOK, folder / "classes.xls"))


def faces(folder, _):
    for name in ("a", "b"):
        Image.fromarray(PIXELS).save(folder / f"{name}.png")
    rows = [["path", "subject", "expression", "split"], ["a.png", "1", "neutral", "test"]]
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([*rows, ["b.png", "1", "happy", "test"]])
    return folder / "manifest.csv"


def of_run(key):
    def make(folder, run):
        shutil.copytree(run, folder / "run", ignore=shutil.ignore_patterns("outputs", "*.txt"))
        return folder / "run" / key

    return make


def archive(folder, run):
    with tarfile.open(folder / "run.tar.gz", "w:gz") as tar:
        for name in ("run.json", "identities.json", "failures.jsonl"):
            tar.add(run / name, f"run/{name}")
    return folder / "run.tar.gz"


def plain_archive(folder, run):
    path, gzipped = folder / "run.tar", archive(folder, run)
    with tarfile.open(gzipped) as tar, tarfile.open(path, "w") as plain:
        for entry in tar:
            plain.addfile(entry, tar.extractfile(entry))
    return path


def statistics(folder, _):
    write_statistics(folder / "a.npz", np.random.default_rng(0).normal(size=(9, 4)))
    return folder / "a.npz"


def packet(folder, _):
    """A packet with one form of one trial, in the folder of its study."""
    trial = {
        "id": "t" + "0" * 12, "question": "realism", "prompt": "Which?", "target": "happy",
        "stimuli": ["0" * 32, "1" * 32], "choices": ["A", "B"], "labels": ["A", "B"],
    }  # fmt: skip
    study = {
        "schema_version": 1, "id": STUDY, "title": "t", "seed": 0, "design": "2afc", "questions": ["realism"],
        "options": {"items": 1, "participants": 1, "models": 2, "pixels": 64}, "forms": ["F0000"],
        "outputs": [], "draft": False, "minutes": 1,
    }  # fmt: skip
    form = {"study": STUDY, "id": "F0000", "blocks": ["realism"], "trials": [trial]}
    files = {"public/study.json": study, "public/forms/F0000.json": form}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    digests = {name: file_digest(folder / name) for name in files}
    (folder / "manifest.json").write_text(json.dumps({"sha256": digests}))
    return folder / "public/study.json"


def packet_manifest(folder, run):
    return packet(folder, run).parents[1] / "manifest.json"


def served(folder, _):
    form = Form(study=STUDY, id="F0000", blocks=("realism",), trials=(TRIAL,))
    collection = Collection(folder / "answers.sqlite", STUDY, [form])
    collection.start("ann", "a" * 32)
    collection.answer("a" * 32, TRIAL.id, "A", 900)
    collection.close()
    return folder / "answers.sqlite"


def registered(folder, _):
    spec = {"path": str(folder), "layout": None, "domain": "studio", "pattern": None, "seed": 0, "labels": {}}
    (folder / "datasets.json").write_text(json.dumps({"version": 2, "datasets": {"mine": spec}}))
    return folder / "datasets.json"


def read_packet(path):
    folder = next(parent for parent in path.parents if (parent / "public").is_dir())
    read_forms(folder, read_study(folder))


def imported(folder, run):
    """The answers of an earlier import, in the folder of a packet."""
    packet(folder, run)
    return text("responses.csv", IMPORTED)(folder, run)


def read_imported(path):
    study = read_study(path.parent)
    read_responses(path, study, read_forms(path.parent, study))


def read_registered(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_HOME", str(path.parent))
        registrations()


def read_archive(path):
    if path.suffix == ".tar":  # compressed after it was mutated
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path = path.with_suffix(".gz")
    unpack(path, path.parent / "new")


def read_parts(path):
    stored = ShardParts(storage_at(path.parents[3]))
    stored.scored_metrics("copy", "rendered", 0)
    stored.read_rows("copy", "rendered", 0)
    stored.read_features("copy", "rendered", 0)


def read_run(path):
    run = RunResults.open_unchecked(path.parent)
    run.store.read_scores()
    run.store.read_failures()
    run.store.identities.to_json()


STUDY = "s" + "0" * 12
TRIAL = Trial(
    id="t" + "0" * 12, question="realism", prompt="Which?", target="happy", stimuli=("0" * 32, "1" * 32),
    choices=("A", "B"), labels=("A", "B"),
)  # fmt: skip
ANSWERS = (
    "participant,form_id,trial_id,answer,rt,screen,timestamp\np,F0000,t000000000000,A,900,9x9,2025-01-01\n"
)
QUALTRICS = 'ResponseId,Status,t000000000000\n"Response ID","Type","Q"\n"{}","{}","{}"\nR_1,IP Address,A\n'
TURK = "WorkerId,HITId,AssignmentStatus,Answer.t000000000000\nW,H,Approved,A\n"
SHEET = "Timestamp,Participant,[t000000000000] Which?\n2025-01-01,p,A\n"
IMPORTED = (
    "study_id,participant,form_id,trial_id,answer,rt_ms,timestamp,screen,platform\n"
    f"{STUDY},p,F0000,t000000000000,A,900,2025-01-01T00:00:00+00:00,9x9,web\n"
)
PROLIFIC = "Submission id,Participant id,Status,Time taken\ns1,p1,APPROVED,61\n"
WORKBOOK = Path(__file__).parents[1] / "data" / "tables" / "classes.xls"
UNITS = ",".join(["image", "success", *COLUMNS])
CONFIG = "model: [copy, truth]\ndata: rendered\nlimit: 2\nlabels: {m: [happy, sad]}\nseed: 3\n"
CLAIMS = Path(claims_module.__file__).with_name("claims.yaml").read_text()


def submission(folder, run):
    write_submission(RunResults.open(run), folder / "a.json", ["copy"])
    return folder / "a.json"


PARSERS = {
    "checkpoint, torch.save": (official, read_checkpoint),
    "checkpoint, torch.save before 1.6": (legacy, read_checkpoint),
    "checkpoint, safetensors": (suite, read_checkpoint),
    "card of a checkpoint": (card_beside, lambda path: read_checkpoint(path.with_suffix(".safetensors"))),
    **{f"image, {name}": (image(name), load_image) for name in ("png", "jpg", "bmp", "webp", "tiff")},
    "manifest of a data set": (faces, lambda path: folder_dataset(path.parent).samples()),
    "data sets of the user": (registered, read_registered),
    "action units": (text("a.csv", UNITS + "\na.jpg,1" + ",1.5" * len(COLUMNS) + "\n"), read_openface),
    "manifest of outputs": (
        text("manifest.csv", "edit,path\na--happy,a.png\n"),
        lambda path: FolderOutputs(path.parent),
    ),
    "card of outputs": (
        text("card.json", '{"name": "m", "guided_by": ["a"]}'),
        lambda path: FolderOutputs(path.parent),
    ),
    "configuration of a run": (text("a.yaml", CONFIG), read_config),
    "YAML": (text("a.yaml", CLAIMS), read_yaml),
    "claims": (text("a.yaml", CLAIMS), read_claims),
    **{
        f"{key} of a run": (of_run(key), read_run)
        for key in ("run.json", "summary.json", "failures.jsonl", "scores.parquet", "identities.json")
    },
    "submission": (submission, read_submission),
    "rows of a shard": (of_run("scores/rendered/copy/part-00000.parquet"), read_parts),
    "features of a shard": (of_run("scores/rendered/copy/part-00000.npz"), read_parts),
    "statistics": (statistics, read_statistics),
    "archive of a run": (archive, read_archive),
    "archive of a run, unpacked": (plain_archive, read_archive),
    "study": (packet, read_packet),
    "manifest of a packet": (packet_manifest, read_packet),
    "answers, server": (served, READERS["server"]),
    "answers, web": (text("a.csv", ANSWERS), READERS["web"]),
    "answers, web, JSON": (
        text("a.json", '[{"participant": "p", "trial_id": "t000000000000", "response": "A", "rt": 3}]'),
        READERS["web"],
    ),
    "answers, paper": (
        text("a.csv", "form_id,trial_id,choices,answer\nF0000,t000000000000,A|B,A\n"),
        READERS["paper"],
    ),
    "answers, mturk": (text("a.csv", TURK), READERS["mturk"]),
    "answers, qualtrics": (text("a.csv", QUALTRICS), READERS["qualtrics"]),
    "answers, gforms": (text("a.csv", SHEET), READERS["gforms"]),
    "answers imported before": (imported, read_imported),
    "submissions, Prolific": (text("a.csv", PROLIFIC), lambda path: linkage_csv(path, "0" * 64, ())),
    "details of a study": (text("a.yaml", details_yaml(Details())), read_details),
    "labels, CSV": (
        text("a.csv", "code,expression\n01,neutral\n02,happy\n"),
        lambda path: parse_labels((), path),
    ),
    "labels, .xls": (workbook, lambda path: parse_labels((), path)),
    "answers, potato": (
        text("a.jsonl", '{"id": "t000000000000", "label_annotations": {"q": {"A": "1"}}}\n'),
        READERS["potato"],
    ),
}


def test_the_parsers_of_every_platform_are_tried():
    assert {name.split(", ")[1] for name in PARSERS if name.startswith("answers, ")} == set(READERS)


def mutated(content, random):
    """Return the content with up to four faults: a flipped, cut, inserted or zeroed piece, mostly small."""
    content = bytearray(content)
    for _ in range(random.integers(1, 5)):
        place = int(random.integers(0, len(content) + 1))
        length = int(2 ** random.uniform(0, min(8, np.log2(len(content) + 1))))
        match random.integers(0, 6):
            case 0:
                content[place : place + 1] = bytes(
                    byte ^ 1 << int(random.integers(8)) for byte in content[place : place + 1]
                )
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = random.bytes(length)
            case 3:
                content[place : place + length] = bytes(len(content[place : place + length]))
            case 4:
                content[place:place] = content[place : place + length] * int(random.integers(1, 40))
            case 5:
                content[place : place + 1] = bytes(
                    [random.choice(list(b"\0\xff-.0123456789[]{}\"\\\n,:e'&*!"))]
                )
    return bytes(content)


@contextmanager
def limited():
    """End the block after ``HANG`` seconds."""

    def hang(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(read, path):
    """Return "read", "refused", or what else a reader does."""
    try:
        with limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except BenchError as error:
        return (
            "refused" if str(error).strip() and "Traceback" not in str(error) else "refused without a reason"
        )
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return "read"


@pytest.mark.parametrize("name", PARSERS)
def test_a_mutated_file_is_read_or_refused(name, finished_run, tmp_path, record_property):
    make, read = PARSERS[name]
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    path = make(fresh, finished_run).relative_to(fresh)
    content = (fresh / path).read_bytes()
    assert outcome(read, fresh / path) == "read"
    found = Counter()
    for number in range(INPUTS):
        place = tmp_path / "inside" / "copy"
        shutil.copytree(fresh, place, ignore=shutil.ignore_patterns("new"))
        faulty = mutated(content, np.random.default_rng([SEED, zlib.crc32(name.encode()), number]))
        (place / path).write_bytes(faulty)
        result = outcome(read, place / path)
        found[result if result in ("read", "refused") else f"input {number}: {result}"] += 1
        assert set(tmp_path.iterdir()) == {fresh, place.parent}, f"input {number} writes outside its folder"
        assert set(place.parent.iterdir()) == {place}, f"input {number} writes outside its folder"
        shutil.rmtree(place)
    print(f"{name} | {INPUTS} | {found.pop('read', 0)} | {found.pop('refused', 0)} | {found.total()}")
    assert not found, "\n".join(list(found)[:20])
