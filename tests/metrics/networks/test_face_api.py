from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fesbench.core.errors import CheckpointError, WeightsMissing
from fesbench.metrics.networks.dlib_resnet import VERIFICATION
from fesbench.metrics.networks.face_api import FaceApiExpression, FaceApiRecognition

# @vladmandic/face-api 1.7.15's own code (TensorFlow.js 4.22, CPU backend, in node) on the patterns below.
EXPRESSIONS = [
    [
        1.21811945e-02,
        3.13456520e-04,
        9.84139919e-01,
        3.26113589e-03,
        3.35794894e-08,
        1.03524049e-04,
        7.62e-07,
    ],
    [
        3.24548244e-01,
        3.81086707e-01,
        1.58494115e-01,
        8.71341527e-02,
        1.26725668e-03,
        2.40497924e-02,
        2.3419721e-02,
    ],
]
DESCRIPTORS = [
    [-0.07059551, 0.0777393, 0.08451947, -0.04539006, -0.05873649, -0.05079213, -0.10004013, -0.02466279],
    [-0.09504536, 0.15520753, 0.05103818, -0.02012336, -0.05745125, -0.03427467, -0.0795807, 0.01719419],
]


def _patterns(size: int) -> Tensor:
    c, y, x = np.mgrid[:3, :size, :size]
    ramp, tiles = (x * 2 + y * (c + 1)) % 256, (x // 8 + y // 8 + c) % 3 * 120
    return torch.from_numpy(np.stack([ramp, tiles]).astype(np.float32))


@pytest.fixture(scope="module")
def expression(face_api: Path) -> FaceApiExpression:
    return FaceApiExpression(face_api)


@pytest.fixture(scope="module")
def recognition(face_api: Path) -> FaceApiRecognition:
    return FaceApiRecognition(face_api)


def test_probabilities_are_those_of_face_api(expression: FaceApiExpression) -> None:
    np.testing.assert_allclose(expression.probabilities(_patterns(112)).numpy(), EXPRESSIONS, atol=5e-6)


def test_descriptors_are_those_of_face_api(recognition: FaceApiRecognition) -> None:
    np.testing.assert_allclose(recognition.describe(_patterns(150))[:, :8].numpy(), DESCRIPTORS, atol=2e-5)


@pytest.mark.parametrize("size", [128, 256])
def test_recall_on_real_photos(
    expression: FaceApiExpression, london: Callable[[str, int], Tensor], size: int
) -> None:
    """Of these twelve people; of all 102 in the set 0.990 neutral, 0.647 happy."""
    recall = {}
    for label in ("neutral", "happy"):
        predicted = expression.features(london(label, size)).argmax(1)
        recall[label] = (predicted == expression.card.labels.index(label)).float().mean().item()
    assert recall == pytest.approx({"neutral": 1, "happy": 10 / 12})


def test_real_people_are_told_apart(
    recognition: FaceApiRecognition, london: Callable[[str, int], Tensor]
) -> None:
    distances = torch.cdist(
        recognition.features(london("neutral", 128)), recognition.features(london("happy", 128))
    )
    genuine, impostor = distances.diag(), distances[~torch.eye(len(distances), dtype=torch.bool)]
    assert (genuine < VERIFICATION.threshold).all()
    assert (impostor < VERIFICATION.threshold).sum() <= 2
    assert impostor.min() > genuine.max() + 0.2


@pytest.mark.parametrize("kind", [FaceApiExpression, FaceApiRecognition])
def test_an_image_is_judged_by_itself(
    face_api: Path, kind: type[FaceApiExpression | FaceApiRecognition]
) -> None:
    network = kind(face_api)
    images = torch.randint(0, 256, (3, 3, 128, 128), dtype=torch.uint8)
    alone = torch.cat([network.features(image[None]) for image in images])
    torch.testing.assert_close(network.features(images), alone, atol=1e-5, rtol=0)
    assert alone.shape == (3, network.card.dimension)


def _with_manifest(face_api: Path, folder: Path, change: Callable[[Any], object]) -> Path:
    """A copy of the expression model whose manifest ``change`` has edited or replaced."""
    shutil.copyfile(face_api / "face_expression_model.bin", folder / "face_expression_model.bin")
    manifest = json.loads((face_api / "face_expression_model-weights_manifest.json").read_bytes())
    changed = change(manifest)
    text = json.dumps(changed if isinstance(changed, list) else manifest)
    (folder / "face_expression_model-weights_manifest.json").write_text(text)
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: [],
        lambda manifest: [{"tensors": []}],
        lambda manifest: [{"weights": "text"}],
        lambda manifest: [{"weights": [1, 2]}],
        lambda manifest: manifest[0]["weights"].pop(),
        lambda manifest: [{"weights": manifest[0]["weights"] * 2}],
        lambda manifest: manifest[0]["weights"][0].update(shape=[-1]),
        lambda manifest: manifest[0]["weights"][0].update(shape=[1 << 40, 1 << 40]),
        lambda manifest: manifest[0]["weights"][0].update(shape=[3, 3, 32, 3]),
        lambda manifest: manifest[0]["weights"][0].update(dtype="string"),
        lambda manifest: manifest[0]["weights"][0].update(name="dense0/conv0/other"),
        lambda manifest: manifest[0]["weights"][0]["quantization"].update(dtype="float16"),
        lambda manifest: manifest[0]["weights"][0]["quantization"].update(scale="x"),
        lambda manifest: manifest[0]["weights"][0]["quantization"].update(min=float("inf")),
        lambda manifest: manifest[0]["weights"][0]["quantization"].update(scale=1e300),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    face_api: Path, tmp_path: Path, change: Callable[[Any], object]
) -> None:
    with pytest.raises(CheckpointError, match="face_expression_model"):
        FaceApiExpression(_with_manifest(face_api, tmp_path, change))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff"])
def test_a_manifest_that_is_not_json_is_refused(face_api: Path, tmp_path: Path, text: str) -> None:
    folder = _with_manifest(face_api, tmp_path, lambda manifest: None)
    (folder / "face_expression_model-weights_manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match="manifest"):
        FaceApiExpression(folder)


def test_one_network_is_not_the_other(face_api: Path, tmp_path: Path) -> None:
    for part in (".bin", "-weights_manifest.json"):
        shutil.copyfile(face_api / f"face_recognition_model{part}", tmp_path / f"face_expression_model{part}")
    with pytest.raises(CheckpointError, match="dense0"):
        FaceApiExpression(tmp_path)


@pytest.mark.parametrize("part", [".bin", "-weights_manifest.json"])
def test_a_missing_file_is_reported_as_missing(face_api: Path, tmp_path: Path, part: str) -> None:
    shutil.copyfile(face_api / f"face_expression_model{part}", tmp_path / f"face_expression_model{part}")
    with pytest.raises(WeightsMissing, match="face_expression_model"):
        FaceApiExpression(tmp_path)
