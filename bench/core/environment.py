"""Versions of packages and the commit of the code that computes a result."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("fesbench", "torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "pillow", "h5py")


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of packages that can change numbers; None where not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> dict[str, str | bool | None]:
    """Return the git commit of the checkout and whether it has changes; None for an installed package."""
    revision = _git("rev-parse", "HEAD")
    return {"commit": revision, "dirty": bool(_git("status", "--porcelain")) if revision else None}


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).parent
    try:
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", Path(__file__).name],
            capture_output=True,
            timeout=10,
        )
        if tracked.returncode:
            return None
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
