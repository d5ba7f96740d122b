"""Registered inputs for any generator, which edits faces in a common frame; changes go back to the photos.

``fesbench.generators.registration`` moves the pixels; ``fesbench.reggan.registered`` does both by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from fesbench.datasets.images import resize
from fesbench.datasets.loading import in_memory
from fesbench.datasets.registration import Frame, landmarks_of, normalised_shapes
from fesbench.datasets.registration.frame import Points

from ..core.code import code_digest
from ..core.contracts import Dataset, Edit, Failure, Image, Sample, Synthesizer
from ..core.errors import DatasetError, LandmarkError
from .registration import Registration, pictured, stacked
from .synthesis import at_size, image_to_input, output_to_image


@lru_cache(maxsize=8)
def mean_frame(train: Dataset) -> Frame:
    """Return the frame of a training set: the mean shape of the faces of its pairs.

    Raises:
        DatasetError: it has no pairs, or none whose landmarks are known.
    """
    faces = []
    for sample in {sample.id: sample for pair in train.pairs() for sample in pair}.values():
        with suppress(LandmarkError):
            faces.append(landmarks_of(sample).astype(np.float64))
    if not faces:
        raise DatasetError(f"{train.name} ({train.split}) has no pairs with landmarks to make a frame of")
    return Frame(normalised_shapes(np.stack(faces)).mean(axis=0))


def in_frame(sample: Sample, mesh: Points, registration: Registration) -> Image:
    """Return the image of a sample in the frame: (size, size, 3) uint8.

    Args:
        sample: The sample.
        mesh: (V, 2), where the vertices of the frame lie in its image.
        registration: To the frame.
    """
    photo = image_to_input(resize(sample.load(), registration.size))
    return output_to_image(registration.to_frame(photo[None], stacked([mesh]))[0])


class RegisteredPairs(Dataset):
    """The pairs of a training set, warped to a frame; pairs without landmarks are left out.

    The source is warped by its landmarks. Its target is warped likewise, but for its own pose: what the
    expression moves is left to learn.
    """

    def __init__(self, dataset: Dataset, registration: Registration) -> None:
        self.name, self.split, self.expressions = dataset.name, dataset.split, dataset.expressions
        self._registration = registration
        key = dataset.digest, code_digest(type(self)), registration.frame.shape.tolist(), registration.size
        self._digest = hashlib.sha256(repr(key).encode()).hexdigest()
        self._pairs = list(self._registered(dataset.pairs()))

    def _registered(self, pairs: Sequence[tuple[Sample, Sample]]) -> Iterator[tuple[Sample, Sample]]:
        frame = self._registration.frame
        for source, target in pairs:
            with suppress(LandmarkError):
                face, other = (landmarks_of(sample).astype(np.float64) for sample in (source, target))
                mesh = frame.mesh(frame.pose(face).normalise(face))
                placed = frame.pose(face).place(mesh), frame.pose(other).place(mesh)
                yield self._sample(source, placed[0]), self._sample(target, placed[1])

    def _sample(self, sample: Sample, mesh: Points) -> Sample:
        load = partial(in_frame, sample, mesh, self._registration)
        return replace(sample, load=load, load_mask=None, annotate=None, load_landmarks=None)

    @property
    def digest(self) -> str:
        """Changes with the data set, the frame and the code that registers."""
        return self._digest

    def samples(self) -> Sequence[Sample]:
        """Return the distinct samples of the pairs."""
        return list({sample.id: sample for pair in self._pairs for sample in pair}.values())

    def pairs(self) -> Sequence[tuple[Sample, Sample]]:
        """Return the registered pairs."""
        return self._pairs


@dataclass(frozen=True)
class _Face:
    """An edit of a photo, and the same edit of the face in the frame; ``mesh`` is (V, 2), in the photo."""

    edit: Edit
    registered: Edit
    mesh: Points


class RegisteredInputs(Synthesizer):
    """A synthesizer that sees registered faces, and whose changes are carried back to the photos.

    Inside the mesh, the output is the photo plus the change that was made in the frame, clamped; beyond the
    border of the frame's picture a change goes on as it is at the border. Outside the mesh the photo stays.
    Faces whose landmarks are not known, or whose mesh folds, fail with the reason.

    Args:
        synthesizer: Any; outputs of other sizes than the frame's are enlarged by their change, or reduced.
        registration: To the frame, whose size in pixels is that of the outputs.
    """

    def __init__(self, synthesizer: Synthesizer, registration: Registration) -> None:
        self.synthesizer, self.registration = synthesizer, registration
        self.card = replace(synthesizer.card, registered=True)

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return an image at the size of the frame, or a failure, for each edit."""
        faces = [self._located(edit) for edit in edits]
        known = [face for face in faces if isinstance(face, _Face)]
        answers = iter(self.synthesizer.answer([face.registered for face in known]))
        return [face if isinstance(face, Failure) else self._carried(face, next(answers)) for face in faces]

    def _located(self, edit: Edit) -> _Face | Failure:
        try:
            mesh = pictured(self.registration.frame, landmarks_of(edit.source).astype(np.float64))
        except LandmarkError as error:
            return Failure(str(error))
        source = in_memory(edit.source, (in_frame(edit.source, mesh, self.registration), None))
        registered = replace(source, annotate=None, load_landmarks=None, path=None)
        return _Face(edit, replace(edit, source=registered), mesh)

    def _carried(self, face: _Face, answer: Image | Failure) -> Image | Failure:
        size = self.registration.size
        (edited,) = at_size([face.registered], [answer], size)
        if isinstance(edited, Failure):
            return edited
        change = image_to_input(edited) - image_to_input(face.registered.source.load())
        carried = self.registration.from_frame(change[None], stacked([face.mesh]), size)[0]
        return output_to_image(image_to_input(resize(face.edit.source.load(), size)) + carried)
