"""Read the texts for participants and convert them to the formats of pages and platforms."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from fesbench.core.errors import BenchError

from ..storage import PUBLIC
from .documents import PARTICIPANT_TEXTS

BOX = "- [ ] "
"""Prefix of the two lines of the consent that are buttons on a screen."""


def read_texts(packet: Path) -> dict[str, str]:
    """Read the texts for participants from a packet.

    Raises:
        BenchError: a text is missing.
    """
    try:
        return {
            name: (packet / PUBLIC / "texts" / f"{name}.md").read_text(encoding="utf-8")
            for name in PARTICIPANT_TEXTS
        }
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{packet} lacks a text for participants: {error}; make the packet again") from error


def consent_choices(consent: str) -> list[str]:
    """Return the two answers to a consent in Markdown: agreement and refusal."""
    boxes = (line for line in consent.splitlines() if line.startswith(BOX))
    return [line.removeprefix(BOX).rstrip(".") for line in boxes]


def to_plain(markdown: str) -> str:
    """Convert a simple Markdown text to plain text, without its first heading and without boxes."""
    kept = [line for line in markdown.splitlines() if not line.startswith((BOX, "# "))]
    return re.sub(r"^(#+|>) |\*\*", "", "\n".join(kept), flags=re.MULTILINE).strip()


def to_html(markdown: str) -> str:
    """Convert a simple Markdown text to HTML: headings, paragraphs, items, notes, bold; without boxes."""
    lines = [line.strip() for line in markdown.splitlines()]
    kept = [line for line in lines if line and not line.startswith(BOX)]
    return "\n".join(_blocks(kept))


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    tags = {"#": "<h1>{}</h1>", "##": "<h2>{}</h2>", ">": '<p class="note">{}</p>'}
    for is_item, group in groupby(lines, lambda line: line.startswith("- ")):
        if is_item:
            yield f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in group)}</ul>"
            continue
        for line in group:
            mark, _, rest = line.partition(" ")
            yield tags[mark].format(_inline(rest)) if mark in tags else f"<p>{_inline(line)}</p>"


def _inline(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))
