"""Train an expression classifier on a data set's train split and measure it on other subjects."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fesbench.datasets.expressions import in_order
from fesbench.datasets.images import resize
from fesbench.datasets.registry import load_dataset

from ...core.contracts import Dataset
from ...core.device import check_device
from ...core.errors import CheckpointError, DatasetError, ImageError, WeightsMissing
from ...core.names import safe_name
from ...core.paths import weights_folder
from ...core.plurals import counted
from ...metrics.networks.base import required
from ...metrics.networks.classifier import build, normalised, save
from ...weights.tensors import read_checkpoint
from ..progress import Note

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        backbone: Name of a torchvision network.
        init: ``none``, ``imagenet`` (torchvision downloads it), or the path of a torchvision state_dict.
        side: Pixels of the images that it sees.
        steps: The largest number of batches.
        budget: Seconds after which training ends before that.
        batch: Images in a step.
        rate: The highest learning rate.
        seed: Of weights, batches and augmentations.
    """

    backbone: str = "resnet18"
    init: str = "none"
    side: int = 128
    steps: int = 1000
    budget: float | None = None
    batch: int = 32
    rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class LabelledImages:
    """Images with their expressions.

    Attributes:
        images: (N, side, side, 3) uint8.
        targets: (N,) positions in ``labels``.
        labels: Names of expressions.
        subjects: The number of people.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    subjects: int


def load_labelled(dataset: Dataset, side: int, labels: Sequence[str] = ()) -> LabelledImages:
    """Load the readable images of a split whose expressions are known.

    Args:
        dataset: A split.
        side: Pixels to resize to.
        labels: Use only these expressions, in this order; all if empty.

    Raises:
        DatasetError: the images show fewer than two expressions.
    """
    samples = [s for s in dataset.samples() if s.expression and (not labels or s.expression in labels)]
    names = tuple(labels) or in_order(s.expression for s in samples if s.expression)
    images, targets, subjects = [], [], set()
    for sample in samples:
        try:
            images.append(resize(sample.load(), side))
        except ImageError:
            continue
        targets.append(names.index(str(sample.expression)))
        subjects.add((sample.domain, sample.subject))
    if len(set(targets)) < 2:
        raise DatasetError(
            f"the {dataset.split} split of {dataset.name} shows fewer than two expressions "
            f"({', '.join(sorted({names[target] for target in targets})) or 'none'}); a classifier needs two "
            "or more, in the train split and in the test split"
        )
    return LabelledImages(np.stack(images), np.array(targets), names, len(subjects))


@dataclass(frozen=True)
class ClassifierTraining:
    """What ``train_classifier`` made.

    Attributes:
        card: The path of the card; the weights lie beside it.
        metric: The id under which the classifier scores.
        labels: The expressions that it knows.
        held_out: What it reaches on subjects that it has not seen; see ``measure``.
    """

    card: Path
    metric: str
    labels: tuple[str, ...]
    held_out: dict[str, Any]


def train_classifier(
    data: str,
    recipe: Recipe = Recipe(),
    name: str | None = None,
    out: Path | None = None,
    device: str = "cpu",
    report: Note = log.info,
) -> ClassifierTraining:
    """Train an expression classifier on a train split, measure it on the test split, write it.

    Args:
        data: Name or folder of the data set.
        recipe: How to train.
        name: What follows ``ecs@`` in the metric's id; DATA-BACKBONE by default.
        out: The folder of the files, by default ``classifiers`` in the weights folder, where it is found as
            a metric.
        device: A torch device.
        report: Receives lines of progress.

    Raises:
        BenchError: the device, the data set, the backbone or ``recipe.init`` cannot be used.
    """
    check_device(device)
    train_set = load_dataset(data, "train")
    seen = load_labelled(train_set, recipe.side)
    unseen = load_labelled(load_dataset(data, "test"), recipe.side, seen.labels)
    images, people = counted(len(seen.targets), "image"), counted(seen.subjects, "subject")
    report(f"{images} of {people}, {counted(len(seen.labels), 'expression')}")
    module = train(seen, recipe, report, device)
    held_out = measure(module, unseen, device)
    name = safe_name(name or f"{train_set.name}-{recipe.backbone}")
    path = (out or weights_folder() / "classifiers") / f"{name}.json"
    save(module.cpu(), path, describe(recipe, train_set, seen, held_out))
    return ClassifierTraining(path, f"ecs@{name}", seen.labels, held_out)


def train(data: LabelledImages, recipe: Recipe, report: Note, device: str = "cpu") -> nn.Module:
    """Train a classifier with one output for each of ``data.labels``; return it in evaluation mode.

    Without a budget, the seed decides the result.

    Raises:
        CheckpointError: the file given as ``init`` is not of that backbone.
        WeightsMissing: torchvision is not installed, or cannot download ImageNet's weights.
    """
    torch.manual_seed(recipe.seed)
    rows, random = np.random.default_rng(recipe.seed), torch.Generator().manual_seed(recipe.seed)
    module = initial(recipe, len(data.labels)).train().to(device)
    optimizer = torch.optim.AdamW(module.parameters(), recipe.rate, weight_decay=0.02)
    chances = 1.0 / np.bincount(data.targets)[data.targets]
    started = time.monotonic()
    for step in range(recipe.steps):
        done = max(step / recipe.steps, (time.monotonic() - started) / (recipe.budget or float("inf")))
        if done >= 1:
            break
        optimizer.param_groups[0]["lr"] = recipe.rate * _share_of_rate(done)
        picked = rows.choice(len(data.targets), recipe.batch, p=chances / chances.sum())
        images = _varied(torch.from_numpy(data.images[picked]).permute(0, 3, 1, 2), random).to(device)
        targets = torch.from_numpy(data.targets[picked]).to(device)
        loss = functional.cross_entropy(module(normalised(images)), targets, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % max(1, recipe.steps // 10) == 0:
            report(f"step {step} of {recipe.steps}, loss {loss.item():.3f}")
    module.eval()
    return module


def _share_of_rate(done: float) -> float:
    """Return the share of the highest learning rate: a short rise, then half a cosine down to 0."""
    return float(min(1, 20 * done + 0.05) * (1 + np.cos(np.pi * done)) / 2)


def _varied(images: Tensor, random: torch.Generator) -> Tensor:
    """Mirror half of the batches, shift by up to a sixteenth, change brightness by up to a fifth."""
    images = images.flip(3) if torch.rand((), generator=random) < 0.5 else images
    reach = max(1, images.shape[-1] // 16)
    down, right = (int(torch.randint(-reach, reach + 1, (), generator=random)) for _ in range(2))
    shifted = functional.pad(images.float(), [reach] * 4, mode="replicate")
    shifted = shifted[..., reach + down :, reach + right :][..., : images.shape[-2], : images.shape[-1]]
    gain = 0.8 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=random)
    return (shifted * gain).clamp(0, 255)


def initial(recipe: Recipe, labels: int) -> nn.Module:
    """Return the network before its first step; see ``Recipe.init``.

    Raises:
        CheckpointError: the file given as ``init`` is not of that backbone.
        WeightsMissing: torchvision is not installed, or cannot download ImageNet's weights.
    """
    module = build(recipe.backbone, labels)
    if recipe.init == "none":
        return module
    given = _imagenet(recipe.backbone) if recipe.init == "imagenet" else _from_file(recipe.init)
    own = module.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and value.shape == own[name].shape}
    lost = [name for name in own if name not in fitting]
    if {name.partition(".")[0] for name in lost} - {"fc", "classifier"}:
        raise CheckpointError(f"{recipe.init} is no {recipe.backbone} of torchvision's: it lacks {lost[0]}")
    module.load_state_dict(fitting, strict=False)
    return module


def _from_file(path: str) -> dict[str, Tensor]:
    return read_checkpoint(Path(path)).state


def _imagenet(backbone: str) -> dict[str, Tensor]:
    weights = required("torchvision.models").get_model_weights(backbone).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(check_hash=True)
    except OSError as error:
        raise WeightsMissing(
            f"torchvision cannot download its weights of {backbone} ({error}); fetch {weights.url} where "
            "there is a network, and give the file with --init FILE"
        ) from error
    return state


def measure(module: nn.Module, data: LabelledImages, device: str = "cpu") -> dict[str, Any]:
    """Measure a classifier on images of subjects that it has not seen.

    Returns:
        accuracy, macro (mean over expressions), per_expression, confusion (rows: shown, columns: predicted,
        in the order of ``labels``), images, subjects.
    """
    stack = torch.from_numpy(data.images).permute(0, 3, 1, 2)
    with torch.inference_mode():
        parts = [module(normalised(part.to(device))).argmax(1).cpu() for part in torch.split(stack, 32)]
    count = len(data.labels)
    cells = data.targets * count + torch.cat(parts).numpy()
    confusion = np.bincount(cells, minlength=count * count).reshape(count, count)
    shown = confusion.sum(1)
    recalls = {name: float(confusion[i, i] / shown[i]) for i, name in enumerate(data.labels) if shown[i]}
    return {
        "images": len(data.targets),
        "subjects": data.subjects,
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "macro": float(np.mean(list(recalls.values()))),
        "per_expression": recalls,
        "confusion": confusion.tolist(),
    }


def describe(
    recipe: Recipe, train_set: Dataset, data: LabelledImages, held_out: dict[str, Any]
) -> dict[str, Any]:
    """Return the card of a classifier without the digest of its weights."""
    return {
        "backbone": recipe.backbone,
        "labels": list(data.labels),
        "side": recipe.side,
        "data": {
            "name": train_set.name,
            "split": train_set.split,
            "digest": train_set.digest,
            "images": len(data.targets),
            "subjects": sorted({sample.subject for sample in train_set.samples()}),
        },
        "training": asdict(recipe),
        "held_out": held_out,
    }
