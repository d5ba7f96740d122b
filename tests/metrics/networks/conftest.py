"""The real weight files, and the London photos as batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

Photos = Callable[[str, int], Tensor]
DLIB = "dlib_face_recognition_resnet_model_v1.dat"


@pytest.fixture(scope="session")
def portable(weights_folder: Path) -> Path:
    """The folder of the portable weight files."""
    return weights_folder / "portable"


@pytest.fixture(scope="session")
def face_api(weights_folder_with_face_api: Path) -> Path:
    """The folder of the face-api files."""
    return weights_folder_with_face_api / "face-api"


@pytest.fixture(scope="session")
def london(photos_folder: Path) -> Photos:
    """(B, 3, size, size) uint8 photos of one expression, subjects in order."""

    def load(expression: str, size: int) -> Tensor:
        paths = sorted((photos_folder / expression).glob("*.jpg"))
        images = [
            Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR) for path in paths
        ]
        return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)

    return load


def _fill(module: nn.Module) -> dict[str, Tensor]:
    """Seeded weights that keep the strength of signals through all layers."""
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.weight.data.normal_(0, (2 / part.weight[0].numel()) ** 0.5, generator=generator)
            if part.bias is not None:
                part.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_var.uniform_(0.5, 1.5, generator=generator)
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.bias.data.normal_(0, 0.1, generator=generator)
    return module.state_dict()


@pytest.fixture(scope="session")
def deepface_weights(tmp_path_factory: pytest.TempPathFactory, portable: Path) -> Path:
    """Files like the published ones, with other weights, where the deepface package looks for them.

    All but VGG-Face, whose 580 MB only ``vgg_face_weights`` fills.
    """
    pytest.importorskip("deepface", reason="needs the extra 'paper'")
    from deepface.models.demography.pytorch import Emotion
    from deepface.models.facial_recognition.pytorch import ArcFace, Facenet

    folder = tmp_path_factory.mktemp("deepface") / ".deepface" / "weights"
    folder.mkdir(parents=True)
    builders = {
        "facenet512_weights.pth": lambda: Facenet.InceptionResNetV1(512),
        "arcface_weights.pth": ArcFace.ArcFaceModel,
        "facial_expression_model_weights.pth": Emotion.EmotionModel,
    }
    for name, build in builders.items():
        torch.save(_fill(build()), folder / name)
    (folder / DLIB).write_bytes((portable / DLIB).read_bytes())
    return folder


@pytest.fixture(scope="session")
def vgg_face_weights(deepface_weights: Path) -> Path:
    """The folder of ``deepface_weights``, with VGG-Face."""
    from deepface.models.facial_recognition.pytorch import VGGFace

    torch.save(_fill(VGGFace.VggFaceBaseModel()), deepface_weights / "vgg_face_weights.pth")
    return deepface_weights


@pytest.fixture(scope="session")
def deepface(deepface_weights: Path) -> Iterator[ModuleType]:
    """The package, with its PyTorch engine and without a way to the network."""
    from deepface import DeepFace

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFACE_HOME", str(deepface_weights.parents[1]))
        patch.setenv("DEEPFACE_BACKEND_ENGINE", "pytorch")
        yield DeepFace
