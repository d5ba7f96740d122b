"""Makes a large run out of a small one: the same scores and images again and again, under new edits.

    python benchmarks/repeat_run.py runs/small large --outputs 50000

For timing what reads runs; the numbers in it mean nothing.
"""

import argparse
import json
import os
from pathlib import Path

import pandas as pd

from fesbench.runs.store.store import RunStore
from fesbench.scoring.score_rows import SCORES


def repeat_run(small_folder: Path, large_folder: Path, outputs: int) -> None:
    """Write a run of at least so many outputs, whose images are hard links to those of the small one."""
    small, large = RunStore(small_folder), RunStore(large_folder)
    scores = small.read_scores()
    places = scores[["generator", "dataset", "edit"]].drop_duplicates()
    copies = -(-outputs // len(places))
    parts = []
    for number in range(copies):
        mark = f"copy{number}-"
        parts.append(scores.assign(subject=mark + scores["subject"], edit=mark + scores["edit"]))
        for generator, dataset, edit in places.itertuples(index=False):
            source = small.output_path(generator, dataset, edit)
            target = large.output_path(generator, dataset, mark + edit)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                os.link(source, target)
    large.write_scores(pd.concat(parts, ignore_index=True)[SCORES.names])
    for name in ("run.json", "identities.json", "summary.json"):
        content = json.loads((small_folder / name).read_text(encoding="utf-8"))
        for counts in content.get("outputs", {}).values():
            for model in counts.values():
                model.update({kind: copies * count for kind, count in model.items()})
        (large_folder / name).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("small", type=Path)
    parser.add_argument("large", type=Path)
    parser.add_argument("--outputs", type=int, default=50_000)
    given = parser.parse_args()
    repeat_run(given.small, given.large, given.outputs)
