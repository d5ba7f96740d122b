"""Time, memory and files of runs of 1,000 to 100,000 outputs, of reading them again, and of reports on them.

Usage: ``python benchmarks/scale.py [--outputs 1000 10000] [--executor local] [--workers 1] [--keep FOLDER]``.
A tiny data set of random 32 px pictures is written, every person with one neutral picture, and the control
``copy`` answers all edits of it, scored by the embedded expression classifier. Each command is a process of
its own. Prints a Markdown table: seconds of wall clock and of processor, the peak memory of the command's own
process and of the largest of its workers.

With ``--made-up``, outputs and scores of all shards but the first and the last are those of the first under
other names, so that a large run is there in minutes; all but its networks is real, and it is not verified.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import numpy as np
from PIL import Image

EXPRESSIONS = ("angry", "disgusted", "fearful", "happy", "sad", "surprised")
SIZE = 32
INTERVAL = 1.0
"""Seconds between looks at the processes."""


class Cost(NamedTuple):
    """What a command took: seconds, and megabytes of its process and of the largest of its workers."""

    wall: float
    processor: float
    driver: float
    worker: float


def main() -> None:
    """Measure each number of outputs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--outputs", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--executor", choices=("local", "ray"), default="local")
    parser.add_argument("--workers", type=int, default=0, help="As for bench run.")
    parser.add_argument("--only", choices=("run", "all"), default="all", help="run: no report and no verify.")
    parser.add_argument("--made-up", action="store_true", help="Compute the first and the last shard only.")
    parser.add_argument("--form", choices=("files", "shards"), help="As --outputs of bench run.")
    parser.add_argument("--keep", type=Path, help="Keep data and runs in this folder, and go on with them.")
    parser.add_argument("--make", nargs=3, metavar=("DATA", "RUN", "FORM"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make_up(*given.make)
        return
    print("| outputs | command | wall s | processor s | driver MB | worker MB | files | run MB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for count in given.outputs:
            measure(count, given.keep or Path(scratch), given)


def measure(count: int, folder: Path, given: argparse.Namespace) -> None:
    """Print the rows of one number of outputs."""
    data = folder / f"data-{count}"
    run = folder / f"run-{count}-{given.executor}-{given.workers}-{given.form or 'auto'}"
    if not data.exists():
        write_data(data, count)
    how = ("--executor", given.executor, "--workers", given.workers)
    shown = ("--data", data, "--metric", "ecs", "--backend", "embedded", "--resolution", SIZE)
    work = ("run", "--model", "copy", *shown, "--out", run)
    form = ("--outputs", given.form) if given.form else ()
    commands = {"run": (*work, *how, *form), "run again": (*work, *how)}
    if given.only == "all":
        commands |= {"report": ("report", run)}
        commands |= {} if given.made_up else {"verify": ("verify", run)}
    environment = {**os.environ, "FESBENCH_HOME": str(folder / "home"), "FESBENCH_CACHE_GB": "0"}
    for name, command in commands.items():
        program = ["-m", "fesbench", *map(str, command)]
        if name == "run" and given.made_up:
            name, program = "run, made up", [__file__, "--make", *map(str, (data, run, given.form or "auto"))]
        cost = timed([sys.executable, *program], environment)
        files, size = extent(run)
        numbers = " | ".join(f"{number:,.1f}" for number in cost)
        print(f"| {count:,} | {name} | {numbers} | {files:,} | {size:,.1f} |", flush=True)


def make_up(data: str, run: str, form: str) -> None:
    """Make the run of ``measure`` with a ``MadeUp`` executor."""
    from fesbench.api import complete_run, plan_run
    from fesbench.runs.progress import SILENT

    fields = {"models": ("copy",), "data": (data,), "metrics": ("ecs",), "resolution": SIZE}
    plan, store = plan_run(fields | {"backend": "embedded"}, Path(run), "this benchmark", print)
    output_form = None if form == "auto" else form
    complete_run(plan, store, "cpu", 0, SILENT, executor=MadeUp(), output_form=output_form)


class MadeUp:
    """An executor that gives the result of the first shard for all others of as many edits."""

    def execute(self, tasks, worker):
        """Return the result of each task."""
        first = None
        for task in tasks:
            edits = worker.cells[task.generator, task.dataset].dataset.shards[task.shard]
            if first is None or len(edits) != first.edits:
                (done,) = worker.execute([task])
                first = first or done
                yield done
            else:
                yield replace(first, task=task, rows=renamed(first.rows, edits))


def renamed(rows, edits):
    """Return rows of scores, a row of each edit for each metric, as those of other edits."""
    samples = [edit.source for edit in edits]
    columns = {
        "edit": [edit.id for edit in edits],
        "subject": [sample.subject for sample in samples],
        "target": [edit.target for edit in edits],
    }
    return rows.assign(**{name: values * (len(rows) // len(edits)) for name, values in columns.items()})


def write_data(folder: Path, outputs: int) -> None:
    """Write one neutral picture for each six outputs, and one picture of every other expression."""
    people = -(-outputs // len(EXPRESSIONS))
    random = np.random.default_rng(0)
    for expression in ("neutral", *EXPRESSIONS):
        (folder / expression).mkdir(parents=True)
        for person in range(people if expression == "neutral" else 1):
            pixels = random.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / expression / f"{person:06d}.png", compress_level=1)


def timed(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command to its end; it must succeed."""
    start, ended, peaks = time.perf_counter(), Event(), dict[int, float]()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        watch = Thread(target=look, args=(process.pid, peaks, ended))
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall, process.returncode = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
        ended.set()
        watch.join()
        if status:
            errors.seek(0)
            sys.exit(errors.read().decode()[-2000:])
    workers = [peak for number, peak in peaks.items() if number != process.pid]
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, max(workers, default=0))


def look(root: int, peaks: dict[int, float], ended: Event) -> None:
    """Note the peak megabytes of a process and of all below it, by process, until the event is set."""
    while not ended.wait(INTERVAL):
        for number in below(root):
            try:
                status = Path(f"/proc/{number}/status").read_text()
            except OSError:
                continue
            if "VmHWM" in status:
                peaks[number] = int(status.partition("VmHWM:")[2].split()[0]) / 1024


def below(root: int) -> set[int]:
    """Return a process and all that it started, themselves or by others."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, waiting = set(), {root}
    while waiting:
        found |= waiting
        waiting = {number for number, parent in parents.items() if parent in waiting} - found
    return found


def extent(folder: Path) -> tuple[int, float]:
    """Return how many files a folder holds, and their megabytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes) / 2**20


if __name__ == "__main__":
    main()
