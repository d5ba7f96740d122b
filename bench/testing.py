"""Conformance suites: what the harness takes for granted about a generator, a data set or a metric.

Each ``check_…`` runs every check of its suite, returns the findings and raises one ``ConformanceError`` that
lists all that failed. Use them in the tests of your own parts, or run ``bench check-model``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .contracts import (
    UNKNOWN_LABEL,
    Batch,
    Dataset,
    Edit,
    Generator,
    Image,
    ImageMetric,
    Network,
    Sample,
    SetMetric,
)
from .errors import BenchError, UnsupportedEdit

TOLERANCE = 1e-4
"""Largest difference between batch sizes, on images in [-1, 1]; an 8-bit grey level is 8e-3 wide."""

SCORE_TOLERANCE = 1e-5
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")
Part = TypeVar("Part")


class Finding(NamedTuple):
    """The outcome of one check; ``problem`` is None where it passed."""

    check: str
    problem: str | None


class ConformanceError(BenchError, AssertionError):
    """A part that breaks its contract; ``findings`` holds the outcome of every check, passed ones too."""

    def __init__(self, subject: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        failed = [f"{finding.check}: {finding.problem}" for finding in findings if finding.problem]
        super().__init__(f"{subject} breaks its contract:\n  " + "\n  ".join(failed))


def check_generator(generator: Generator) -> tuple[Finding, ...]:
    """Check a generator against ``contracts.Generator``.

    Returns:
        One finding per check.

    Raises:
        ConformanceError: any check failed.
    """
    return _run(f"generator {_name(generator)}", generator, GENERATOR_CHECKS)


def check_dataset(dataset: Dataset, *others: Dataset, images: int = 16) -> tuple[Finding, ...]:
    """Check a data set, and that it shares no subject with ``others``, its other splits.

    Args:
        dataset: The split to check.
        others: Other splits of the same data.
        images: How many samples, evenly spread, are loaded.

    Raises:
        ConformanceError: any check failed.
    """
    checks: dict[str, Callable[[Dataset], str | None]] = {
        **DATASET_CHECKS,
        "images load as RGB": lambda part: _loading(part, images),
        "splits share no subject": lambda part: _shared_subjects(part, others),
    }
    return _run(f"data set {getattr(dataset, 'name', dataset)}", dataset, checks)


def check_metric(metric: ImageMetric | SetMetric) -> tuple[Finding, ...]:
    """Check a metric on made-up images: ranges, independence of order and of the rest of the batch.

    Raises:
        ConformanceError: any check failed.
    """
    if isinstance(metric, SetMetric):
        return _run(f"metric {_name(metric)}", metric, SET_METRIC_CHECKS)
    return _run(f"metric {_name(metric)}", metric, IMAGE_METRIC_CHECKS)


def _run(subject: str, part: Part, checks: dict[str, Callable[[Part], str | None]]) -> tuple[Finding, ...]:
    findings = tuple(Finding(title, _outcome(check, part)) for title, check in checks.items())
    if any(finding.problem for finding in findings):
        raise ConformanceError(subject, findings)
    return findings


def _outcome(check: Callable[[Part], str | None], part: Part) -> str | None:
    try:
        return check(part)
    except Exception as error:  # a part under test may raise anything
        return f"raised {type(error).__name__}: {error}"


def _name(part: Generator | ImageMetric | SetMetric) -> str:
    card = getattr(part, "card", None)
    return str(getattr(card, "name", None) or getattr(card, "id", None) or type(part).__name__)


# Generators


class Probe(NamedTuple):
    """Inputs of one call of ``synthesize``."""

    images: Tensor
    source: Tensor
    target: Tensor


def _probe(generator: Generator, batch: int = 3) -> Probe:
    """Smooth colourful images, every one different, with targets that run through the labels."""
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
    wrong += ["expressions (repeated)"] if len(set(card.expressions)) < len(card.expressions) else []
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
    return None if low >= -1 and high <= 1 else f"gave values in [{low:.3g}, {high:.3g}], not [-1, 1]"


def _deterministic(generator: Generator) -> str | None:
    probe = _probe(generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = generator.synthesize(*probe).clone()
        torch.manual_seed(2)
        second = generator.synthesize(*probe)
    return None if torch.equal(first, second) else f"two calls differ by up to {_gap(first, second):.3g}"


def _batch_independent(generator: Generator) -> str | None:
    probe = _probe(generator)
    together = generator.synthesize(*probe).clone()
    alone = torch.cat([generator.synthesize(*(part[i : i + 1] for part in probe)) for i in range(3)])
    gap = _gap(together, alone)
    return None if gap <= TOLERANCE else f"an image alone and in a batch differ by up to {gap:.3g}"


def _inputs_untouched(generator: Generator) -> str | None:
    probe = _probe(generator)
    before = [part.clone() for part in probe]
    generator.synthesize(*probe).mul_(0)
    changed = [n for n, a, b in zip(Probe._fields, before, probe, strict=True) if not torch.equal(a, b)]
    return f"changed or handed back its own {', '.join(changed)}" if changed else None


def _no_gradient(generator: Generator) -> str | None:
    outputs = generator.synthesize(*_probe(generator))
    return "outputs carry a gradient" if outputs.requires_grad else None


def _inference_mode(generator: Generator) -> str | None:
    generator.synthesize(*_probe(generator))
    modules = [part for part in vars(generator).values() if isinstance(part, nn.Module)]
    training = any(module.training for network in modules for module in network.modules())
    return "its network is in training mode; call .eval() when it is built" if training else None


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
    "inference mode": _inference_mode,
    "answers every label": _every_label,
    "refuses unknown targets": _unknown_target,
    "unknown sources": _unknown_source,
}


# Data sets


def _labels(dataset: Dataset) -> str | None:
    if not dataset.expressions or len(set(dataset.expressions)) < len(dataset.expressions):
        return f"expressions must be distinct and not empty, not {dataset.expressions}"
    known = (*dataset.expressions, None)
    foreign = {str(sample.expression) for sample in dataset.samples() if sample.expression not in known}
    return f"labels outside its expressions: {', '.join(sorted(foreign))}" if foreign else None


def _ids(dataset: Dataset) -> str | None:
    ids = [sample.id for sample in dataset.samples()]
    if not ids:
        return "has no samples"
    if len({name.lower() for name in ids}) < len(ids):
        return "ids repeat (upper and lower case count as the same, as on some file systems)"
    unsafe = [name for name in ids if not SAFE_NAME.fullmatch(name)]
    return f"ids that are no safe file names: {', '.join(unsafe[:3])}" if unsafe else None


def _stable(dataset: Dataset) -> str | None:
    first, second = list(dataset.samples()), list(dataset.samples())
    if first != second:
        return "samples() gives another answer the second time"
    if not re.fullmatch(r"[0-9a-f]{64}", dataset.digest) or dataset.digest != dataset.digest:
        return f"digest must be a stable sha256 in hexadecimal, not {dataset.digest!r}"
    return None


def _disjoint_references(dataset: Dataset) -> str | None:
    return _shared(dataset.samples(), dataset.references(), "references")


def _loading(dataset: Dataset, count: int) -> str | None:
    samples = dataset.samples()
    step = max(1, len(samples) // count)
    problems = (problem for sample in samples[::step] if (problem := _bad_image(sample)))
    return next(problems, None)


def _bad_image(sample: Sample) -> str | None:
    image: object = sample.load()
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return f"{sample.id} loads as {_described(image)}, not (H, W, 3) uint8"
    if not np.array_equal(image, sample.load()):
        return f"{sample.id} loads differently the second time"
    mask: object = sample.load_mask() if sample.load_mask else np.zeros(image.shape[:2], bool)
    if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != image.shape[:2]:
        return f"the mask of {sample.id} is {_described(mask)}, not {image.shape[:2]} bool"
    return None


def _described(value: object) -> str:
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _shared_subjects(dataset: Dataset, others: Sequence[Dataset]) -> str | None:
    problems = (_shared(dataset.samples(), other.samples(), other.split) for other in others)
    return next((problem for problem in problems if problem), None)


def _shared(samples: Sequence[Sample], others: Sequence[Sample], name: str) -> str | None:
    both = {sample.subject for sample in samples} & {sample.subject for sample in others}
    return f"shares subjects with {name}: {', '.join(sorted(both)[:3])}" if both else None


DATASET_CHECKS: dict[str, Callable[[Dataset], str | None]] = {
    "labels are its expressions": _labels,
    "ids are unique and file-safe": _ids,
    "stable order and digest": _stable,
    "references are other subjects": _disjoint_references,
}


# Metrics


def _made_up_images(count: int, seed: int, size: int = 64) -> NDArray[np.uint8]:
    """Blocky random images: (count, size, size, 3) uint8."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return blocks.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


def _features(network: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    features: NDArray[np.float32] = network.features(tensor).numpy()
    return features


def _batch(metric: ImageMetric, count: int = 4) -> Batch:
    """Edits of made-up images, all with a truth and a face region."""
    roles = {role: _made_up_images(count, seed) for seed, role in enumerate(("output", "source", "truth"))}
    mask = np.zeros((64, 64), bool)
    mask[8:56, 12:52] = True
    edits = [_edit(i, roles["source"][i], roles["truth"][i]) for i in range(count)]
    features = {
        network.card.name: {role: _features(network, images) for role, images in roles.items()}
        for network in metric.networks
    }
    masks = [mask] * count
    return Batch(edits, roles["output"], roles["source"], list(roles["truth"]), masks, features)


def _edit(index: int, source: Image, truth: Image) -> Edit:
    target = ("happy", "sad", "angry", "surprised")[index % 4]
    neutral = Sample(f"s{index}-neutral", f"s{index}", "neutral", "studio", lambda: source)
    return Edit(neutral, target, Sample(f"s{index}-{target}", f"s{index}", target, "studio", lambda: truth))


def _rows(batch: Batch, rows: Sequence[int]) -> Batch:
    """The batch with some of its rows, in the order given."""
    return Batch(
        [batch.edits[i] for i in rows],
        batch.outputs[rows],
        batch.sources[rows],
        [batch.truths[i] for i in rows],
        [batch.masks[i] for i in rows],
        {name: {k: v[rows] for k, v in roles.items()} for name, roles in batch.features.items()},
    )


def _metric_card(metric: ImageMetric | SetMetric) -> str | None:
    card = metric.card
    wrong = [name for name in ("id", "title", "direction", "meaning") if not getattr(card, name)]
    wrong += ["range (low is not below high)"] if not card.low < card.high else []
    wrong += ["columns (an image metric names its values)"] if _columnless(metric) else []
    return f"missing or wrong on the card: {', '.join(wrong)}" if wrong else None


def _columnless(metric: ImageMetric | SetMetric) -> bool:
    return isinstance(metric, ImageMetric) and not metric.card.columns


def _scores_in_range(metric: ImageMetric) -> str | None:
    scores = metric.score(_batch(metric))
    if set(scores) != set(metric.card.columns):
        return f"gives columns {sorted(scores)}, not {sorted(metric.card.columns)}"
    for column, values in scores.items():
        if values.shape != (4,) or values.dtype != np.float64:
            return f"{column} is {_described(values)}, not (4,) float64"
    headline = scores[metric.card.columns[0]]
    return _outside(metric, headline[~np.isnan(headline)])


def _outside(metric: ImageMetric | SetMetric, values: NDArray[np.float64]) -> str | None:
    card = metric.card
    wrong = values[(values < card.low) | (values > card.high)]
    return f"gives {wrong[0]:.4g}, outside [{card.low}, {card.high}]" if len(wrong) else None


def _order_free(metric: ImageMetric) -> str | None:
    return _same_rows(metric, [2, 0, 3, 1], "another order of the batch changes scores")


def _alone(metric: ImageMetric) -> str | None:
    return _same_rows(metric, [1], "an output alone scores differently than in a batch")


def _same_rows(metric: ImageMetric, rows: list[int], problem: str) -> str | None:
    batch = _batch(metric)
    whole, part = metric.score(batch), metric.score(_rows(batch, rows))
    same = all(_close(values[rows], part[column]) for column, values in whole.items())
    return None if same else problem


def _close(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.allclose(first, second, rtol=SCORE_TOLERANCE, atol=SCORE_TOLERANCE, equal_nan=True)


def _sets(metric: SetMetric) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return _features(metric.network, _made_up_images(12, 0)), _features(
        metric.network, _made_up_images(10, 1)
    )


def _distance_in_range(metric: SetMetric) -> str | None:
    value = np.array([metric.compute(*_sets(metric))])
    return _outside(metric, value) if np.isfinite(value).all() else f"gives {value[0]} for ordinary sets"


def _set_order_free(metric: SetMetric) -> str | None:
    outputs, references = _sets(metric)
    first, second = metric.compute(outputs, references), metric.compute(outputs[::-1], references[::-1])
    same = np.isclose(first, second, rtol=SCORE_TOLERANCE, atol=SCORE_TOLERANCE)
    return None if same else f"another order of the images gives {second}, not {first}"


IMAGE_METRIC_CHECKS: dict[str, Callable[[ImageMetric], str | None]] = {
    "card is filled in": _metric_card,
    "columns and range": _scores_in_range,
    "independent of order": _order_free,
    "independent of the batch": _alone,
}
SET_METRIC_CHECKS: dict[str, Callable[[SetMetric], str | None]] = {
    "card is filled in": _metric_card,
    "range": _distance_in_range,
    "independent of order": _set_order_free,
}
