"""RegGAN on real photos, cross-validated: how sharp its smiles are, and what they cost.

Reads a finished run on London in which RegGAN was trained in folds (docs/london.md has the commands), prints
means and paired differences as a table, and draws people chosen by a seed:

    python benchmarks/london.py runs/london-folds --picture docs/images/london_reggan.png
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image as PILImage

from fesbench.core.contracts import Dataset, Image
from fesbench.datasets.images import load_image, resize
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.splits import shuffled
from fesbench.reggan.model import RegGAN
from fesbench.reggan.network import RegGANNetwork
from fesbench.statistics.intervals import clustered_means

SIZE = 128
MOUTH = (slice(int(0.62 * SIZE), int(0.82 * SIZE)), slice(int(0.32 * SIZE), int(0.68 * SIZE)))
"""Rows and columns where the mouth lies; the eyes of the crops stand at 40% of the height."""

PEOPLE = 6
WHOLE, FIRST, ALONE, TRUTH = "reggan", "reggan-first-stage", "reggan-regression", "truth"
COLUMNS = {
    "neutral": "copy",
    "regression alone": ALONE,
    "first stage": FIRST,
    "RegGAN": WHOLE,
    "truth": TRUTH,
}
SHARES = {"ecs@fer": True, "ecs@face-api": True}
METRICS = ("ecs@fer", "ecs@face-api", "fss@dlib", "mae.face", "sharpness")


class FirstStage(RegGAN):
    """A trained RegGAN without its refinement: what the second stage has to improve on."""

    template = replace(RegGAN.template, name=FIRST, title="RegGAN, first stage")

    @classmethod
    def from_checkpoint(
        cls, path: Path | str, expressions: Sequence[str] | None = None, resolution: int | None = None
    ) -> Self:
        """The regression of a RegGAN's checkpoint; see ``NeuralGenerator.from_checkpoint``."""
        whole = RegGAN.from_checkpoint(path, expressions, resolution)
        alone = cls(RegGANNetwork(whole.network.regression, None), whole.card.expressions, SIZE)
        alone.card = replace(alone.card, trained_on=whole.card.trained_on, weights=whole.card.weights)
        return alone


def main() -> None:
    """Print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="chooses the people of the picture")
    args = parser.parse_args()
    data = load_dataset("london", "all")
    images = {name: outputs(args.run, name, data) for name in COLUMNS.values()}
    scores = pd.concat([pd.read_parquet(args.run / "scores.parquet"), sharpness(images)])
    print(table(scores))
    if args.picture:
        chosen = shuffled(images[TRUTH], args.seed)[:PEOPLE]
        rows = [np.hstack([images[name][subject] for name in COLUMNS.values()]) for subject in chosen]
        PILImage.fromarray(np.vstack(rows)).save(args.picture)


def outputs(run: Path, name: str, data: Dataset) -> Mapping[str, Image]:
    """Each subject's image by one model of the run, (SIZE, SIZE, 3) uint8; photos for the two controls."""
    photos = {"copy": "neutral", TRUTH: "happy"}
    if name in photos:
        samples = [sample for sample in data.samples() if sample.expression == photos[name]]
        return {sample.subject: resize(sample.load(), SIZE) for sample in samples}
    folder = run / "outputs" / name / data.name
    return {edit.source.subject: resize(load_image(folder / f"{edit.id}.png"), SIZE) for edit in data.edits()}


def sharpness(images: Mapping[str, Mapping[str, Image]]) -> pd.DataFrame:
    """Detail at the mouth against the true smile of the same person, as rows of scores; 1 is as sharp."""
    return pd.DataFrame(
        {
            "generator": name,
            "subject": subject,
            "metric": "sharpness",
            "value": detail(image) / detail(images[TRUTH][subject]),
        }
        for name, found in images.items()
        for subject, image in found.items()
    )


def detail(image: Image) -> float:
    """Root mean square of the Laplacian of the grey image at the mouth."""
    grey: NDArray[np.float64] = image.mean(2)
    neighbours = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    laplacian = np.zeros_like(grey)
    laplacian[1:-1, 1:-1] = neighbours - 4 * grey[1:-1, 1:-1]
    return float(np.sqrt(np.square(laplacian[MOUTH]).mean()))


def table(scores: pd.DataFrame) -> str:
    """Means of each model, then differences of the same people with 95% intervals, as Markdown."""
    lines = ["| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    values = {
        metric: part.pivot(index="subject", columns="generator", values="value").astype(float)
        for metric, part in scores[scores["metric"].isin(METRICS)].groupby("metric")
    }
    for name in COLUMNS.values():
        means = [f"{values[metric][name].mean():.3f}" for metric in METRICS]
        lines.append(f"| {name} | " + " | ".join(means) + " |")
    for other in (ALONE, FIRST):
        gaps = [difference(values[metric], other, SHARES.get(metric, False)) for metric in METRICS]
        lines.append(f"| {WHOLE} − {other} | " + " | ".join(gaps) + " |")
    return "\n".join(lines)


def difference(values: pd.DataFrame, other: str, share: bool) -> str:
    """RegGAN minus another model on the same people, with its interval."""
    both = values[[WHOLE, other]].dropna()
    gaps = (both[WHOLE] - both[other]).to_numpy()[:, None]
    bounds = (-1.0, 1.0) if share else (-np.inf, np.inf)
    found = clustered_means(gaps, both.index.to_numpy(), bounds, null=0.0)
    return f"{found.mean[0]:+.3f} ({found.low[0]:+.3f} to {found.high[0]:+.3f})"


if __name__ == "__main__":
    main()
