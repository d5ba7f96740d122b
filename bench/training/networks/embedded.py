"""Train the embedded metric networks: render faces, train, measure on held-out subjects, write the files.

Subjects are of the split ``judge``, which no generator sees. They are divided into training, validation (for
the identity threshold) and held-out subjects (for every number on the cards). Faces are rendered at 128
pixels, the resolution of runs, and averaged down to the input size as the networks do it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fesbench.datasets.rendered import DOMAINS, EXPRESSIONS, RENDERER_VERSION, render_face, subject_seed

from ...core.contracts import NEUTRAL
from ...core.errors import UnknownName
from ...metrics.networks import embedded
from ..progress import Note
from . import evaluation, fit, movement
from .rendered_faces import Faces

log = logging.getLogger(__name__)

SIDE = 128
INTENSITY = (0.6, 1.0)
"""The range of the expressions' intensities."""
WORKERS = 2
"""The number of processes; the result does not depend on it."""


class Portion(NamedTuple):
    """Subjects ``start`` to ``stop`` of each domain in the judge split, with ``photos`` photos of each.

    Each photo has another scene. Expressions and intensities are drawn at random; with as many photos as
    there are expressions, each expression is shown once.
    """

    start: int
    stop: int
    photos: int

    def places(self) -> list[tuple[int, int, int]]:
        """Return the numbers (domain, subject, photo) of each face."""
        return list(product(range(len(DOMAINS)), range(self.start, self.stop), range(self.photos)))


PORTIONS = {
    "train": Portion(0, 960, 3),
    "validation": Portion(960, 984, len(EXPRESSIONS)),
    "test": Portion(984, 1024, len(EXPRESSIONS)),
}
LARGE = {"train": 4, "validation": 0, "test": 1}
"""One of this many faces is kept at full size too, for the quality network; 0 for none."""


class Photo(NamedTuple):
    """A face, (3, SIDE, SIDE) uint8, and the numbers of its subject and expression."""

    image: NDArray[np.uint8]
    subject: int
    expression: int


def photo(place: tuple[int, int, int], photos: int, seed: int) -> Photo:
    """Render one face of a portion; ``place`` is one of ``Portion.places()``."""
    domain, index, number = place
    subject = subject_seed("judge", DOMAINS[domain], index, seed)
    random = np.random.default_rng([seed, subject, number])
    drawn, intensity = int(random.integers(len(EXPRESSIONS))), float(random.uniform(*INTENSITY))
    expression = number if photos == len(EXPRESSIONS) else drawn
    scene = int(random.integers(1 << 30))
    face = render_face(subject, EXPRESSIONS[expression], DOMAINS[domain], scene, intensity, SIDE)
    return Photo(np.ascontiguousarray(face.image.transpose(2, 0, 1)), subject, expression)


def halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a (3, SIDE, SIDE) uint8 image to half the size: each pixel is the mean of four."""
    sums = image.reshape(3, SIDE // 2, 2, SIDE // 2, 2).sum(axis=(2, 4), dtype=np.uint16)
    means: NDArray[np.uint8] = ((sums + 2) // 4).astype(np.uint8)
    return means


def render_portion(name: str, folder: Path, seed: int, report: Note, pool: Executor) -> None:
    """Render a portion of the faces into ``folder/NAME-64``, those kept at full size into ``NAME-128``."""
    portion = PORTIONS[name]
    places, started = portion.places(), time.monotonic()
    render = partial(photo, photos=portion.photos, seed=seed)
    photos: list[Photo] = []
    large: list[NDArray[np.uint8]] = []
    for count, one in enumerate(pool.map(render, places, chunksize=16)):
        if LARGE[name] and count % LARGE[name] == 0:
            large.append(one.image)
        photos.append(one._replace(image=halved(one.image)))
        if (count + 1) % 1000 == 0:
            left = (time.monotonic() - started) * (len(places) / (count + 1) - 1)
            report(f"rendering: {count + 1} of {len(places)} {name} faces, {left:.0f} s left")
    faces = _gather(photos, [domain for domain, *_ in places])
    faces.save(folder / f"{name}-{SIDE // 2}")
    if large:
        kept = faces.where(np.arange(0, len(faces), LARGE[name]))
        Faces(np.stack(large), kept.subject, kept.domain, kept.expression).save(folder / f"{name}-{SIDE}")


def _gather(photos: Sequence[Photo], domains: Sequence[int]) -> Faces:
    return Faces(
        np.stack([one.image for one in photos]),
        np.array([one.subject for one in photos]),
        np.array(domains),
        np.array([one.expression for one in photos]),
    )


def worker_processes() -> Executor:
    """Return a pool of ``WORKERS`` processes that compute with one thread each.

    Results depend on the number of threads; with one, they do not depend on the machine's cores.
    """
    return ProcessPoolExecutor(WORKERS, get_context("spawn"), _one_thread)


def _one_thread() -> None:
    torch.set_num_threads(1)


def render_all(cache: Path, seed: int, report: Note, pool: Executor) -> Path:
    """Return the folder under ``cache`` with the faces of a seed; render them unless they are there."""
    plan = json.dumps([RENDERER_VERSION, seed, SIDE, INTENSITY, PORTIONS, LARGE], sort_keys=True)
    folder = cache / hashlib.sha256(plan.encode()).hexdigest()[:16]
    finished = folder / "complete"
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for name in PORTIONS:
            render_portion(name, folder, seed, report, pool)
        finished.touch()
    return folder


SEEDS = {name: 101 + number for number, name in enumerate(embedded.ARCHITECTURES)}
"""Seeds of the networks' training, to which the user's seed is added."""


def train_nets(
    names: Iterable[str] = (),
    out: Path | None = None,
    cache: Path | None = None,
    seed: int = 0,
    report: Note = log.info,
) -> dict[str, dict[str, Any]]:
    """Train embedded networks, measure them on held-out subjects, write weights and cards.

    The same seed gives the same files on the same kind of machine with the same versions.

    Args:
        names: Which of ``embedded.ARCHITECTURES``; all if empty.
        out: Folder for ``NAME.safetensors`` and ``NAME.json``; the package's own by default.
        cache: Folder in which rendered faces are kept for the next time; 280 MB.
        seed: Of faces and training.
        report: Receives lines of progress, in the worker processes too: it must be possible to pickle it.

    Returns:
        The cards by name, in the order of ``names``.

    Raises:
        UnknownName: there is no such network.
    """
    wanted = list(names) or list(embedded.ARCHITECTURES)
    for name in wanted:
        if name not in embedded.ARCHITECTURES:
            raise UnknownName("network", name, embedded.ARCHITECTURES)
    out, cards = out or embedded.WEIGHTS, {}
    with ExitStack() as stack:
        pool = stack.enter_context(worker_processes())
        if "movement" in wanted:
            cards["movement"] = movement.fit(out, seed, report, pool)
        if learned := [name for name in wanted if name != "movement"]:
            cache = cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder = render_all(cache, seed, report, pool)
            cards |= _train_by_descent(learned, out, folder, seed, report, pool)
    return {name: cards[name] for name in wanted}


def _train_by_descent(
    names: Iterable[str], out: Path, folder: Path, seed: int, report: Note, pool: Executor
) -> dict[str, dict[str, Any]]:
    """Train networks on the faces in ``folder``; return their cards."""
    cards: dict[str, dict[str, Any]] = {}
    jobs = {pool.submit(_train_one, name, folder, out, seed, report): name for name in names}
    for job in as_completed(jobs):
        cards[jobs[job]] = job.result()
        report(f"{jobs[job]}: done, {json.dumps(cards[jobs[job]]['reached'])}")
    return cards


def _train_one(name: str, folder: Path, out: Path, seed: int, report: Note) -> dict[str, Any]:
    """Train a network, measure it as it is after rounding to half precision, write its files."""
    started = time.monotonic()
    faces = Faces.open(folder / f"train-{embedded.SIDES[name]}")
    module = fit.train(name, fit.RECIPES[name], faces, seed + SEEDS[name], report)
    described = _described(name, module, seed)
    embedded.save(name, module, described | {"reached": {}}, out)
    network = embedded.load(name, out)
    described |= _measured(name, network, folder) | {"seconds": round(time.monotonic() - started)}
    embedded.save(name, module, described, out)
    return described


def _described(name: str, module: torch.nn.Module, seed: int) -> dict[str, Any]:
    """Return how a network was made, for its card."""
    recipe = fit.RECIPES[name]
    portion = PORTIONS["train"]
    first, last = (round(share * portion.stop) for share in recipe.subjects)
    return {
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "dimension": {"identity": 128, "quality": 65}.get(name, len(EXPRESSIONS)),
        "labels": EXPRESSIONS if name.startswith("judge") else (),
        "seed": seed,
        "steps": recipe.steps,
        "data": {
            "renderer_version": RENDERER_VERSION,
            "split": "judge",
            "domains": DOMAINS,
            "subjects_per_domain": [first, last],
            "held_out_subjects_per_domain": [PORTIONS["test"].start, PORTIONS["test"].stop],
            "photos_per_subject": portion.photos,
            "intensity": INTENSITY,
        },
    }


def _measured(name: str, network: embedded.EmbeddedNetwork, folder: Path) -> dict[str, Any]:
    """Return what a network reaches on held-out subjects, for its card."""
    held_out = Faces.open(folder / f"test-{embedded.SIDES[name]}")
    if name == "quality":
        ladders = evaluation.quality_ladders(network, held_out)
        distances = evaluation.set_distances(network, held_out, neutral=EXPRESSIONS.index(NEUTRAL))
        return {
            "reached": {"levels": evaluation.LADDER, "quality": _rounded(ladders)},
            "set_distances": _rounded(_by_name(distances)),
        }
    if name == "identity":
        validation = Faces.open(folder / f"validation-{embedded.SIDES[name]}")
        return {
            "reached": _rounded(_by_name(evaluation.identity(network, held_out))),
            "verification": evaluation.verification(network, validation),
        }
    return {"reached": {"accuracy": _rounded(_by_name(evaluation.accuracy(network, held_out)))}}


def _by_name(measures: Mapping[int, Any]) -> dict[str, Any]:
    return {DOMAINS[domain]: value for domain, value in measures.items()}


def _rounded(value: Any) -> Any:
    """Return the same structure with numbers rounded to four decimals."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4)
