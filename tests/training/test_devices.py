"""Devices: names, and two processes that train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fesbench.core.errors import SpecError
from fesbench.training.devices import start_fabric

SCRIPT = Path(__file__).with_name("two_processes.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=ENVIRONMENT, check=True, capture_output=True, text=True
    )


def test_two_processes_make_the_updates_of_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder, launcher in ((alone, ()), (together, TORCHRUN)):
        folder.mkdir()
        run(*launcher, SCRIPT, folder)
    one = torch.load(alone / "0.pt")
    first, second = (torch.load(together / f"{rank}.pt") for rank in (0, 1))
    assert first["losses"] == second["losses"]
    for expected, found in zip(one["losses"], first["losses"], strict=True):
        assert found == pytest.approx(expected, abs=2e-5)
    for name, weights in first["weights"].items():
        assert torch.equal(weights, second["weights"][name])


def test_of_two_processes_the_first_writes_and_both_end(tmp_path):
    data, out = tmp_path / "faces", tmp_path / "out"
    data.mkdir()
    rows = ["path,subject,expression,split"]
    for subject in range(8):
        for expression, shade in (("neutral", 60), ("happy", 200)):
            name = f"{subject}-{expression}.png"
            Image.fromarray(np.full((32, 32, 3), shade + subject, np.uint8)).save(data / name)
            rows.append(f"{name},s{subject},{expression},{'train' if subject else 'val'}")
    (data / "manifest.csv").write_text("\n".join(rows) + "\n")
    arguments = ["--model", "stargan", "--data", data, "--out", out, "--size", "32", "--save-every", "2"]
    found = run(*TORCHRUN, "-m", "fesbench", "train", *arguments, "--budget", "1s")
    assert found.stdout.split() == [str(out / "stargan.safetensors")]
    assert found.stderr.count("loading faces (train)") == 1
    steps = [json.loads(line)["step"] for line in (out / "losses.jsonl").read_text().splitlines()]
    assert steps == list(range(1, len(steps) + 1))
    record = json.loads((out / "stargan.json").read_text())["training"]
    assert record["device"]["count"] == 2
    assert record["steps"] == len(steps)


@pytest.mark.parametrize("device", ["tpu", "cpu:1", "cuda:x", "quantum"])
def test_a_name_that_is_no_device_is_refused(device):
    with pytest.raises(SpecError, match="no device to train on"):
        start_fabric(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without cuda")
def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(SpecError, match="cuda cannot be used here"):
        start_fabric("cuda")
