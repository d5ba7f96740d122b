"""Recognises files that are saved in the place of weights: web pages, Git LFS pointers, nothing at all."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import CheckpointError

BEGINNING = 512
"""Bytes that are looked at."""

LFS = b"version https://git-lfs"
PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")


def refuse_mistaken(path: Path) -> None:
    """Refuse a file that holds no weights whatever its name says.

    Raises:
        CheckpointError: it is empty, a Git LFS pointer, a web page, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not beginning:
        raise CheckpointError(f"{path} is empty: its download or copy did not finish; fetch it again")
    if beginning.startswith(LFS):
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the file that it stands for; run 'git lfs pull' in its "
            "repository and copy the file again"
        )
    if text.startswith(PAGES):
        raise CheckpointError(
            f"{path} is a web page, not weights: its link led to a page, such as a login or a warning; "
            "download the file itself"
        )
