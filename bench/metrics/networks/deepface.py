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

from ... import weights
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...weights.tensors import load_exactly
from ..verification import FaceEmbedder, Verification
from . import dlib_resnet
from .base import TorchExtractor, fast, load_once, read_weights, required
from .bfloat16 import Bfloat16
from .dlib_resnet import DIMENSION, INPUT_SIZE, DlibResNet

SOURCE = "GitHub release v1.0 of serengil/deepface_models"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
EMOTION_SIDE = 48
FRAME_SIDE = 224
"""DeepFace brings a face to this size before the expression network's own."""


DEEPFACE_LICENCE = "see the licence section of DeepFace"


class Recogniser(NamedTuple):
    """A recognition network of the package.

    Attributes:
        module: Module of its class in the package.
        network: Name of the class.
        arguments: Arguments of the class.
        side: Height and width of its input.
        dimension: Length of an embedding.
        distance: DeepFace's verification threshold on the cosine distance.
        file: Its weights file.
        licence: Licence of the weights.
    """

    module: str
    network: str
    arguments: tuple[int, ...]
    side: int
    dimension: int
    distance: float
    file: str
    licence: str = DEEPFACE_LICENCE


RECOGNISERS = {
    "Facenet512": Recogniser(
        *("Facenet", "InceptionResNetV1", (512,), 160, 512, 0.30, "facenet512_weights.pth", "MIT (facenet)")
    ),
    "ArcFace": Recogniser("ArcFace", "ArcFaceModel", (), 112, 512, 0.68, "arcface_weights.pth"),
    "VGG-Face": Recogniser("VGGFace", "VggFaceBaseModel", (), 224, 4096, 0.68, "vgg_face_weights.pth"),
}
"""Networks by DeepFace's name of the model."""

DLIB_VERIFICATION = Verification(
    measure="cosine",
    threshold=1 - 0.07,
    impostor_cosine=0.878,
    impostor_distance=0.719,
    origin="threshold of DeepFace 0.0.103 for Dlib, cosine distance 0.07; levels: mean over the 6,642 pairs "
    "of different London subjects, neutral against smiling at 128 px (the same person: cosine 0.987, "
    "distance 0.232; 5.6% of different subjects pass the threshold)",
)


def published(model: str) -> FeatureExtractor:
    """Return a recognition network of the weights folder.

    Args:
        model: A name of ``RECOGNISERS``.

    Raises:
        WeightsMissing: its file is not there, or the deepface package is not installed.
        CheckpointError: the file is another one.
    """
    with weights.pinned("paper", RECOGNISERS[model].file) as (path, _):
        return load_once(DeepFaceRecognition, model, path)


def published_bfloat16(model: str) -> FeatureExtractor:
    """Return ``published(model)`` in bfloat16; its errors are the same."""
    return Bfloat16(published(model))


def published_dlib() -> FeatureExtractor:
    """Return DeepFace's model Dlib, made of dlib's file in the weights folder; its errors are the same."""
    with weights.pinned("portable", dlib_resnet.FILE) as (path, _):
        return load_once(DeepFaceDlib, path)


def published_emotion() -> FeatureExtractor:
    """Return the expression network of the weights folder; its errors are the same."""
    with weights.pinned("paper", "facial_expression_model_weights.pth") as (path, _):
        return load_once(DeepFaceEmotion, path)


class DeepFaceRecognition(TorchExtractor, FaceEmbedder):
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
        self.verification = _verification(model, recogniser.distance)
        self.card = FeatureExtractorCard(
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
        faces = fitted(images, self._side).to(self.device)
        faces = faces.contiguous(memory_format=torch.channels_last)
        if self._is_vgg:
            return functional.normalize(self.module.embed(faces), dim=1).cpu()  # type: ignore[operator]
        embeddings: Tensor = self.module(faces)
        return embeddings.cpu()


class DeepFaceDlib(TorchExtractor, FaceEmbedder):
    """dlib's descriptors of the whole crop, as DeepFace's model ``Dlib`` gives them.

    ``fss@dlib`` uses the same network on the face box that dlib itself would use.

    Args:
        path: ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises:
        WeightsMissing: there is no such file, or the deepface package is not installed.
        CheckpointError: the file is not that network.
    """

    verification = DLIB_VERIFICATION

    def __init__(self, path: Path) -> None:
        required("deepface.modules.preprocessing")
        self._dlib = DlibResNet(path)
        self.module = self._dlib.module
        self.card = FeatureExtractorCard(
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
        return self._dlib.describe(chips.to(self.device)).cpu()


class DeepFaceEmotion(TorchExtractor):
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
        self.card = FeatureExtractorCard(
            name="deepface-emotion",
            backend="deepface",
            digest=digest,
            preprocessing=f"{_preprocessing(FRAME_SIDE)}; grey; bilinear to {EMOTION_SIDE}",
            dimension=len(EMOTIONS),
            licence=DEEPFACE_LICENCE,
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
        probabilities: Tensor = self.module(torch.from_numpy(small)[:, None].to(self.device))
        return probabilities.cpu()


def fitted(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) uint8 RGB to (B, 3, side, side) float32 BGR in [0, 1], by DeepFace's own resize."""
    resize = required("deepface.modules.preprocessing").resize_image
    pixels: NDArray[np.float64] = images.cpu().permute(0, 2, 3, 1).numpy()[..., ::-1] / 255
    faces: NDArray[np.float32] = np.concatenate([resize(image, (side, side)) for image in pixels])
    return torch.from_numpy(faces).permute(0, 3, 1, 2)


def _verification(model: str, distance: float) -> Verification:
    """Return DeepFace's own threshold for a model."""
    return Verification(
        measure="cosine",
        threshold=1 - distance,
        impostor_cosine=0.0,
        impostor_distance=float("nan"),
        origin=f"threshold of DeepFace 0.0.103 for {model}, cosine distance {distance:.2f}; level of "
        "different subjects not measured here, so a missing output counts as similarity 0",
    )


def _preprocessing(side: int) -> str:
    return f"v1: whole crop, BGR / 255, cv2 bilinear to {side} with black borders (deepface, detector skip)"


def _loaded(path: Path, build: Callable[[], nn.Module]) -> tuple[nn.Module, str]:
    """Return a network with the weights of a file, ready for inference, and the sha256 of the file."""
    state, digest = read_weights(path, "")
    with torch.device("meta"):
        module = build()
    load_exactly(module, state)
    return fast(module), digest
