"""How often intervals for other people and other trainings cover what they should: docs/intervals.md.

python benchmarks/trainings_simulation.py [REPEATS]

Four models are trained K times each and answer the same edits of 20 subjects, 6 each. The probability that an
output is right is logistic in a model's mean, the training, the subject, the subject under this training, and
the edit; all of these are normal. Trainings of the models vary by other amounts: by half the stated standard
deviation, by it (two of them), and by half as much again. The truth is the expectation over people and
trainings.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from fesbench.core.contracts import MetricCard
from fesbench.statistics import measures_of
from fesbench.statistics.comparisons import CELL_COLUMNS, DIFFERENCE_COLUMNS
from fesbench.statistics.intervals import clustered_means
from fesbench.statistics.trainings import Trainings, over_trainings

ECS = "ecs@simulated"
MEASURES = measures_of([MetricCard(ECS, "Expression", "higher", 0.0, 1.0, "share", "", (ECS,))])
MODELS, SUBJECTS, EDITS = 4, 20, 6
UNEQUAL = np.array([0.5, 1.0, 1.0, 1.5])
PEOPLE, INTERACTION, WITHIN = 0.7, 0.4, 0.7
TRUTH_DRAWS = 200_000

Floats = NDArray[np.float64]


class Setting(NamedTuple):
    """All models' mean (logit), the standard deviation of trainings, and trainings of each model."""

    mean: float
    trainings_sd: float
    trainings: int


SETTINGS = [Setting(mean, sd, count) for mean in (0.0, 2.0) for sd in (0.0, 0.3, 0.8) for count in (2, 3)]


def expectation(setting: Setting, rng: np.random.Generator) -> Floats:
    """Return the true share of each model."""
    draws = rng.standard_normal((2, TRUTH_DRAWS))
    others = np.sqrt(PEOPLE**2 + INTERACTION**2 + WITHIN**2)
    logits = setting.mean + setting.trainings_sd * UNEQUAL[:, None] * draws[0] + others * draws[1]
    shares: Floats = expit(logits).mean(1)
    return shares


def answers(setting: Setting, rng: np.random.Generator) -> Floats:
    """Return (SUBJECTS * EDITS, MODELS * K) 0 or 1; the trainings of a model are side by side."""
    columns = MODELS * setting.trainings
    trained = setting.trainings_sd * np.repeat(UNEQUAL, setting.trainings) * rng.standard_normal(columns)
    people = PEOPLE * rng.standard_normal((SUBJECTS, 1, 1))
    both = INTERACTION * rng.standard_normal((SUBJECTS, 1, columns))
    edits = WITHIN * rng.standard_normal((SUBJECTS, EDITS, 1))
    logits = setting.mean + trained + people + both + edits
    right = rng.random(logits.shape) < expit(logits)
    return right.reshape(SUBJECTS * EDITS, columns).astype(np.float64)


def frames(setting: Setting, repeats: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cells and differences of trainings, each repeat as a domain of its own."""
    subjects = np.repeat([f"s{i}" for i in range(SUBJECTS)], EDITS).astype(object)
    names = [f"{model}.{training}" for model in range(MODELS) for training in range(setting.trainings)]
    first, second = np.triu_indices(len(names), 1)
    cells, differences = [], []
    for repeat in range(repeats):
        values = answers(setting, rng)
        place = {
            "dataset": "set",
            "domain": str(repeat),
            "metric": ECS,
            "n_scored": len(values),
            "reason": "",
        }
        found = clustered_means(values, subjects, (0.0, 1.0))
        ends = {"value": found.mean, "low": found.low, "high": found.high}
        cells.append(pd.DataFrame({"generator": names, **place, **ends, "complete": True}))
        pairs = clustered_means(values[:, first] - values[:, second], subjects, (-1.0, 1.0), null=0.0)
        ends = {"difference": pairs.mean, "low": pairs.low, "high": pairs.high, "p": pairs.p}
        of = {"generator": np.take(names, first), "versus": np.take(names, second)}
        differences.append(pd.DataFrame({**of, **place, **ends}))
    return (
        pd.concat(cells).reindex(columns=CELL_COLUMNS),
        pd.concat(differences).reindex(columns=DIFFERENCE_COLUMNS),
    )


def covered(frame: pd.DataFrame, truth: NDArray[np.float64]) -> float:
    """Return the percentage of intervals that hold the truth."""
    return float(100 * ((frame["low"] <= truth) & (truth <= frame["high"])).mean())


def row(setting: Setting, repeats: int, seed: int) -> str:
    """Return one line of the table."""
    rng = np.random.default_rng(seed)
    truth = expectation(setting, rng)
    cells, differences = frames(setting, repeats, rng)
    trainings = Trainings({name: name.partition(".")[0] for name in cells["generator"].unique()})
    means, pairs = over_trainings(cells, differences, MEASURES, trainings)
    single = cells[cells["generator"].str.endswith(".0")]
    alone = differences[
        differences["generator"].str.endswith(".0") & differences["versus"].str.endswith(".0")
    ]

    def shares(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
        return truth[frame[column].str.partition(".")[0].astype(int)]

    numbers = [
        covered(single, shares(single, "generator")),
        covered(means, shares(means, "generator")),
        covered(alone, shares(alone, "generator") - shares(alone, "versus")),
        covered(pairs, shares(pairs, "generator") - shares(pairs, "versus")),
    ]
    widths = [(frame["high"] - frame["low"]).mean() for frame in (single, means)]
    stated = f"{truth.mean():.2f} | {setting.trainings_sd} | {setting.trainings}"
    shown = [*(f"{number:.1f}" for number in numbers), *(f"{width:.3f}" for width in widths)]
    return f"| {stated} | {' | '.join(shown)} |"


def main() -> None:
    """Print the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(
        "| share | SD of trainings (logit) | trainings | one, people only | mean | difference, one "
        "| difference | width, one | width, mean |"
    )
    for setting in SETTINGS:
        print(row(setting, repeats, seed=0), flush=True)


if __name__ == "__main__":
    main()
