import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROC = Path("/proc")
CORES = """
import os
from fesbench.datasets.workers import available_cores
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(available_cores())
"""
TRAINING = """
from fesbench.generators.training_data import load_images
from fesbench.datasets.rendered.dataset import RenderedDataset
load_images(RenderedDataset("train", subjects=5000), 64, 2)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="another kind of processor scheduling")
def test_only_cores_that_this_process_may_use_count():
    done = subprocess.run([sys.executable, "-c", CORES], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.skipif(not (PROC / "self/task").is_dir(), reason="needs /proc, as on Linux")
def test_workers_that_load_training_images_end_with_their_parent():
    parent = subprocess.Popen([sys.executable, "-c", TRAINING])
    try:
        workers = wait_for(lambda: busy_children(parent.pid))
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert wait_for(lambda: not any(is_alive(worker) for worker in workers))


def wait_for(condition):
    """What the condition answers, once it is true; minutes without it are a failure."""
    deadline = time.monotonic() + 1200
    while not (met := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return met


def busy_children(process: int) -> list[int]:
    """The workers, once each has computed for long enough to be past its start."""
    children = (PROC / f"{process}/task/{process}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in (PROC / child / "cmdline").read_bytes()]
    return workers if len(workers) == 2 and all(seconds_of(worker) > 1 for worker in workers) else []


def seconds_of(process: int) -> float:
    fields = (PROC / f"{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_alive(process: int) -> bool:
    try:
        return (PROC / f"{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
