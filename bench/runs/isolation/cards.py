"""Checks of the cards that models of others state."""

from __future__ import annotations

from ...core.contracts import GeneratorCard
from ...core.errors import BenchError
from ..store.records import check_recordable

LARGEST = 4096
"""Pixels of a side; eight inputs of that size are already 1.6 GB."""


def check_card(model: object) -> None:
    """Check that a model has a card that a run can use and record.

    Raises:
        BenchError: it has none, or a field has another type or range.
    """
    card = getattr(model, "card", None)
    if not isinstance(card, GeneratorCard) or not isinstance(card.name, str) or not card.name:
        raise BenchError(f"{type(model).__name__} needs a GeneratorCard with a name as its attribute 'card'")
    check_recordable(card)
    if card.resolution is not None and not 1 <= card.resolution <= LARGEST:
        raise BenchError(
            f"the card of {card.name} states a resolution of {card.resolution} pixels; 1 to {LARGEST} are "
            "allowed"
        )
