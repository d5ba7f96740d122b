"""Text of others, made fit for terminals and files."""

from __future__ import annotations

import re

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain_text(text: str) -> str:
    """Return a text with U+FFFD in the place of control characters and of halves of surrogate pairs.

    Line breaks and tabs stay. A terminal would obey the others, and no UTF-8 file can hold a half of a pair.
    """
    return _UNFIT.sub("\ufffd", text)
