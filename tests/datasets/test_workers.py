import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from fesbench.datasets import workers
from fesbench.datasets.workers import beside

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


def cgroup(monkeypatch, root, membership, files):
    (root / "membership").write_text(membership)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    monkeypatch.setattr(workers, "CGROUPS", root)
    monkeypatch.setattr(workers, "MEMBERSHIP", root / "membership")
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda process: set(range(64)), raising=False)


V1 = "4:cpu:/docker/abc\n2:memory:/docker/abc\n"


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/pod/job\n", {"pod/job/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, 3),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "-1", "cpu/docker/abc/cpu.cfs_period_us": "100000"}, 64),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "400000", "cpu/docker/abc/cpu.cfs_period_us": "100000"}, 4),
        (V1, {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        (V1, {"memory/cpu.max": "100000 100000"}, 64),
    ],
)
def test_the_quota_of_a_container_counts(monkeypatch, tmp_path, membership, files, cores):
    cgroup(monkeypatch, tmp_path, membership, files)
    assert workers.available_cores() == cores


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


IN_PARENT = "__import__('multiprocessing').parent_process() is None"
OWN_ID = "__import__('os').getpid()"


def test_a_call_is_made_beside_in_another_process():
    with beside(os.getpid) as result:
        assert result() != os.getpid()


@pytest.mark.parametrize(
    ("call", "parallel"),
    [
        (os.getpid, False),
        (lambda: os.getpid(), True),  # cannot be sent
        (partial(eval, f"{OWN_ID} if {IN_PARENT} else __import__('os')._exit(0)"), True),
        (partial(eval, f"{OWN_ID} if {IN_PARENT} else 1 / 0"), True),
    ],
)
def test_a_call_is_made_here_where_no_other_process_can(call, parallel):
    with beside(call, parallel) as result:
        assert result() == os.getpid()


def test_an_error_of_a_call_is_seen():
    with beside(partial(int, "as asked")) as result, pytest.raises(ValueError, match="as asked"):
        result()


DYING = """
from functools import partial
import os
from fesbench.datasets.workers import beside
{guard}
with beside(partial(len, bytes(10**7))) as result:
    print(result())
"""


@pytest.mark.parametrize("guard", ["", "if os.getppid() != {parent}: os._exit(9)"])
def test_a_process_that_ends_before_it_has_read_its_call_is_not_waited_for(tmp_path, guard):
    script = tmp_path / "script.py"
    script.write_text(DYING.format(guard=guard.format(parent=os.getpid())))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stdout.split()[-1] == "10000000"


def test_a_process_that_cannot_be_started_is_not_needed(monkeypatch):
    def refuse(*arguments):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", refuse)
    with beside(os.getpid) as result:
        assert result() == os.getpid()


def test_the_other_process_ends_with_the_block():
    with beside(partial(time.sleep, 600)):
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()
