"""Files that are saved in the place of weights are called what they are."""

import pytest

from fesbench.core.errors import CheckpointError
from fesbench.weights.mistaken import refuse_mistaken
from fesbench.weights.tensors import read_checkpoint

MISTAKEN = [
    (b"", "is empty"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
    (b"<!DOCTYPE html><html><title>Quota exceeded</title>", "web page"),
    (b"\xef\xbb\xbf\n  <HTML lang=en>", "web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "web page"),
]


@pytest.mark.parametrize("name", ["200000-G.ckpt", "stargan.safetensors", "G.pth.tar"])
@pytest.mark.parametrize(("content", "message"), MISTAKEN)
def test_what_is_no_checkpoint_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / name)


def test_other_content_is_left_to_its_reader(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\x00<html")
    refuse_mistaken(tmp_path / "weights.bin")
