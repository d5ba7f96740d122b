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
    if reason := mistake(path):
        raise CheckpointError(f"{path} {reason}")


def mistake(path: Path) -> str:
    """Return what a file is instead of weights, and the remedy; empty where nothing shows that it is not."""
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not beginning:
        return "is empty: its download or copy did not finish; fetch it again"
    if beginning.startswith(LFS):
        return (
            "is a Git LFS pointer, not the file that it stands for; run 'git lfs pull' in its repository and "
            "copy the file again"
        )
    if text.startswith(PAGES):
        return (
            "is a web page, not weights: its link led to a page, such as a login or a warning; download the "
            "file itself"
        )
    return ""
