"""From nothing to shipped networks: render the faces, train, measure, write weights and cards.

Subjects are of the split ``judge``, which no generator sees. They divide into training, validation (identity
threshold) and held-out subjects (every number on the cards). Faces are rendered at 128 px, the resolution of
runs, and averaged down to the input size as the networks will do it.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fesbench.datasets.rendered import DOMAINS, EXPRESSIONS, RENDERER_VERSION, render_face, subject_seed

from ...core.contracts import NEUTRAL
from ...metrics.networks import embedded
from . import evaluation as measure
from . import fit as training
from . import movement as movement_training
from .rendered_faces import Faces

Report = Callable[[str], None]

SIDE = 128
INTENSITY = (0.6, 1.0)
WORKERS = 2
"""Processes; the result does not depend on it."""


class Portion(NamedTuple):
    """Subjects ``start`` to ``stop`` of each domain in the judge split, with so many photos of each.

    Every photo has a scene of its own. Expressions and intensities are drawn; with as many photos as there
    are expressions, each is shown once.
    """

    start: int
    stop: int
    photos: int

    def places(self) -> list[tuple[int, int, int]]:
        """(domain, subject, photo) of each face."""
        return list(product(range(len(DOMAINS)), range(self.start, self.stop), range(self.photos)))


PORTIONS = {
    "train": Portion(0, 960, 3),
    "validation": Portion(960, 984, len(EXPRESSIONS)),
    "test": Portion(984, 1024, len(EXPRESSIONS)),
}
LARGE = {"train": 4, "validation": 0, "test": 1}
"""One in so many faces is kept at full size too, for the quality network; 0 for none."""


class Photo(NamedTuple):
    """A face (3, SIDE, SIDE) uint8, and the numbers of its subject and expression."""

    image: NDArray[np.uint8]
    subject: int
    expression: int


def photo(place: tuple[int, int, int], photos: int, seed: int) -> Photo:
    """Render the face of one place of a portion."""
    domain, index, number = place
    subject = subject_seed("judge", DOMAINS[domain], index, seed)
    random = np.random.default_rng([seed, subject, number])
    drawn, intensity = int(random.integers(len(EXPRESSIONS))), float(random.uniform(*INTENSITY))
    expression = number if photos == len(EXPRESSIONS) else drawn
    scene = int(random.integers(1 << 30))
    face = render_face(subject, EXPRESSIONS[expression], DOMAINS[domain], scene, intensity, SIDE)
    return Photo(np.ascontiguousarray(face.image.transpose(2, 0, 1)), subject, expression)


def halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(3, SIDE, SIDE) to half the size, each pixel the mean of four."""
    sums = image.reshape(3, SIDE // 2, 2, SIDE // 2, 2).sum(axis=(2, 4), dtype=np.uint16)
    means: NDArray[np.uint8] = ((sums + 2) // 4).astype(np.uint8)
    return means


def render_portion(name: str, folder: Path, seed: int, report: Report) -> None:
    """Render a portion of the faces into ``folder/NAME-64`` and its share at full size into ``NAME-128``."""
    portion = PORTIONS[name]
    places, started = portion.places(), time.monotonic()
    render = partial(photo, photos=portion.photos, seed=seed)
    photos: list[Photo] = []
    large: list[NDArray[np.uint8]] = []
    with multiprocessing.get_context("spawn").Pool(WORKERS, _one_thread) as pool:
        for count, one in enumerate(pool.imap(render, places, chunksize=16)):
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


def _one_thread() -> None:
    torch.set_num_threads(1)


def render_all(cache: Path, seed: int, report: Report) -> Path:
    """The folder under ``cache`` that holds the faces of a seed; rendered unless they are there already."""
    plan = json.dumps([RENDERER_VERSION, seed, SIDE, INTENSITY, PORTIONS, LARGE], sort_keys=True)
    folder = cache / hashlib.sha256(plan.encode()).hexdigest()[:16]
    finished = folder / "complete"
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for name in PORTIONS:
            render_portion(name, folder, seed, report)
        finished.touch()
    return folder


SEEDS = {name: 101 + number for number, name in enumerate(embedded.ARCHITECTURES)}
"""Seeds of the networks' training, to which the user's seed is added."""


def train_nets(
    names: Iterable[str], out: Path, cache: Path, seed: int, report: Report
) -> dict[str, dict[str, Any]]:
    """Render the faces, train the networks, measure them on held-out subjects, write weights and cards.

    The same seed gives the same files on the same kind of machine with the same versions.

    Args:
        names: Which of ``embedded.ARCHITECTURES``.
        out: Where ``NAME.safetensors`` and ``NAME.json`` go.
        cache: Where rendered faces are kept.
        seed: Of faces and training.
        report: Called with lines of progress.

    Returns:
        The cards.
    """
    wanted, fitted = list(names), {}
    if "movement" in wanted:
        wanted.remove("movement")
        fitted["movement"] = movement_training.fit(out, seed, report)
    return fitted | _train_by_descent(wanted, out, cache, seed, report) if wanted else fitted


def _train_by_descent(
    names: Iterable[str], out: Path, cache: Path, seed: int, report: Report
) -> dict[str, dict[str, Any]]:
    """Train all networks that are not fitted in closed form; see ``train_nets``."""
    folder = render_all(cache, seed, report)
    context = multiprocessing.get_context("spawn")
    cards: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(WORKERS, context, _one_thread) as pool:
        jobs = {pool.submit(_train_one, name, folder, out, seed): name for name in names}
        for job in as_completed(jobs):
            cards[jobs[job]] = job.result()
            report(f"{jobs[job]}: done, {json.dumps(cards[jobs[job]]['reached'])}")
    return cards


def _train_one(name: str, folder: Path, out: Path, seed: int) -> dict[str, Any]:
    started = time.monotonic()
    side = embedded.SIDES[name]
    module = training.train(
        name, training.RECIPES[name], Faces.open(folder / f"train-{side}"), seed + SEEDS[name], _say
    )
    described = _described(name, module, seed)
    embedded.save(name, module, described | {"reached": {}}, out)
    network = embedded.load(name, out)
    described |= _measured(name, network, folder) | {"seconds": round(time.monotonic() - started)}
    embedded.save(name, module, described, out)
    return described


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _described(name: str, module: torch.nn.Module, seed: int) -> dict[str, Any]:
    """How a network was made."""
    recipe = training.RECIPES[name]
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
    """What it reaches on held-out subjects, after rounding to half precision."""
    held_out = Faces.open(folder / f"test-{embedded.SIDES[name]}")
    if name == "quality":
        ladders = measure.quality_ladders(network, held_out)
        distances = measure.set_distances(network, held_out, neutral=EXPRESSIONS.index(NEUTRAL))
        return {
            "reached": {"levels": measure.LADDER, "quality": _rounded(ladders)},
            "set_distances": _rounded(_by_name(distances)),
        }
    if name == "identity":
        validation = Faces.open(folder / f"validation-{embedded.SIDES[name]}")
        return {
            "reached": _rounded(_by_name(measure.identity(network, held_out))),
            "verification": measure.verification(network, validation),
        }
    return {"reached": {"accuracy": _rounded(_by_name(measure.accuracy(network, held_out)))}}


def _by_name(found: Mapping[int, Any]) -> dict[str, Any]:
    return {DOMAINS[domain]: value for domain, value in found.items()}


def _rounded(value: Any) -> Any:
    """The same structure with four decimals."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4)
