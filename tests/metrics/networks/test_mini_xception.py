from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from fesbench.core.errors import BenchError, CheckpointError, WeightsMissing
from fesbench.metrics.networks.mini_xception import MiniXception

FIRST = "model_weights/conv2d_1/conv2d_1_1/kernel:0"

# Keras 3.15.1 (torch backend), load_model(emotion_model.hdf5, compile=False), on the patterns below.
KERAS = [
    [1.7948627e-01, 1.2024964e-05, 6.8005785e-02, 6.8221547e-02, 2.3842582e-02, 1.3659200e-01, 5.2383977e-01],
    [3.0771700e-01, 1.9862016e-05, 2.0009635e-01, 3.8095981e-02, 3.1438321e-02, 8.0172703e-02, 3.4245977e-01],
    [1.5494315e-01, 6.2445920e-09, 1.2419703e-01, 1.6885900e-01, 5.4167217e-01, 4.8109092e-04, 9.8475507e-03],
]


@pytest.fixture(scope="module")
def network(portable: Path) -> MiniXception:
    return MiniXception(portable / "emotion_model.hdf5")


def test_probabilities_are_those_of_keras(network: MiniXception) -> None:
    y, x = np.mgrid[:64, :64]
    patterns = np.stack([x * 4, y * 4, (x // 8 + y // 8) % 2 * 255]).astype(np.float32)
    found = network.probabilities(torch.from_numpy(patterns)[:, None])
    np.testing.assert_allclose(found.numpy(), KERAS, atol=5e-6)


@pytest.mark.parametrize("size", [128, 256])
def test_recall_on_real_photos(
    network: MiniXception, london: Callable[[str, int], Tensor], size: int
) -> None:
    """Of these twelve people; of all 102 in the set 0.971 neutral, 0.539 happy."""
    recall = {}
    for label in ("neutral", "happy"):
        predicted = network.features(london(label, size)).argmax(1)
        recall[label] = (predicted == network.card.labels.index(label)).float().mean().item()
    assert recall == pytest.approx({"neutral": 1, "happy": 7 / 12})


def test_an_image_is_judged_by_itself_and_left_unchanged(network: MiniXception) -> None:
    images = torch.randint(0, 256, (5, 3, 128, 128), dtype=torch.uint8)
    before = images.clone()
    together = network.features(images)
    alone = torch.cat([network.features(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.sum(1), torch.ones(5))
    assert torch.equal(images, before)
    assert not together.requires_grad


def test_the_digest_is_that_of_the_published_file(network: MiniXception) -> None:
    assert network.card.digest == "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e"


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="emotion"):
        MiniXception(tmp_path / "emotion_model.hdf5")


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + bytes(2000)])
def test_what_is_not_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.hdf5"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.hdf5"):
        MiniXception(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(portable: Path, tmp_path: Path, part: float) -> None:
    data = (portable / "emotion_model.hdf5").read_bytes()
    path = tmp_path / "cut.hdf5"
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(CheckpointError, match=r"cut\.hdf5"):
        MiniXception(path)


def test_an_oversized_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.hdf5"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(CheckpointError, match="larger"):
        MiniXception(path)


def _foreign(file: h5py.File) -> None:
    file["model_weights/dense_1/dense_1_1/kernel:0"] = np.zeros((3, 3), np.float32)


def _other_shape(file: h5py.File) -> None:
    file[FIRST] = np.zeros((3, 3, 3, 8), np.float32)


def _compressed(file: h5py.File) -> None:
    file.create_dataset(FIRST, data=np.zeros((3, 3, 1, 8), np.float32), compression="gzip")


def _elsewhere(file: h5py.File) -> None:
    file.create_dataset(FIRST, (3, 3, 1, 8), np.float32, external="/etc/hostname")


def _linked(file: h5py.File) -> None:
    file[FIRST] = h5py.ExternalLink("/etc/hostname", "/")


def _dataset_for_group(file: h5py.File) -> None:
    file["model_weights"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    "fill", [_foreign, _other_shape, _compressed, _elsewhere, _linked, _dataset_for_group]
)
def test_another_hdf5_file_is_refused(tmp_path: Path, fill: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "other.hdf5"
    with h5py.File(path, "w") as file:
        fill(file)
    with pytest.raises(CheckpointError, match=r"conv2d_1/conv2d_1_1/kernel:0"):
        MiniXception(path)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.hdf5"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BenchError, match=r"fesbench\[portable\]"):
        MiniXception(path)
