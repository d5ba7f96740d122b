"""Models of other people's code: whatever they do, only their own edits fail."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fesbench.runs.store.store import RunStore

PEOPLE = 9

ODD = """
import os, sys, time
import torch
from fesbench import GeneratorCard, Synthesizer
from fesbench.core.contracts import Failure

class Odd(Synthesizer):
    card = GeneratorCard("odd", "Odd", weights="none")

    def answer(self, edits):
        print("this is no JSON")
        answers = [self.one(edit, int(edit.source.subject)) for edit in edits]
        os.chdir("/")
        torch.set_default_dtype(torch.float64)
        edits.clear()
        return answers

    def one(self, edit, number):
        image = edit.source.load()
        image[:] = 255 - image
        if number == 1:
            os._exit(0)
        if number == 2:
            time.sleep(1000)
        if number == 3:
            return Failure(42)
        if number == 0:
            return Failure("no true target, says the model")
        if number == 4:
            raise GeneratorExit
        if number == 5:
            raise ValueError("\\ud800\\x1b[31m")
        if number == 6:
            sys.exit(0)
        if number == 7:
            raise StopIteration
        return image
"""

REASONS = {
    0: "the model says: no true target, says the model",
    1: "its process ended with exit code 0",
    2: "no answer within 5 s (see --timeout)",
    3: "42",
    4: "GeneratorExit without a message",
    5: "ValueError: \ufffd\ufffd[31m",
    6: "SystemExit: 0",
    7: "StopIteration without a message",
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=range(PEOPLE), happy=range(PEOPLE))


def test_whatever_a_model_does_only_its_own_edits_fail(call_bench, faces, tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    common = ("--model", "copy", "--data", faces, "--metric", "fidelity", "--resolution", 32)
    call_bench("run", *common, "--out", tmp_path / "alone")
    odd = ("--model", f"{tmp_path / 'odd.py'}:Odd", "--timeout", 5, "--json", "--out", tmp_path / "both")
    done = call_bench("run", *common, *odd, code=1)
    assert json.loads(done.stdout)["cells"]
    store = RunStore(tmp_path / "both")
    reasons = {int(row["edit"].split("-")[1]): row["reason"] for row in store.read_failures()}
    assert reasons == {number: f"no output: {reason}" for number, reason in REASONS.items()}
    source = np.asarray(Image.open(faces / "neutral" / "8.png"))
    assert (store.read_output("odd", "faces", "neutral-8--happy") == 255 - source).all()
    part = "scores/faces/copy/part-00000.parquet"
    assert (tmp_path / "both" / part).read_bytes() == (tmp_path / "alone" / part).read_bytes()
    assert torch.get_default_dtype() == torch.float32


def test_a_checked_model_that_ends_its_process_has_not_passed(call_bench, tmp_path):
    file = tmp_path / "ends.py"
    file.write_text(
        "import os\nfrom fesbench import Generator, GeneratorCard\n\n\nclass Ends(Generator):\n"
        "    card = GeneratorCard('ends', 'Ends', weights='none')\n\n"
        "    def synthesize(self, images, source, target):\n        os._exit(0)\n"
    )
    (finding,) = json.loads(call_bench("check-model", f"{file}:Ends", "--json", code=1).stdout)
    assert finding["problem"] == "its process ended with exit code 0"


HOLDS_A_PROCESS = """
from fesbench.core.host_process import HostProcess
process = HostProcess("fesbench.runs.isolation.host")
print(process._process.pid, flush=True)
input()
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_process_ends_when_its_parent_is_killed():
    command = [sys.executable, "-c", HOLDS_A_PROCESS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        number = int(parent.stdout.readline())
        assert Path(f"/proc/{number}").exists()
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while _runs(number) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(number)


def _runs(number: int) -> bool:
    """Return whether a process exists that nobody only forgot to wait for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
