"""Controls: the reference points at the floor and the ceiling of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.contracts import (
    COPY,
    NO_TRUTH,
    TRUTH,
    Edit,
    Failure,
    Generator,
    GeneratorCard,
    Image,
    Synthesizer,
)
from ..core.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor


class Copy(Generator):
    """Returns the input: perfect identity, no expression. The floor of ECS, the ceiling of FSS."""

    card = GeneratorCard(name=COPY, title="Input", weights="none", control=True, guided_by=())

    def synthesize(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return a copy of ``images``."""
        return images.clone()


class Truth(Synthesizer):
    """Returns the real image of the target expression, if the data set has one: the ceiling."""

    card = GeneratorCard(name=TRUTH, title="True target", weights="none", control=True, guided_by=())

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return the true target of each edit, or why there is none."""
        return [self._load(edit) for edit in edits]

    @staticmethod
    def _load(edit: Edit) -> Image | Failure:
        if edit.truth is None:
            return Failure(f"{NO_TRUTH}: the data set has none for this edit")
        try:
            return edit.truth.load()
        except ImageError as error:
            return Failure(f"{NO_TRUTH}: {error}")
