"""What all tests share: the folder of real photos and parity vectors, and the rule about skips on CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fesbench import weights
from fesbench.cli import main
from fesbench.core.errors import WeightsMissing

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
NO_SHARED = "needs the folder 'shared' beside the checkout (real photos, parity vectors)"

ON_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with real photos and parity vectors."""
    if not SHARED.is_dir():
        pytest.skip(NO_SHARED)
    return SHARED


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run as version 0.1.0 wrote it, three models on rendered faces at 32 px; read only."""
    folder = tmp_path_factory.mktemp("runs")
    with tarfile.open(Path(__file__).parent / "data" / "runs" / "format-1.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "format-1"


@pytest.fixture(scope="session")
def call_bench() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call ``bench ARGUMENTS`` in this process, which takes seconds less than starting one.

    The exit code must be ``code``, 0 if it is not given; further keywords are environment variables.
    """

    def call(*arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["bench", *words])
            whole = click.Command("bench", callback=main)
            done = CliRunner(env=environment).invoke(whole, [], catch_exceptions=False, color=True)
        assert done.exit_code == code, done.stdout[-2000:] + done.stderr[-4000:]
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(finished_run, tmp_path / "copied"))


@pytest.fixture(scope="session")
def weights_folder(request: pytest.FixtureRequest) -> Path:
    """A weights folder with the portable files, fetched once into pytest's cache."""
    folder = request.config.cache.mkdir("fesbench-weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_WEIGHTS", str(folder))
        try:
            weights.fetch("portable")
        except WeightsMissing as error:
            pytest.skip(f"the portable weights cannot be fetched here: {error}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests away from what the user has registered, fetched and cached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def _allowed() -> re.Pattern[str]:
    """Reasons to skip that this machine cannot help; a missing 'shared' is one only where it is missing."""
    named = os.environ.get("FESBENCH_CI_ALLOWED_SKIPS", "")
    reasons = [
        "cuda",
        "another kind of processor",
        "superuser",
        *map(re.escape, named.split(",")),
        *([] if SHARED.is_dir() else ["shared"]),
    ]
    return re.compile("|".join(filter(None, reasons)), re.IGNORECASE)


class SkipWatch:
    """On CI, a test that skips for a reason which could have been mended fails the session."""

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Remember a report of an unexpected skip."""
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not _allowed().search(reason):
            self.unexpected.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = note
    pytest_collectreport = note

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn success into failure."""
        if self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which tests skipped that should have run."""
        if self.unexpected:
            terminalreporter.section("skipped, though nothing may skip for this on CI", red=True)
            for line in self.unexpected:
                terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Watch skips on CI only: a laptop may lack things."""
    if ON_CI:
        config.pluginmanager.register(SkipWatch(), "skip-watch")
