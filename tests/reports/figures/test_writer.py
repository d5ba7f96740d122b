"""Figures that worker processes write."""

import os
import signal

import matplotlib.figure
import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.figures.canvas import save
from fesbench.reports.figures.writer import FigureWriter

NAMES = [f"figure-{number}" for number in range(5)]


def drawn(name):
    figure = matplotlib.figure.Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2, 3], label=name)
    figure.legend()
    return figure


def write_all(folder, workers):
    with FigureWriter(folder, workers) as writer:
        return [writer.write(drawn(name), name) for name in NAMES]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_workers_write_the_same_files(tmp_path):
    for name in NAMES:
        save(drawn(name), tmp_path / "here", name)
    paths = write_all(tmp_path / "there", workers=2)
    assert paths == [tmp_path / "there" / f"{name}.png" for name in NAMES]
    assert files(tmp_path / "here") == files(tmp_path / "there")
    assert len(files(tmp_path / "there")) == 2 * len(NAMES)


def test_what_a_worker_cannot_do_is_done_here(tmp_path):
    """A figure that cannot be sent, and all those of a worker that is killed."""
    unsent = drawn("unsent")
    unsent.axes[0].yaxis.set_major_formatter(lambda value, place: str(value))
    with FigureWriter(tmp_path, 1) as writer:
        writer.write(unsent, "unsent")
        assert (tmp_path / "unsent.pdf").is_file()
        writer.write(drawn("first"), "first")
        for process in list(writer._pool._processes.values()):
            os.kill(process.pid, signal.SIGKILL)
        for name in NAMES:
            writer.write(drawn(name), name)
    assert len(files(tmp_path)) == 2 * (len(NAMES) + 2)


def test_a_figure_that_cannot_be_written_ends_the_report(tmp_path):
    (tmp_path / "figure-1.pdf").mkdir()
    with pytest.raises(BenchError, match="cannot write"):
        write_all(tmp_path, workers=1)
