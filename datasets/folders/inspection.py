"""Inspection of image files: each is decoded once, and the finding is cached."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fesbench.core.errors import BenchError, ImageError
from fesbench.core.files import written_whole
from fesbench.core.paths import home

from ..images import DECODER, Trait, examine, read_bytes

log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """What is known of a file.

    ``reason`` says why it is unusable, and is empty otherwise; ``traits`` are names of ``images.Trait``.
    ``changed_ns`` is st_ctime_ns: unlike the time of modification, no program that writes a file sets it.
    """

    bytes: int
    modified_ns: int
    sha256: str
    reason: str
    traits: Sequence[str] = ()
    changed_ns: int = 0

    @property
    def noted(self) -> tuple[Trait, ...]:
        """What is to be noted of the image."""
        return tuple(Trait[name] for name in self.traits)


def inspect_images(root: Path, paths: Iterable[str]) -> dict[str, Finding]:
    """Relative path to finding, for files under ``root``.

    Every image is decoded in full the first time; findings are kept in ``FESBENCH_HOME`` and hold for a file
    as long as its size and its times of modification and of change stay the same.
    """
    cache = (
        home() / "cache" / "images" / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]}.json"
    )
    known = _read(cache)
    findings = {path: _inspect(root, path, known.get(path)) for path in paths}
    if any(known.get(path) != finding for path, finding in findings.items()):
        _write(cache, known | findings)
    return findings


def _write(cache: Path, findings: dict[str, Finding]) -> None:
    """Write findings; on a full disk or in a read-only home, go on without the cache."""
    content = json.dumps({"decoder": DECODER, "findings": findings})
    try:
        with written_whole(cache) as temporary:
            temporary.write_text(f"{_digest(content)}\n{content}", encoding="utf-8")
    except BenchError as error:
        log.warning("what is known of images is not kept: %s", error)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _read(cache: Path) -> dict[str, Finding]:
    try:
        digest, _, text = cache.read_text(encoding="utf-8").partition("\n")
        content = json.loads(text)
        if digest != _digest(text) or content["decoder"] != DECODER:
            return {}
        return {path: Finding(*finding) for path, finding in content["findings"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _inspect(root: Path, relative: str, known: Finding | None) -> Finding:
    """Return the known finding if the file is unchanged, else inspect it; passing failures are not kept."""
    try:
        status = os.stat(f"{root}/{relative}")
    except OSError as error:
        return Finding(0, 0, "", f"the file cannot be read: {error.strerror}")
    stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    if known and (known.bytes, known.modified_ns, known.changed_ns) == stamp:
        return known
    return _examined(root / relative, *stamp)


def _examined(path: Path, size: int, modified_ns: int, changed_ns: int) -> Finding:
    try:
        data = read_bytes(path)
    except ImageError as error:
        return Finding(0, 0, "", str(error))
    try:
        traits = [trait.name for trait in examine(data).traits]
    except ImageError as error:
        return Finding(size, modified_ns, "", str(error), (), changed_ns)
    except MemoryError:
        return Finding(0, 0, "", "too little memory to decode it")
    return Finding(size, modified_ns, hashlib.sha256(data).hexdigest(), "", traits, changed_ns)
