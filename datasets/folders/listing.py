"""Listing of untrusted folders of images: no path leaves its folder, and every file is counted.

Files that operating systems leave behind are listed apart from files that look like images, so that reports
name what matters.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from os.path import splitext
from pathlib import Path

from fesbench.core.contracts import Problem
from fesbench.core.errors import DatasetError
from fesbench.core.names import composed, is_utf8

from ..images import SUFFIXES

PICTURES = re.compile(
    r"\.(gif|hei[cf]|avif|jp2|j2k|jxl|psd|svg|raw|cr[23]|nef|arw|dng|tga|ico|pdf|eps|exr)", re.IGNORECASE
)
"""Suffixes of image formats that are not read, because their decoders are missing, partial or unsafe."""

DEBRIS = re.compile(r"\..*|thumbs\.db|desktop\.ini|__macosx|icon\r", re.IGNORECASE)


@dataclass
class Listing:
    """What a folder holds, as sorted posix paths relative to it.

    ``images`` carry the suffix of a format that is read; ``problems`` look like images but cannot be;
    ``ignored`` are other files and debris such as ``.DS_Store``.
    """

    images: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def list_images(root: Path, skip: Path | None = None) -> Listing:
    """Return every file under ``root``, sorted into images, problems and the rest; nothing is opened.

    Links are followed only to files inside ``root``; linked folders are not entered. ``skip`` names a folder
    to stay out of.

    Raises:
        DatasetError: ``root`` is no folder or cannot be read.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; name the one that holds the images")
    root, skip = root.resolve(), skip.resolve() if skip else None
    listing = Listing()
    folders = [""]
    while folders:
        inside = folders.pop()
        for entry in _entries(root, inside, listing):
            relative = f"{inside}{entry.name}"
            if DEBRIS.fullmatch(entry.name):
                listing.ignored.append(relative)
            elif not entry.is_dir(follow_symlinks=False):
                _sort_file(root, relative, entry, listing)
            elif Path(entry.path) != skip:
                folders.append(f"{relative}/")
                if _suffix(entry.name) in SUFFIXES:
                    listing.problems.append(Problem(relative, "a folder that is named like an image"))
    listing.images.sort()
    return listing


def _entries(root: Path, inside: str, listing: Listing) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / inside) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        listing.problems.append(Problem(inside, f"the folder cannot be read: {error.strerror}"))
        return []


def _sort_file(root: Path, relative: str, entry: os.DirEntry[str], listing: Listing) -> None:
    suffix = _suffix(entry.name)
    plain = entry.is_file(follow_symlinks=False)
    if PICTURES.fullmatch(suffix):
        listing.problems.append(Problem(relative, f"{suffix} images are not read; use PNG or JPEG"))
    elif suffix not in SUFFIXES and not entry.is_symlink():
        listing.ignored.append(relative)
    elif suffix in SUFFIXES and not is_utf8(relative):
        listing.problems.append(Problem(relative, "the name or a folder's is not UTF-8; rename it"))
    elif reason := "" if plain else why_unusable(root, relative):
        listing.problems.append(Problem(relative, reason))
    elif suffix in SUFFIXES:
        listing.images.append(relative)
    else:
        listing.ignored.append(relative)


def _suffix(name: str) -> str:
    return splitext(name)[1].lower()


def relative_path(folder: Path, name: str) -> str:
    r"""Return a path that a table names, as a posix path relative to ``folder``; no file is opened.

    ``.\a.png``, ``./a.png``, ``b/../a.png`` and the absolute path of ``a.png`` all give ``a.png``. Paths
    outside the folder stay absolute, or begin with ``..``.
    """
    path = os.path.normpath(name if os.path.exists(folder / name) else name.replace("\\", "/"))
    for root in (folder.absolute(), folder.resolve()):
        if Path(path).is_relative_to(root):
            path = Path(path).relative_to(root).as_posix()
    return path if os.path.exists(folder / path) else _as_stored(folder, path)


def _as_stored(folder: Path, path: str) -> str:
    """Return a path as the files are called whose names differ in Unicode normalisation alone."""
    stored = folder
    for part in Path(path).parts:
        try:
            names = os.listdir(stored)
        except OSError:
            return path
        stored /= next((name for name in names if composed(name) == composed(part)), part)
    return stored.relative_to(folder).as_posix() if stored.is_relative_to(folder) else path


def why_unusable(root: Path, relative: str) -> str:
    """Return why ``relative`` is no file inside ``root`` that may be opened; empty when it is one.

    Pipes, devices and links out of the folder are refused unopened. ``root`` must be resolved.
    """
    path = root / relative
    try:
        target = path.resolve()
        if not target.is_relative_to(root):
            return "it leads outside the folder of the data set; put the image itself inside"
        if not target.exists():
            return "a link to a missing file" if path.is_symlink() else "there is no such file"
        if target.is_dir():
            return "a folder, not an image; folders that are links are not followed"
        return "" if target.is_file() else "not a regular file"
    except (OSError, RuntimeError, ValueError) as error:
        return f"the path cannot be followed: {error}"
