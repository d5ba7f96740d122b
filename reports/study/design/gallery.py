"""Collect the images of a study, each with a blinded name, a file and an entry in the key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fesbench.core.contracts import Image

from ..material import Candidate, Material
from ..schema import Role, StimulusKey
from .stimuli import damaged, png, secret_hex


class Gallery:
    """Collects images as they are requested.

    Attributes:
        files: Stimulus name to the PNG file.
        keys: Stimulus name to its entry in the key.
    """

    def __init__(
        self, material: Material, secret: bytes, items: Sequence[Candidate], ids: Sequence[str]
    ) -> None:
        self.material, self._secret = material, secret
        self._ids = dict(zip(items, ids, strict=True))
        self.files: dict[str, bytes] = {}
        self.keys: dict[str, StimulusKey] = {}

    def add(self, role: Role, candidate: Candidate, model: str | None = None) -> str:
        """Add an image, unless it is there already, and return its name."""
        place = candidate.dataset, candidate.domain, candidate.subject
        shot = candidate.source if _of_source(role, candidate) else candidate.edit
        name = secret_hex(self._secret, f"stimulus:{role}:{model}:{place}:{shot}", 32)
        if name not in self.files:
            self.files[name] = png(self._image(role, candidate, model))
            self.keys[name] = self._key(name, role, candidate, model)
        return name

    def _image(self, role: Role, candidate: Candidate, model: str | None) -> Image:
        if model is not None:
            return self.material.output(candidate, model)
        if not _of_source(role, candidate):
            return self.material.truth(candidate)
        source = self.material.source(candidate)
        return damaged(source) if role == "damaged" else source

    def _key(self, name: str, role: Role, candidate: Candidate, model: str | None) -> StimulusKey:
        own = _of_source(role, candidate)
        return StimulusKey(
            name=name,
            role=role,
            model=model,
            item=self._ids.get(candidate),
            dataset=candidate.dataset,
            domain=candidate.domain,
            subject=candidate.subject,
            expression=candidate.source_expression if own else candidate.expression,
            edit=candidate.edit,
            sha256=hashlib.sha256(self.files[name]).hexdigest(),
        )


def _of_source(role: Role, candidate: Candidate) -> bool:
    """Whether an image is the photo that is edited, and so the same for all edits of that photo."""
    return role in ("source", "damaged") or (role == "other-person" and not candidate.has_truth)
