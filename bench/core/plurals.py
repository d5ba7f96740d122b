"""Numbers with their nouns, for messages and captions."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 model``, ``2 models``.

    Args:
        number: How many there are.
        noun: The singular.
        plural: The plural; ``noun`` and an s where it is empty.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
