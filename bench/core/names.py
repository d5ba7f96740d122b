"""File-safe names: from the path of an image to the id of its sample."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable

MAX_LENGTH = 80
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def composed(text: str) -> str:
    """Return ``text`` in Unicode's composed form (NFC), in which names are compared.

    Some systems store ``é`` as one character, others as ``e`` and an accent.
    """
    return unicodedata.normalize("NFC", text)


def is_utf8(name: str) -> bool:
    """Return whether a file name is UTF-8 text, so that tables and reports can hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def safe_name(text: str) -> str:
    """Return a name for any file system, made from ``text``; a hash is added when anything had to be changed.

    Holds only ``A-Za-z0-9_.-``, starts with none of ``.-``, is no reserved Windows name and at most
    ``MAX_LENGTH`` characters long. Folder separators become ``-``.
    """
    joined = composed(text).replace("/", "-")
    slug = _FOREIGN.sub("_", joined).strip(".-")[:MAX_LENGTH]
    if slug != joined or not slug or _RESERVED.match(slug):
        return with_hash(slug, text)
    return slug


def with_hash(name: str, text: str) -> str:
    """``name`` followed by eight hexadecimal digits of the sha256 of ``text``."""
    digest = hashlib.sha256(composed(text).encode("utf-8", "surrogateescape")).hexdigest()
    stem = f"_{name}" if _RESERVED.match(name) or not name else name
    return f"{stem[: MAX_LENGTH - 9]}-{digest[:8]}"


def unused_name(name: str, text: str, taken: Collection[str]) -> str:
    """Return ``name``, with hashes of ``text`` where it is in ``taken``, a set of case-folded names."""
    while name.casefold() in taken:
        name = with_hash(name, text)
    return name


def file_name(identifier: str) -> str:
    """Return the stem of a file for an identifier: itself where any file system takes it, else made safe.

    Identifiers that differ by nothing but case give names that do too: see ``edits.safe_edits``.
    """
    return identifier if is_file_name(identifier) else safe_name(identifier)


def is_file_name(text: str) -> bool:
    """Return whether ``text`` plus a suffix names a file, inside any folder of any file system."""
    return _PLAIN.fullmatch(text) is not None and not _RESERVED.match(text) and text[-1] not in ".-"


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
        name = unused_name(safe_name(f"{folder}/{stem}" if folder else stem), path, taken)
        taken.add(name.casefold())
        ids[path] = name
    return ids


def split_names(text: str) -> tuple[str, ...]:
    """Return the names in a list such as ``neutral,happy``."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
