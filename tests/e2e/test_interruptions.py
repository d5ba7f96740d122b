"""A run that is stopped in every way that happens, through the real command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not (PROC / "self/task").is_dir(), reason="needs /proc, as on Linux")
MINUTES = 1200
"""Seconds after which an event counts as never to come; no test is about how fast a run is."""


@pytest.fixture
def start(environment):
    """Start the command line in a process group of its own, as a terminal does."""
    started: list[subprocess.Popen[str]] = []

    def start_process(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "fesbench", *map(str, arguments)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.kill()
        process.communicate()


def _hear_interrupts() -> None:
    """Undo that interrupts are ignored, as they are below a shell's background job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for the end and return the messages."""
    _, messages = process.communicate(timeout=MINUTES)
    assert process.returncode == code, messages[-3000:]
    return messages


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the process with its workers."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=MINUTES)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until the condition is true; the process may end only when it is."""
    deadline = time.monotonic() + MINUTES
    while True:
        ended = process.poll() is not None
        if condition():
            return
        assert not ended, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def arguments(out: Path, *more: object, limit: int = 1, workers: int = 0) -> tuple[object, ...]:
    run = ("run", "--model", "copy", "--limit", limit, "--metric", "ecs", "--workers", workers)
    return (*run, "--out", out, *more)


def parts(out: Path) -> list[Path]:
    return list(out.glob("scores/*/*/part-*.parquet"))


def children(process: int) -> list[int]:
    return [int(word) for word in (PROC / f"{process}/task/{process}/children").read_text().split()]


def is_alive(process: int) -> bool:
    try:
        return (PROC / f"{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(processes: list[int]) -> None:
    """Wait until none of the processes runs."""
    deadline = time.monotonic() + MINUTES
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline, "they never ended"
        time.sleep(0.05)


@needs_proc
def test_workers_end_when_only_their_parent_is_killed(start, tmp_path):
    process = start(*arguments(tmp_path / "run", limit=4, workers=2))
    wait_for(lambda: parts(tmp_path / "run"), process)
    workers = children(process.pid)
    assert len(workers) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=MINUTES)
    wait_for_end(workers)


def test_ctrl_c_stops_cleanly_and_the_run_goes_on_from_there(start, tmp_path):
    # 8 subjects x 5 domains x 6 targets, 32 edits each, twice: not all done by the time of the signal
    shards, command = 16, arguments(tmp_path / "run", "--model", "truth", limit=8, workers=2)
    process = start(*command)
    wait_for(lambda: parts(tmp_path / "run"), process)
    os.killpg(process.pid, signal.SIGINT)
    messages = finish(process, 130)
    assert "stopped" in messages
    assert "Traceback" not in messages
    before = {part: part.stat().st_mtime_ns for part in parts(tmp_path / "run")}
    assert 0 < len(before) < shards
    finish(start(*command))
    assert len(parts(tmp_path / "run")) == shards
    assert {part: part.stat().st_mtime_ns for part in before} == before


def test_a_kill_while_a_metric_is_added(start, tmp_path):
    killed, whole, both = tmp_path / "killed", tmp_path / "whole", ("--metric", "fss")
    finish(start(*arguments(killed, limit=2)))
    (first, *_) = sorted(parts(killed))
    before = first.stat().st_mtime_ns
    process = start(*arguments(killed, *both, limit=2))
    wait_for(lambda: first.stat().st_mtime_ns != before, process)
    kill(process)
    finish(start(*arguments(killed, *both, limit=2)))
    finish(start(*arguments(whole, *both, limit=2)))
    assert_same_run(killed, whole)


def test_kills_at_any_moment_change_nothing(start, tmp_path):
    # `make faults` kills more often
    killed, whole, more = (
        tmp_path / "killed",
        tmp_path / "whole",
        ("--model", "masked-regression", "--metric", "fid"),
    )
    finish(start(*arguments(whole, *more, limit=3, workers=2)))
    for moment in np.linspace(1, count_files(whole), 4)[:-1]:
        process = start(*arguments(killed, *more, limit=3, workers=2))
        wait_for(lambda moment=moment: count_files(killed) >= moment, process)
        kill(process)
    finish(start(*arguments(killed, *more, limit=3, workers=2)))
    assert (killed / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()
    assert json.loads((killed / "summary.json").read_text()) == json.loads(
        (whole / "summary.json").read_text()
    )
    assert not list(killed.rglob(".tmp-*"))


def count_files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.mark.parametrize("appears", ["scores.parquet", "grids/grid.png"])
def test_a_kill_while_results_are_published(start, tmp_path, appears):
    out = tmp_path / "run"
    process = start(*arguments(out))
    wait_for(lambda: (out / appears).exists(), process)
    kill(process)
    finish(start(*arguments(out)))
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "complete"
    assert (out / "report/table.tex").is_file()
    assert not list(out.rglob(".tmp-*"))
    assert "nothing left to do" in finish(start(*arguments(out)))


def test_the_record_tells_how_far_a_running_job_is(start, tmp_path):
    out, seen = tmp_path / "run", []

    def running() -> bool:
        if (out / "run.json").exists():
            seen.append(json.loads((out / "run.json").read_text()).get("counts"))
        return any(seen)

    process = start(*arguments(out, limit=3))
    wait_for(running, process)
    finish(process)
    assert next(filter(None, seen)) == {"asked": 90, "done": 0, "failed": 0}
    assert json.loads((out / "run.json").read_text())["counts"] == {"asked": 90, "done": 90, "failed": 0}


def assert_same_run(one: Path, other: Path) -> None:
    key = ["generator", "edit", "metric"]
    frames = [
        pd.read_parquet(out / "scores.parquet").sort_values(key, ignore_index=True) for out in (one, other)
    ]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    assert not frames[0].duplicated(key).any()
    assert not list(one.rglob(".tmp-*"))
