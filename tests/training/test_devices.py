"""Devices: names, and two processes that train as one does."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fesbench.core.errors import SpecError
from fesbench.training.devices import start_fabric

SCRIPT = Path(__file__).with_name("two_processes.py")
FAILING = Path(__file__).with_name("failing_processes.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(*arguments, check=True):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=ENVIRONMENT,
        check=check,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_two_processes_make_the_updates_of_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder in (alone, together):
        folder.mkdir()
    runpy.run_path(str(SCRIPT))["main"](alone)
    run(*TORCHRUN, SCRIPT, together)
    one = torch.load(alone / "0.pt")
    first, second = (torch.load(together / f"{rank}.pt") for rank in (0, 1))
    assert first["losses"] == second["losses"]
    for expected, found in zip(one["losses"], first["losses"], strict=True):
        assert found == pytest.approx(expected, abs=2e-5)
    for name, weights in first["weights"].items():
        assert torch.equal(weights, second["weights"][name])


def test_of_two_processes_the_first_writes_and_both_end(faces, tmp_path):
    out = tmp_path / "out"
    arguments = ["--model", "stargan", "--data", faces, "--out", out, "--size", "32", "--save-every", "2"]
    found = run(*TORCHRUN, "-m", "fesbench", "train", *arguments, "--budget", "1s")
    assert found.stdout.split() == [str(out / "stargan.safetensors")]
    assert found.stderr.count("loading faces (train)") == 1
    steps = [json.loads(line)["step"] for line in (out / "losses.jsonl").read_text().splitlines()]
    assert steps == list(range(1, len(steps) + 1))
    record = json.loads((out / "stargan.json").read_text())["training"]
    assert record["device"]["count"] == 2
    assert record["steps"] == len(steps)


def test_processes_skip_together_a_model_that_fails_in_one_of_them(faces, tmp_path):
    out = tmp_path / "out"
    run(*TORCHRUN, FAILING, faces, out, "FailsToStart", "FailsToSave", "Sound")
    first, second = (json.loads((out / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    trained, failures = first
    assert trained == ["Sound"]
    assert failures["FailsToStart"] == "process 1: no memory left"
    assert failures["FailsToSave"].startswith("process 0: RuntimeError: no space left\nTraceback")


def test_an_error_within_a_step_ends_all_processes(faces, tmp_path):
    out = tmp_path / "out"
    done = run(*TORCHRUN, FAILING, faces, out, "FailsInAStep", "Sound", check=False)
    assert done.returncode != 0
    assert "'NoneType' object is not callable" in done.stderr
    assert not list(out.glob("*.json"))


@pytest.mark.parametrize("device", ["tpu", "cpu:1", "cuda:x", "quantum"])
def test_a_name_that_is_no_device_is_refused(device):
    with pytest.raises(SpecError, match="no device to train on"):
        start_fabric(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without cuda")
def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(SpecError, match="cuda cannot be used here"):
        start_fabric("cuda")
