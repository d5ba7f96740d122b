"""Scores of a folder of images from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fesbench.datasets.pairs import PATTERN

from ..core.device import check_device
from .folders import Request, Scores, score_folders


def score(
    images: Path | str,
    sources: Path | str,
    reference: Path | str | None = None,
    metrics: Sequence[str] = (),
    backend: str = "embedded",
    targets: str = PATTERN,
    resolution: int | None = None,
    device: str = "cpu",
) -> Scores:
    """Score a folder of images against the photos they were made from; the same as ``bench score``.

    Args:
        images: The folder of what was made.
        sources: The folder of what it was made from.
        reference: A folder of real images for fid and kid, or an ``.npz`` of statistics for fid.
        metrics: Names or full ids; none means all that the folders allow.
        backend: Where the metrics' networks come from.
        targets: How images are named, or the path of a CSV file with the columns image, source, target.
        resolution: Brings all images to this size in pixels first; None scores them as they are.
        device: A torch device.

    Returns:
        ``cells``, one row for each measure with its interval; ``rows``, one for each image and measure; and
        what could not be computed.

    Raises:
        BenchError: folders are empty, names do not pair, images are damaged, or weights are missing.
    """
    check_device(device)
    real = Path(reference) if reference else None
    return score_folders(
        Request(Path(images), Path(sources), real, targets, tuple(metrics), backend, resolution, device)
    )
