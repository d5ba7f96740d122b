"""What is left where a run, a training, a study import or a report gets SIGKILL at a random moment.

Usage: ``python benchmarks/kills.py [--kills 20] [--seed 0] [--works run report]``, or ``make faults``.

Each work is done once undisturbed. Then it is started, killed at a moment drawn evenly over its duration, and
started again, until it was killed so often. Whenever a start comes to its end, its files are compared with
the undisturbed ones, byte by byte, and the work begins anew. Prints a Markdown table.
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
from pathlib import Path
from typing import NamedTuple

RUN = ("run", "--model", "copy", "--model", "masked-regression", "--limit", "1", "--metric", "ecs")
TRAIN = ("train", "--model", "stargan", "--steps", "12", "--save-every", "3", "--threads", "1")
CHOICES = ("--model", "copy", "--model", "masked-regression")
STUDY = (
    *CHOICES,
    "--items",
    "2",
    "--participants",
    "2",
    "--design",
    "2afc",
    "--output",
    "lab",
    "--private",
    "key",
)
IMPORT = ("study", "import", "--packet", "packets/packet", "--private", "key", "--platform", "web")


class Work(NamedTuple):
    """A command, the file with which it takes ``--resume``, and the files to compare, as glob patterns."""

    command: tuple[str, ...]
    state: str
    files: tuple[str, ...]


WORKS = {
    "run": Work(
        (*RUN, "--out", "run"), "", ("run/scores.parquet", "run/summary.json", "run/outputs/**/*.png")
    ),
    "training": Work(
        (*TRAIN, "--out", "trained"),
        "trained/state.pt",
        ("trained/**/*.safetensors", "trained/**/samples/*.png"),
    ),
    "study import": Work((*IMPORT, "answers.csv"), "", ("key/responses.csv",)),
    "report": Work(("report", "done"), "", ("done/report/**/*",)),
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
        return start(self.folder, *work.command, *more)

    def files(self, work):
        found = {path for pattern in work.files for path in self.folder.glob(pattern) if path.is_file()}
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


def start(folder, *arguments):
    """Start a command for a user of its own; what it says goes to ``messages`` in the folder."""
    environment = os.environ | {"FESBENCH_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    with (folder / "messages").open("w") as messages:
        command = [sys.executable, "-m", "fesbench", *arguments]
        return subprocess.Popen(command, cwd=folder, stdout=messages, stderr=messages, env=environment)


def finished(folder, *arguments):
    """Run a command that must succeed."""
    if start(folder, *arguments).wait():
        sys.exit(f"{' '.join(arguments)}: {(folder / 'messages').read_text()}")


def prepare(folder):
    """Make what the works need: a finished run, and a packet with answers."""
    folder.mkdir()
    finished(folder, *RUN, "--out", "done")
    finished(folder, "study", "make", "done", *STUDY, "--out", "packets/packet")
    paths = sorted(folder.glob("packets/packet/public/forms/*.json"))
    rows = [
        f"{form['id']},{form['id']},{trial['id']},{trial['choices'][0]},900\n"
        for form in (json.loads(path.read_text()) for path in paths)
        for trial in form["trials"]
    ]
    (folder / "answers.csv").write_text("participant,form_id,trial_id,answer,rt\n" + "".join(rows))


def disturbed(work, place, whole, duration, kills, random_):
    """Kill a work so often; returns how often it came to its end, and what was wrong then."""
    ends, wrong, killed, begun = 0, [], 0, False
    place.clear()
    while killed < kills or begun:
        process, begun = place.start(work), True
        if killed < kills:
            time.sleep(random_.uniform(0, duration))
            if process.poll() is None:
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
        print("| work | seconds undisturbed | kills | ends | files compared | differing or left |")
        print("|---|---|---|---|---|---|")
        for name in options.works:
            work = WORKS[name]
            place = Workplace(Path(folder) / "place", Path(folder) / "given")
            began = time.monotonic()
            if place.start(work).wait():
                sys.exit(f"{name}: {(place.folder / 'messages').read_text()}")
            duration, whole = time.monotonic() - began, place.files(work)
            ends, wrong = disturbed(work, place, whole, duration, options.kills, random_)
            failed |= bool(wrong) or not whole
            counts = f"{duration:.0f} | {options.kills} | {ends} | {len(whole)}"
            print(f"| {name} | {counts} | {', '.join(dict.fromkeys(wrong)) or 'none'} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
