"""The wheel of this checkout, built once, and throw-away environments to install it in."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Files that git has or would take, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a source distribution, as a release would be, so no stale build folder gets in."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """An empty environment; called with arguments, it runs its Python with them, away from the checkout.

    ``pip`` as first argument runs this session's pip on that environment.
    """
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        first, *rest = map(str, arguments)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        command = [*pip, *rest] if first == "pip" else [str(python), first, *rest]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)

    return run
