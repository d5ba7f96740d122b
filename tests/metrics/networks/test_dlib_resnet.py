from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fesbench.core.errors import CheckpointError, WeightsMissing
from fesbench.metrics.networks.dlib_resnet import VERIFICATION, DlibResNet

FILE = "dlib_face_recognition_resnet_model_v1.dat"


@pytest.fixture(scope="module")
def network(portable: Path) -> DlibResNet:
    return DlibResNet(portable / FILE)


def test_descriptors_are_those_of_dlib(network: DlibResNet, portable: Path, photos_folder: Path) -> None:
    dlib = pytest.importorskip("dlib", reason="needs dlib-bin (extra 'prepare')")
    theirs = dlib.face_recognition_model_v1(str(portable / FILE))
    faces = sorted((photos_folder / "happy").glob("*.jpg"))[:4]
    chips = [np.asarray(Image.open(face).convert("RGB").resize((150, 150))) for face in faces]
    chips.append(np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8))
    wanted = np.array([theirs.compute_face_descriptor(chip) for chip in chips])
    found = network.describe(torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2))
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)


def test_real_people_are_told_apart(network: DlibResNet, london: Callable[[str, int], Tensor]) -> None:
    """Of all 102 people: equal error rate 0.00%, all genuine and 0.8% of impostor pairs below 0.6."""
    distances = torch.cdist(network.features(london("neutral", 128)), network.features(london("happy", 128)))
    genuine, impostor = distances.diag(), distances[~torch.eye(len(distances), dtype=torch.bool)]
    assert (genuine < VERIFICATION.threshold).all()
    assert (impostor < VERIFICATION.threshold).sum() <= 2
    assert impostor.min() > genuine.max() + 0.2


def test_an_image_is_described_by_itself(network: DlibResNet) -> None:
    images = torch.randint(0, 256, (3, 3, 128, 128), dtype=torch.uint8)
    together = network.features(images)
    alone = torch.cat([network.features(image[None]) for image in images])
    assert together.shape == (3, network.card.dimension)
    assert together.dtype == torch.float32
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=FILE):
        DlibResNet(tmp_path / FILE)


@pytest.mark.parametrize("length", [1, 17, 300, 400, 19_500, 10_000_000, 22_466_065])
def test_a_truncated_file_is_refused(portable: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.dat"
    path.write_bytes((portable / FILE).read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"cut\.dat is not dlib.*the end of the file"):
        DlibResNet(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.dat").touch()
    with pytest.raises(CheckpointError, match=r"cut\.dat is empty"):
        DlibResNet(tmp_path / "cut.dat")


def test_more_than_the_network_is_refused(portable: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.dat"
    path.write_bytes((portable / FILE).read_bytes() + b"more")
    with pytest.raises(CheckpointError, match="4 more bytes"):
        DlibResNet(path)


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, 0xFF), (4, ord("m")), (30, 9), (290, 0x7F), (336, ord("k")), (342, 0x88), (344, 3), (355, 0x7F)],
)
def test_a_changed_byte_of_the_structure_is_refused(
    portable: Path, tmp_path: Path, position: int, value: int
) -> None:
    data = bytearray((portable / FILE).read_bytes())
    data[position] = value
    if position == 355:
        data[352:356] = np.float32(np.nan).tobytes()
    path = tmp_path / "changed.dat"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"changed\.dat is not dlib"):
        DlibResNet(path)


def test_another_file_of_dlib_is_refused(portable: Path) -> None:
    with pytest.raises(CheckpointError, match=r"shape_predictor_5.* is not dlib"):
        DlibResNet(portable / "shape_predictor_5_face_landmarks.dat")
