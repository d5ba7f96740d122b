"""The losses of a training, written step by step to a file and, where it is installed, to TensorBoard.

TensorBoard gets the sample grids and the validation scores of candidates as well; both are kept in files of
their own in any case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

import numpy as np
from PIL import Image as PILImage

from ..core.contracts import Image
from ..core.files import written_whole

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

LOSSES = "losses.jsonl"
CURVES = "curves"
WIDEST = 512
"""Pixels of the longer side of a sample grid in TensorBoard, whose files keep every one of them."""


class TrainingLog:
    """Writes the losses of a training; use it in a ``with`` block.

    Args:
        folder: Gets ``losses.jsonl`` and, where TensorBoard is installed, ``curves/``. None writes nothing,
            in processes other than the first.
        step: The number of steps made; lines of later steps, which will be made again, are dropped.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._lines: TextIO | None = None
        self._curves: SummaryWriter | None = None
        self._shown = step
        if folder is not None:
            _keep_lines(folder / LOSSES, step)
            self._lines = (folder / LOSSES).open("a", encoding="utf-8")
            self._curves = _curves(folder / CURVES, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._lines, self._curves):
            if file is not None:
                file.close()

    def write(self, step: int, losses: Mapping[str, float]) -> None:
        """Add the weighted losses of one step, by name."""
        if self._lines is not None:
            self._lines.write(json.dumps({"step": step, **losses}) + "\n")
        if self._curves is not None:
            for name, value in losses.items():
                self._curves.add_scalar(name, value, step)

    def write_samples(self, step: int, grid: Image) -> None:
        """Show a grid of samples, (H, W, 3) uint8, in TensorBoard, reduced to at most ``WIDEST`` pixels.

        The grid of a step is shown once; that of the step at which the log was opened was shown before.
        """
        if self._curves is not None and step > self._shown:
            small = PILImage.fromarray(grid)
            small.thumbnail((WIDEST, WIDEST))
            self._curves.add_image("samples", np.asarray(small), step, dataformats="HWC")
            self._shown = step

    def write_outcomes(self, step: int, means: Mapping[str, float]) -> None:
        """Add the validation scores of a candidate to TensorBoard, by name, as ``validation/NAME``."""
        if self._curves is not None:
            for name, value in means.items():
                self._curves.add_scalar(f"validation/{name}", value, step)

    def flush(self) -> None:
        """Write buffered lines to the files."""
        for file in (self._lines, self._curves):
            if file is not None:
                file.flush()


def has_tensorboard() -> bool:
    """Return whether TensorBoard is installed."""
    return find_spec("tensorboard") is not None


def _curves(folder: Path, step: int) -> SummaryWriter | None:
    if not has_tensorboard():
        return None
    from torch.utils.tensorboard.writer import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def _keep_lines(log: Path, count: int) -> None:
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)[:count] if log.exists() else []
    with written_whole(log) as unfinished:
        unfinished.write_text("".join(lines), encoding="utf-8")
