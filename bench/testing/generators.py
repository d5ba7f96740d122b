"""Conformance checks of generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from fesbench.datasets.expressions import EXPRESSIONS, known_name
from fesbench.datasets.rendered import Shot, ibug_landmarks_of

from ..core.contracts import NEUTRAL, UNKNOWN_LABEL, Generator, LandmarkGenerator
from ..core.errors import UnsupportedEdit
from .datasets import SAFE_NAME
from .findings import Finding, part_name, run_checks

TOLERANCE = 1e-4
"""Largest difference between batch sizes, on images in [-1, 1]; an 8-bit grey level is 8e-3 wide."""

DARKEST, BRIGHT = -0.05, 0.5
"""Outputs without anything darker, but with something brighter, look like images in [0, 1]."""

MODE_DEPENDENT = (_BatchNorm, _DropoutNd)
"""Layers whose outputs in training mode depend on chance or on the batch."""


def check_generator(generator: Generator) -> tuple[Finding, ...]:
    """Check a generator against the contract ``fesbench.Generator``.

    Returns:
        One finding for each check.

    Raises:
        ConformanceError: any check failed.
    """
    checked = _WithLandmarks(generator) if isinstance(generator, LandmarkGenerator) else generator
    return run_checks(f"generator {part_name(generator)}", checked, GENERATOR_CHECKS)


class _WithLandmarks(Generator):
    """A generator that is told, of every image, where the landmarks of the same rendered face lie."""

    def __init__(self, generator: LandmarkGenerator) -> None:
        self.generator, self.card = generator, generator.card
        self.landmarks = torch.from_numpy(ibug_landmarks_of(Shot(0, NEUTRAL, "studio", 0, 64)))

    def synthesize(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        landmarks = self.landmarks.expand(len(images), -1, -1)
        return self.generator.synthesize(images, source, target, landmarks)


class Probe(NamedTuple):
    """Arguments of one call of ``synthesize``."""

    images: Tensor
    source: Tensor
    target: Tensor


def _probe(generator: Generator, batch: int = 3) -> Probe:
    """Return different smooth images in colour, with the labels in turn as targets."""
    size = generator.card.resolution or 64
    y, x = torch.meshgrid(torch.linspace(0, 6, size), torch.linspace(0, 6, size), indexing="ij")
    phase = torch.arange(3 * batch).reshape(batch, 3, 1, 1)
    images = torch.sin(x + 0.7 * phase) * torch.cos(y - 0.4 * phase)
    labels = max(len(generator.card.expressions), 1)
    source = torch.full((batch,), 0 if generator.card.needs_source else UNKNOWN_LABEL)
    return Probe(images, source, torch.arange(batch) % labels)


def _card_filled(generator: Generator) -> str | None:
    card = generator.card
    wrong = [name for name in ("name", "title", "weights") if not getattr(card, name)]
    wrong += [] if SAFE_NAME.fullmatch(card.name) else ["name (letters, digits, '.', '_' and '-' only)"]
    names = [known_name(name) for name in card.expressions]
    wrong += ["expressions (repeated)"] if len(set(names)) < len(names) else []
    unknown = [name for name in names if name not in EXPRESSIONS]
    wrong += [f"expressions (unknown: {name}; known: {', '.join(EXPRESSIONS)})" for name in unknown[:1]]
    wrong += ["resolution (not positive)"] if card.resolution is not None and card.resolution < 1 else []
    trained = card.supervision != "none"
    wrong += (
        ["trained_on (supervision is stated)"] if trained and not (card.trained_on or card.weights) else []
    )
    return f"missing or wrong on the card: {', '.join(wrong)}" if wrong else None


def _shape_and_type(generator: Generator) -> str | None:
    probe = _probe(generator)
    outputs = generator.synthesize(*probe)
    got = (tuple(outputs.shape), outputs.dtype, outputs.device)
    wanted = (tuple(probe.images.shape), torch.float32, probe.images.device)
    return None if got == wanted else f"gave {got}, not {wanted}"


def _value_range(generator: Generator) -> str | None:
    outputs = generator.synthesize(*_probe(generator))
    if not torch.isfinite(outputs).all():
        return "gave values that are not finite"
    low, high = outputs.min().item(), outputs.max().item()
    if low < -1 or high > 1:
        return f"gave values in [{low:.3g}, {high:.3g}], not [-1, 1]"
    if low > DARKEST and high > BRIGHT:
        return (
            f"gave values in [{low:.3g}, {high:.3g}] for inputs in [-1, 1]: outputs must be in [-1, 1], and "
            "these look like [0, 1], where black would be grey"
        )
    return None


def _deterministic(generator: Generator) -> str | None:
    """Compare two calls with other images in between, and from other random states."""
    probe, other = _probe(generator), _probe(generator, batch=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = generator.synthesize(*probe).clone()
        generator.synthesize(*other)
        torch.manual_seed(2)
        second = generator.synthesize(*probe)
    if torch.equal(first, second):
        return None
    return f"two calls differ by up to {_gap(first, second):.3g}{_training_advice(generator)}"


def _batch_independent(generator: Generator) -> str | None:
    probe = _probe(generator)
    together = generator.synthesize(*probe).clone()
    alone = torch.cat([generator.synthesize(*(part[i : i + 1] for part in probe)) for i in range(3)])
    gap = _gap(together, alone)
    if gap <= TOLERANCE:
        return None
    return f"an image alone and in a batch differ by up to {gap:.3g}{_training_advice(generator)}"


def _training_advice(generator: Generator) -> str:
    """Name the layers that may be the reason: dropout and batch normalisation in training mode.

    Instance normalisation is not among them: in training mode it depends on the image alone, and ``.eval()``
    on a network that tracks its statistics changes the pictures.
    """
    checked = generator.generator if isinstance(generator, _WithLandmarks) else generator
    networks = [part for part in vars(checked).values() if isinstance(part, nn.Module)]
    layers = [
        f"{name or type(layer).__name__} ({type(layer).__name__})"
        for network in networks
        for name, layer in network.named_modules()
        if layer.training and isinstance(layer, MODE_DEPENDENT)
    ]
    if not layers:
        return ""
    return f"; call .eval() on these layers, not on the whole network: {', '.join(layers[:6])}"


def _inputs_untouched(generator: Generator) -> str | None:
    probe = _probe(generator)
    before = [part.clone() for part in probe]
    generator.synthesize(*probe).mul_(0)
    changed = [n for n, a, b in zip(Probe._fields, before, probe, strict=True) if not torch.equal(a, b)]
    return f"changed or handed back its own {', '.join(changed)}" if changed else None


def _no_gradient(generator: Generator) -> str | None:
    outputs = generator.synthesize(*_probe(generator))
    return "outputs carry a gradient" if outputs.requires_grad else None


def _every_label(generator: Generator) -> str | None:
    count = len(generator.card.expressions)
    if count < 2 or generator.card.control:
        return None
    probe = _probe(generator, batch=1)
    outputs = [
        generator.synthesize(probe.images, probe.source, torch.tensor([label])).clone()
        for label in range(count)
    ]
    return "the same output for every target" if all(_gap(outputs[0], o) == 0 for o in outputs[1:]) else None


def _unknown_target(generator: Generator) -> str | None:
    count = len(generator.card.expressions)
    if not count:
        return None
    probe = _probe(generator, batch=1)
    for label in (count, UNKNOWN_LABEL):
        if not _refuses(generator, Probe(probe.images, probe.source, torch.tensor([label]))):
            return f"answers target label {label}, which it does not have, instead of raising UnsupportedEdit"
    return None


def _unknown_source(generator: Generator) -> str | None:
    probe = _probe(generator, batch=1)
    unknown = Probe(probe.images, torch.tensor([UNKNOWN_LABEL]), probe.target)
    if generator.card.needs_source:
        refuses = _refuses(generator, unknown)
        return None if refuses else "needs the source, but answers unknown ones; raise UnsupportedEdit"
    answer = generator.synthesize(*unknown).clone()
    for label in range(max(len(generator.card.expressions), 1)):
        known = Probe(probe.images, torch.tensor([label]), probe.target)
        if not torch.equal(answer, generator.synthesize(*known)):
            return f"an unknown source and source label {label} differ, but its card says it needs no source"
    return None


def _refuses(generator: Generator, probe: Probe) -> bool:
    try:
        generator.synthesize(*probe)
    except UnsupportedEdit:
        return True
    return False


def _gap(first: Tensor, second: Tensor) -> float:
    return (first - second).abs().max().item() if first.shape == second.shape else float("inf")


GENERATOR_CHECKS: dict[str, Callable[[Generator], str | None]] = {
    "card is filled in": _card_filled,
    "shape, dtype and device": _shape_and_type,
    "values in [-1, 1]": _value_range,
    "deterministic": _deterministic,
    "independent of the batch": _batch_independent,
    "leaves its inputs alone": _inputs_untouched,
    "no gradient": _no_gradient,
    "answers every label": _every_label,
    "refuses unknown targets": _unknown_target,
    "unknown sources": _unknown_source,
}
