"""Tensors and their record are written together or not at all."""

import json

import pytest
import torch

from fesbench.core.errors import BenchError
from fesbench.core.files import file_digest
from fesbench.weights import tensors
from fesbench.weights.tensors import write_tensors

OLD, NEW = {"weight": torch.zeros(3)}, {"weight": torch.ones(3)}


def belong_together(path) -> bool:
    return json.loads(path.with_suffix(".json").read_text("utf-8"))["sha256"] == file_digest(path)


def test_the_record_holds_the_digest_of_the_tensors_and_what_it_was_given(tmp_path):
    path = tmp_path / "new" / "net.safetensors"
    write_tensors(path, NEW, {"name": "café"})
    assert belong_together(path)
    assert json.loads(path.with_suffix(".json").read_text("utf-8"))["name"] == "café"
    assert torch.equal(tensors.load_file(path)["weight"], NEW["weight"])


@pytest.mark.parametrize("step", ["save_file", "file_digest"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_call_leaves_the_earlier_pair(tmp_path, monkeypatch, step, error):
    path = tmp_path / "net.safetensors"
    write_tensors(path, OLD, {"step": 1})
    before = path.read_bytes()

    def interrupted(*arguments):
        original(*arguments)
        raise error

    original = getattr(tensors, step)
    monkeypatch.setattr(tensors, step, interrupted)
    with pytest.raises((KeyboardInterrupt, BenchError)):
        write_tensors(path, NEW, {"step": 2})
    assert path.read_bytes() == before
    assert belong_together(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.safetensors"]


def test_a_record_that_cannot_be_written_leaves_the_earlier_pair(tmp_path):
    path = tmp_path / "net.safetensors"
    write_tensors(path, OLD, {"step": 1})
    with pytest.raises(TypeError):
        write_tensors(path, NEW, {"step": object()})
    assert belong_together(path)
