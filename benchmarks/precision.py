"""How far scores move when nothing of importance changes; prints a Markdown table.

The five outputs of ``bench metrics check`` are scored again with other numbers, batches, threads, file
formats and filters. Run from the checkout, with the portable weights fetched:

    python benchmarks/precision.py

``--known`` writes what ``bench metrics check`` compares with, ``bench/testing/golden_scores.json``, instead.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch.nn import functional
from validity import compressed

from fesbench.core.contracts import Edit, Image
from fesbench.datasets.images import resize
from fesbench.datasets.rendered import EXPRESSIONS, RenderedDataset
from fesbench.metrics.registry import load_metrics, metric_names
from fesbench.scoring.scorer import Scorer
from fesbench.scoring.shards import score_shard, shard_references
from fesbench.testing.golden_scores import FILE, fixed_outputs, measured

SIZE, LARGE = 128, 384
TABLE = Path(__file__).parents[1] / "bench" / "testing" / FILE


class OneByOne(Scorer):
    """Looks at each image by itself."""

    def features(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """As by ``Scorer``, in batches of one."""
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        return {
            name: torch.cat([network.features(image[None]) for image in pixels]).numpy()
            for name, network in self.networks.items()
        }


def main() -> None:
    """Print the table of differences, or write that of known scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--known", action="store_true", help="write bench/testing/golden_scores.json")
    torch.set_num_threads(1)
    if parser.parse_args().known:
        TABLE.write_text(json.dumps(measured(scorer()), indent=1) + "\n", encoding="utf-8")
    else:
        print(markdown(differences(scorer())))


def scorer() -> Scorer:
    """All metrics that can be had here."""
    metrics, _ = load_metrics(metric_names(), "embedded")
    return Scorer.of(metrics, SIZE)


def differences(all_metrics: Scorer) -> pd.DataFrame:
    """The largest difference of any output's score (row) under each change (column)."""
    edits, outputs = fixed_outputs()
    before = scores(all_metrics, edits, outputs)
    found = {
        "one by one": scores(OneByOne(**vars(all_metrics)), edits, outputs),
        "2 threads": with_two_threads(lambda: scores(all_metrics, edits, outputs)),
        "bfloat16": in_bfloat16(lambda: scores(all_metrics, edits, outputs)),
        "JPEG 95": scores(all_metrics, edits, compressed(outputs, 95)),
    }
    moved = {name: (after - before).abs().max() for name, after in found.items()}
    large = second_photos(LARGE)
    before = scores(all_metrics, edits, [resize(image, SIZE) for image in large])
    for name, shrink in FILTERS.items():
        moved[name] = (scores(all_metrics, edits, [shrink(image) for image in large]) - before).abs().max()
    return pd.DataFrame(moved)


def scores(some_metrics: Scorer, edits: Sequence[Edit], outputs: Sequence[Image]) -> pd.DataFrame:
    """One row for each output, one column for each score; a set's score stands in every row."""
    scored = score_shard(list(outputs), shard_references(edits, {}, some_metrics), some_metrics)
    shown = [metric.card.column_names[0] for metric in some_metrics.image_metrics]
    shown += [f"ecs.probability@{name.partition('@')[2]}" for name in shown if name.startswith("ecs@")]
    table = scored.rows.pivot(index="edit", columns="metric", values="value")[sorted(shown)]
    truths = np.stack([edit.truth.load() for edit in edits if edit.truth])
    real = replace(some_metrics, image_metrics=()).features(truths)
    for metric in some_metrics.set_metrics:
        name = metric.network.card.name
        table[metric.card.id] = metric.compute(scored.features[name], real[name])
    return table


def with_two_threads(work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The same on two cores."""
    torch.set_num_threads(2)
    try:
        return work()
    finally:
        torch.set_num_threads(1)


def in_bfloat16(work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The same under ``torch.autocast``, whose matrix products and convolutions have 8 significant bits."""
    with torch.autocast("cpu", torch.bfloat16):
        return work()


def second_photos(size: int) -> list[Image]:
    """The outputs of ``fixed_outputs``, rendered at another size."""
    data = RenderedDataset("test", subjects=1, size=size)
    return [second.load() for _, second in data.pairs()[:: len(EXPRESSIONS)]]


def bilinear(image: Image) -> Image:
    """Pillow's bilinear filter, which widens with the reduction as its bicubic does."""
    return np.asarray(Pillow.fromarray(image).resize((SIZE, SIZE), Pillow.Resampling.BILINEAR))


def pointwise(image: Image) -> Image:
    """Bilinear between the nearest four pixels: the default of PyTorch and OpenCV, which aliases."""
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    small = functional.interpolate(pixels, size=(SIZE, SIZE), mode="bilinear")
    return small[0].permute(1, 2, 0).round().to(torch.uint8).numpy()


FILTERS = {"bilinear": bilinear, "aliasing": pointwise}


def markdown(moved: pd.DataFrame) -> str:
    """The table as Markdown, with the differences to one digit."""
    lines = [["score", *moved.columns], ["---"] * (1 + len(moved.columns))]
    lines += [
        [f"`{name}`", *(f"{value:.0e}" for value in row)]
        for name, row in zip(moved.index, moved.values, strict=True)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
