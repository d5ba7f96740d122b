"""Rendered faces as a data set: five domains, disjoint subjects per split, a true target for every edit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from fesbench.core.contracts import NEUTRAL, Annotation, Dataset, Image, Mask, Sample
from fesbench.core.errors import DatasetError, UnknownName

from .action_units import EXPRESSIONS, PROTOTYPES
from .face import RENDERER_VERSION, Shot, ibug_landmarks_of, landmarks_of
from .kept_pictures import picture_of
from .scene import DOMAINS

SPLITS = ("train", "val", "test", "reference", "judge")
"""Generators learn from train and val; test is edited; reference feeds set metrics; judge trains the metric
networks. No subject is in two of them."""

DEFAULT_SUBJECTS = {"train": 200, "val": 40, "test": 20, "reference": 20, "judge": 400}
DEFAULT_DOMAINS = {"train": ("studio",), "val": ("studio",)}
MAX_SUBJECTS = 1_000_000
SMALLEST, LARGEST = 64, 512


def subject_seed(split: str, domain: str, index: int, seed: int = 0) -> int:
    """Return the subject behind ``index`` in a split and domain; no two places share one."""
    place = (seed * len(SPLITS) + SPLITS.index(split)) * len(DOMAINS) + DOMAINS.index(domain)
    return place * MAX_SUBJECTS + index


class RenderedDataset(Dataset):
    """Procedural faces of made-up people.

    Args:
        split: One of ``SPLITS``.
        domains: Which domains to show; None means studio for train and val (generators never see another)
            and all five elsewhere.
        subjects: Subjects per domain; None means 200 (train), 40 (val), 20 (test, reference), 400 (judge).
        size: Height and width in pixels, 64 to 512.
        seed: Other seeds give other people.

    Raises:
        UnknownName: no such split or domain.
        DatasetError: a size or number of subjects that cannot be rendered.
    """

    name = "rendered"
    expressions = EXPRESSIONS

    def __init__(
        self,
        split: str = "test",
        domains: Sequence[str] | None = None,
        subjects: int | None = None,
        size: int = 128,
        seed: int = 0,
    ) -> None:
        if split not in SPLITS:
            raise UnknownName("split", split, SPLITS)
        self.split = split
        self.shown = tuple(DEFAULT_DOMAINS.get(split, DOMAINS) if domains is None else domains)
        self.subjects = DEFAULT_SUBJECTS[split] if subjects is None else subjects
        self.size, self.seed = size, seed
        self._check()

    def _check(self) -> None:
        for domain in self.shown:
            if domain not in DOMAINS:
                raise UnknownName("domain", domain, DOMAINS)
        if not SMALLEST <= self.size <= LARGEST:
            raise DatasetError(f"rendered faces of size {self.size}: choose {SMALLEST} to {LARGEST} pixels.")
        if not 1 <= self.subjects <= MAX_SUBJECTS:
            raise DatasetError(f"{self.subjects} rendered subjects: choose 1 to {MAX_SUBJECTS}.")
        if self.seed < 0:
            raise DatasetError(f"seed {self.seed} of the rendered faces: choose 0 or more.")

    def samples(self) -> Sequence[Sample]:
        """Seven expressions of every subject of every domain, all taken in the subject's one scene."""
        return self._samples

    @cached_property
    def _samples(self) -> list[Sample]:
        return [_sample(name, subject, shot) for name, (subject, shot) in self._shots.items()]

    @cached_property
    def _shots(self) -> dict[str, tuple[str, Shot]]:
        shots = {}
        for domain in self.shown:
            for index in range(self.subjects):
                seed = subject_seed(self.split, domain, index, self.seed)
                subject = f"{domain}-{self.split}-{index:04d}"
                for expression in EXPRESSIONS:
                    shot = Shot(seed, expression, domain, scene_seed=seed, size=self.size)
                    shots[f"{subject}-{expression}"] = subject, shot
        return shots

    def pairs(self) -> Sequence[tuple[Sample, Sample]]:
        """(neutral, other expression) as two photos of one sitting, as real pairs are.

        The second differs in registration (about ±1 pixel of 128), pose, light and grain, unlike the truth of
        ``edits``, which is registered exactly.
        """
        neutral = {sample.subject: sample for sample in self._samples if sample.expression == NEUTRAL}
        return [
            (neutral[subject], _sample(f"{name}-shot", subject, _another(shot)))
            for name, (subject, shot) in self._shots.items()
            if shot.expression != NEUTRAL
        ]

    def references(self) -> Sequence[Sample]:
        """Non-neutral faces of the reference split's subjects: per domain as many as there are edits."""
        if self.split == "reference":
            return ()
        others = RenderedDataset("reference", self.shown, self.subjects, self.size, self.seed)
        return [sample for sample in others.samples() if sample.expression != NEUTRAL]

    def action_units(self, sample_id: str) -> NDArray[np.float32]:
        """(17,) float32 in 0..1, in the order of ``action_units.AU_NUMBERS``, of a sample or pair target.

        Raises:
            UnknownName: the data set has no such sample.
        """
        name = sample_id.removesuffix("-shot")
        if name not in self._shots:
            raise UnknownName("rendered sample", sample_id, list(self._shots)[: len(PROTOTYPES)])
        return self._shots[name][1].units().vector()

    @property
    def digest(self) -> str:
        """sha256 of the renderer's version and the parameters; nothing is rendered for it."""
        parameters = [RENDERER_VERSION, self.split, self.shown, self.subjects, self.size, self.seed]
        return hashlib.sha256(json.dumps(["rendered", *parameters]).encode()).hexdigest()


def _another(shot: Shot) -> Shot:
    sitting = shot.subject_seed * len(EXPRESSIONS) + EXPRESSIONS.index(shot.expression)
    return replace(shot, sitting=sitting)


def _sample(name: str, subject: str, shot: Shot) -> Sample:
    return Sample(
        id=name,
        subject=subject,
        expression=shot.expression,
        domain=shot.domain,
        load=partial(load_image, shot),
        load_mask=partial(load_mask, shot),
        annotate=partial(annotate, shot),
        load_landmarks=partial(ibug_landmarks_of, shot),
    )


def load_image(shot: Shot) -> Image:
    """Return the picture of a shot, rendered before or now: (H, W, 3) uint8 RGB."""
    return picture_of(shot).image.copy()


def load_mask(shot: Shot) -> Mask:
    """Return the face region of a shot: (H, W) bool."""
    return picture_of(shot).mask.copy()


@lru_cache(maxsize=256)
def annotate(shot: Shot) -> Annotation:
    """Landmarks and action units of a shot; the last ones are remembered, so do not write into them."""
    return Annotation(landmarks_of(shot), shot.units().vector())
