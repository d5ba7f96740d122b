"""DeepFace's networks, in batches: Facenet512, ArcFace, VGG-Face, Dlib for identity, Emotion for expression.

What they answer is what ``DeepFace.verify`` and ``DeepFace.analyze`` compute for an aligned crop with the
detector ``skip`` and the normalisation ``base``: architectures and the resize with black borders are the
deepface package's own (Serengil and Ozpinar, deepface 0.0.103, its PyTorch engine; Dlib runs in the torch
network of ``dlib_resnet``). The package embeds one image at a time and would download weights by itself; here
they are read from the weights folder, as tensors and nothing else.

``DeepFace.represent`` of 8-bit pixels rounds after its resize where ``verify`` does not, so the package's own
two answers for one image differ by up to 5e-3 of the embedding; ours is that of ``verify``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...core.contracts import NetworkCard
from ...weights.tensors import load_exactly
from .base import PublishedNetwork, fast, read_weights, required
from .dlib_resnet import DIMENSION, INPUT_SIZE, DlibResNet

SOURCE = "GitHub release v1.0 of serengil/deepface_models"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
EMOTION_SIDE = 48
FRAME_SIDE = 224
"""DeepFace brings a face to this size before the expression network's own."""


class Recogniser(NamedTuple):
    """A recognition network of the package: where its class is, and what goes in and comes out."""

    module: str
    network: str
    arguments: tuple[int, ...]
    side: int
    dimension: int
    licence: str


RECOGNISERS = {
    "Facenet512": Recogniser("Facenet", "InceptionResNetV1", (512,), 160, 512, "MIT (facenet)"),
    "ArcFace": Recogniser("ArcFace", "ArcFaceModel", (), 112, 512, "see the licence section of DeepFace"),
    "VGG-Face": Recogniser(
        "VGGFace", "VggFaceBaseModel", (), 224, 4096, "see the licence section of DeepFace"
    ),
}
"""DeepFace's name of a model to how it is built."""


class DeepFaceRecognition(PublishedNetwork):
    """Face embeddings of a recognition network of DeepFace.

    Args:
        model: A name of ``RECOGNISERS``.
        path: Its weights, as the package's PyTorch engine loads them.

    Raises:
        WeightsMissing: there is no such file, or the deepface package is not installed.
        CheckpointError: the file is not that network.
    """

    def __init__(self, model: str, path: Path) -> None:
        recogniser = RECOGNISERS[model]
        package = required(f"deepface.models.facial_recognition.pytorch.{recogniser.module}")
        build = getattr(package, recogniser.network)
        self.module, digest = _loaded(path, lambda: build(*recogniser.arguments))
        self._side, self._is_vgg = recogniser.side, model == "VGG-Face"
        self.card = NetworkCard(
            name=f"deepface-{model.lower()}",
            backend="deepface",
            digest=digest,
            preprocessing=_preprocessing(recogniser.side),
            dimension=recogniser.dimension,
            licence=recogniser.licence,
            source=f"{SOURCE}, {path.name}",
        )

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, dimension) float32; VGG-Face's have length 1."""
        faces = fitted(images, self._side).to(next(self.module.parameters()).device)
        faces = faces.contiguous(memory_format=torch.channels_last)
        if self._is_vgg:
            return functional.normalize(self.module.embed(faces), dim=1).cpu()  # type: ignore[operator]
        embeddings: Tensor = self.module(faces)
        return embeddings.cpu()


class DeepFaceDlib(PublishedNetwork):
    """dlib's descriptors of the whole crop, as DeepFace's model ``Dlib`` gives them.

    ``fss@dlib`` looks at the same network through the face box that dlib itself would use.

    Args:
        path: ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises:
        WeightsMissing: there is no such file, or the deepface package is not installed.
        CheckpointError: the file is not that network.
    """

    def __init__(self, path: Path) -> None:
        required("deepface.modules.preprocessing")
        self._dlib = DlibResNet(path)
        self.module = self._dlib.module
        self.card = NetworkCard(
            name="deepface-dlib",
            backend="deepface",
            digest=self._dlib.card.digest,
            preprocessing=f"{_preprocessing(INPUT_SIZE)}; back to 8 bits by truncation",
            dimension=DIMENSION,
            licence=self._dlib.card.licence,
            source=self._dlib.card.source,
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, 128) float32 descriptors."""
        chips = (fitted(images, INPUT_SIZE).flip(1) * 255).to(torch.uint8)
        return self._dlib.describe(chips.to(next(self.module.parameters()).device)).cpu()


class DeepFaceEmotion(PublishedNetwork):
    """Probabilities (B, 7) of the seven ``EMOTIONS``.

    Args:
        path: ``facial_expression_model_weights.pth``.

    Raises:
        WeightsMissing: there is no such file, or the deepface package is not installed.
        CheckpointError: the file is not that network.
    """

    def __init__(self, path: Path) -> None:
        self.module, digest = _loaded(
            path, required("deepface.models.demography.pytorch.Emotion").EmotionModel
        )
        self.card = NetworkCard(
            name="deepface-emotion",
            backend="deepface",
            digest=digest,
            preprocessing=f"{_preprocessing(FRAME_SIDE)}; grey; bilinear to {EMOTION_SIDE}",
            dimension=len(EMOTIONS),
            licence="see the licence section of DeepFace",
            source=f"{SOURCE}, {path.name}",
            labels=EMOTIONS,
        )

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, 7) float32 probabilities."""
        cv2 = required("cv2")
        frames = fitted(images, FRAME_SIDE).permute(0, 2, 3, 1).numpy()
        grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
        small = np.stack([cv2.resize(image, (EMOTION_SIDE, EMOTION_SIDE)) for image in grey])
        device = next(self.module.parameters()).device
        probabilities: Tensor = self.module(torch.from_numpy(small)[:, None].to(device))
        return probabilities.cpu()


def fitted(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) uint8 RGB to (B, 3, side, side) float32 BGR in [0, 1], by DeepFace's own resize."""
    resize = required("deepface.modules.preprocessing").resize_image
    pixels: NDArray[np.float64] = images.cpu().permute(0, 2, 3, 1).numpy()[..., ::-1] / 255
    faces: NDArray[np.float32] = np.concatenate([resize(image, (side, side)) for image in pixels])
    return torch.from_numpy(faces).permute(0, 3, 1, 2)


def _preprocessing(side: int) -> str:
    return f"v1: whole crop, BGR / 255, cv2 bilinear to {side} with black borders (deepface, detector skip)"


def _loaded(path: Path, build: Callable[[], nn.Module]) -> tuple[nn.Module, str]:
    """A network with the weights of a file, ready for inference, and the sha256 of the file."""
    state, digest = read_weights(path, "")
    with torch.device("meta"):
        module = build()
    load_exactly(module, state)
    return fast(module), digest
