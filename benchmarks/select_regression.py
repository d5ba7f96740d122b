"""Chooses window, penalty and target of RegGAN's regression stage on validation subjects.

Fits on the rendered studio train split, edits the studio val split, and prints for every setting the share
of outputs in which the development judge sees the target expression, and the error to the truth. Neither
test subjects, nor other domains, nor the final judge are looked at. Run from the checkout:

    python benchmarks/select_regression.py
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import numpy as np
import torch

from fesbench.core.contracts import Batch, Dataset, Edit, Image
from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader, load_ahead
from fesbench.datasets.registry import load_dataset
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.metrics.fidelity import Fidelity
from fesbench.metrics.registry import load_metric
from fesbench.reggan.model import RegressionStage
from fesbench.runs.fitting import Preloaded

SIZE = 128
WINDOWS = (3, 5, 7)
PENALTIES = (0.4, 1.0, 3.0, 10.0, 30.0)


def main() -> None:
    """Print one line for each setting."""
    loader = ImageLoader(2)
    train = Preloaded(load_dataset("rendered", "train"), loader, SIZE)
    (val,) = load_ahead([load_dataset("rendered", "val").edits()], loader)
    loader.close()
    print("| window | penalty | target | ECS (development judge) | MAE changed | MAE face |")
    print("|---|---|---|---|---|---|")
    for window, penalty, residual in itertools.product(WINDOWS, PENALTIES, (True, False)):
        model = RegressionStage(window, penalty, residual=residual)
        model.fit(train, None, 0)
        ecs, changed, face = judge(outputs_of(model, train, val.edits), val.edits)
        target = "difference" if residual else "image"
        print(f"| {window} | {penalty} | {target} | {ecs:.3f} | {changed:.2f} | {face:.2f} |")
        sys.stdout.flush()


def outputs_of(model: RegressionStage, train: Dataset, edits: Sequence[Edit]) -> list[Image]:
    """The model's outputs, (128, 128, 3) uint8 each."""
    answers = GeneratorSynthesizer(model, train.expressions, SIZE).answer(edits)
    return [answer for answer in answers if isinstance(answer, np.ndarray)]


def judge(outputs: Sequence[Image], edits: Sequence[Edit]) -> tuple[float, float, float]:
    """Mean ECS of the development judge, and mean absolute errors in grey levels."""
    metric = load_metric("ecs@embedded-judge1")
    (network,) = metric.networks
    images = np.stack(outputs)
    features = network.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    batch = Batch(
        edits,
        images,
        np.stack([resize(edit.source.load(), SIZE) for edit in edits]),
        [edit.truth.load() for edit in edits],
        [edit.source.load_mask() for edit in edits],
        {network.card.name: {"output": features}},
    )
    errors = Fidelity().score(batch)
    ecs = metric.score(batch)["ecs@embedded-judge1"]
    return float(ecs.mean()), float(np.nanmean(errors["mae.changed"])), float(np.nanmean(errors["mae.face"]))


if __name__ == "__main__":
    main()
