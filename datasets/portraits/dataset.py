"""The data set ``ood-real``: photos, composites, a painting and avatars."""

from __future__ import annotations

from pathlib import Path

from ..expressions import BASIC
from ..folders.folder import FolderDataset, FolderSpec

FOLDER = Path(__file__).parent / "images"
LICENCE = "CC0, CC BY 4.0, MIT and public domain, picture by picture: datasets/portraits/images/LICENCES.md"
CITATION = "DeBruine, L. (2016). Young adult composite faces. figshare. https://doi.org/10.6084/m9.figshare.4055130.v1"


class PortraitsDataset(FolderDataset):
    """27 real pictures, aligned as the London set is; people are shown with one expression each.

    Domains: ``photo`` (six webcam and phone photos of one person, one studio portrait), ``composite`` (ten
    averages of photos), ``painting`` (one) and ``avatar`` (nine emoji in 3D). All are for tests: no split
    but ``test`` and ``all`` holds any. There are no true targets. Avatars and the painting have a slight
    smile and state no expression, so compare scores of ``happy`` with those of ``copy``.

    Args:
        split: ``train``, ``val``, ``test`` or ``all``.

    Raises:
        UnknownName: there is no such split.
    """

    def __init__(self, split: str = "test") -> None:
        spec = FolderSpec("ood-real", FOLDER, "manifest", licence=LICENCE, citation=CITATION)
        super().__init__(spec, split)
        self.expressions = BASIC
