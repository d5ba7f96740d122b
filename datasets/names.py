"""File-safe names: from the path of an image to the id of its sample."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 80
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def safe_name(text: str) -> str:
    """A name for any file system, made from ``text``; a hash is added when anything had to be changed.

    Holds only ``A-Za-z0-9_.-``, starts with none of ``.-``, is no reserved Windows name and at most
    ``MAX_LENGTH`` characters long. Folder separators become ``-``.
    """
    parts = unicodedata.normalize("NFC", text).split("/")
    slug = "-".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", part) for part in parts).strip(".-")[:MAX_LENGTH]
    if slug != "-".join(parts) or _RESERVED.match(slug):
        return with_hash(slug, text)
    return slug


def with_hash(name: str, text: str) -> str:
    """``name`` followed by eight hexadecimal digits of the sha256 of ``text``."""
    digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")).hexdigest()
    stem = f"_{name}" if _RESERVED.match(name) or not name else name
    return f"{stem[: MAX_LENGTH - 9]}-{digest[:8]}"


def sample_ids(paths: Iterable[str]) -> dict[str, str]:
    """Relative posix path to sample id, unique even where upper and lower case are the same.

    An id depends on its own path alone; only paths that differ by nothing but suffix, case or separators
    make an exception: the first in order keeps the plain name.
    """
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for path in sorted(set(paths)):
        folder, _, file = path.rpartition("/")
        stem = file.rpartition(".")[0] or file
        name = safe_name(f"{folder}/{stem}" if folder else stem)
        if name.casefold() in taken:
            name = with_hash(name, path)
        taken.add(name.casefold())
        ids[path] = name
    return ids
