"""A seeded simulator of a run's scores with known truth."""

from math import inf

import numpy as np
import pandas as pd
import pytest

from fesbench.core.contracts import Column, MetricCard
from fesbench.scoring.score_rows import SCORES
from fesbench.statistics import summarise

DOMAINS = ("studio", "celebrity", "portrait", "statue", "avatar")
ECS, FSS = "ecs@embedded", "fss@embedded"
TARGETS = ("angry", "disgusted", "fearful", "happy", "sad", "surprised")

PREDICTED = Column("ecs.predicted@embedded", "predicted label", score=False)
VERIFIED = Column("fss.verified@embedded", "verified", "higher", 0.0, 1.0, "share")
PSNR = Column("psnr.face", "peak signal-to-noise ratio", "higher", 0.0, inf, "dB")
CARDS = (
    MetricCard(ECS, "Expression", "higher", 0.0, 1.0, "share", "", (ECS, PREDICTED)),
    MetricCard(FSS, "Face", "higher", -1.0, 1.0, "cosine", "", (FSS, VERIFIED)),
    MetricCard("fidelity", "Fidelity", "lower", 0.0, 255.0, "grey levels", "", ("mae.face", PSNR)),
    MetricCard("fid@embedded", "FID", "lower", 0.0, inf, "distance", "", ("fid@embedded",)),
    MetricCard("kid@embedded", "KID", "lower", -inf, inf, "distance", "", ("kid@embedded",)),
)

# generator: (share of right expressions, mean cosine, mean absolute error)
QUALITY = {
    "reggan": (0.90, 0.93, 6.0),
    "stargan": (0.70, 0.88, 11.0),
    "ganimation": (0.68, 0.87, 11.5),
    "copy": (0.02, 0.999, 14.0),
    "truth": (0.99, 0.95, 0.0),
}
BLOCKS = {(name, "rendered"): ("control" if name in ("copy", "truth") else "main") for name in QUALITY}


def simulate(seed=0, subjects=20, domains=DOMAINS, quality=None, dataset="rendered"):
    """Long-form scores: subjects differ in difficulty, every model alike."""
    rng = np.random.default_rng(seed)
    rows = []
    for domain in domains:
        for subject in range(subjects):
            ease = rng.normal(0, 0.05)
            for target in TARGETS:
                shared = rng.random()
                for name, (share, cosine, error) in (quality or QUALITY).items():
                    key = (
                        name,
                        dataset,
                        domain,
                        f"s{subject}",
                        f"{domain}-s{subject}--{target}",
                        "neutral",
                        target,
                    )
                    right = float(shared < min(max(share + ease, 0), 1))
                    similarity = float(np.clip(cosine + 0.03 * rng.normal(), -1, 1))
                    noise = abs(error + rng.normal()) if error else 0.0
                    values = {
                        ECS: right,
                        "ecs.predicted@embedded": 3.0,
                        FSS: similarity,
                        "fss.verified@embedded": float(similarity > 0.84),
                        "mae.face": noise,
                        "psnr.face": 48.0 - noise,
                    }
                    rows += [(*key, metric, value, None) for metric, value in values.items()]
    return pd.DataFrame(rows, columns=SCORES.names)


def simulate_sets(scores):
    """Set metrics for every generator and domain."""
    rows = [
        (name, "rendered", domain, metric, 10.0 + index, 120, 200, "train split", None, None)
        for domain in dict.fromkeys(scores["domain"])
        for index, name in enumerate(dict.fromkeys(scores["generator"]))
        for metric in ("fid@embedded", "kid@embedded")
    ]
    columns = [
        "generator",
        "dataset",
        "domain",
        "metric",
        "value",
        "n_outputs",
        "n_references",
        "references",
        "low",
        "high",
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="session")
def scores():
    return simulate()


@pytest.fixture(scope="session")
def set_scores(scores):
    return simulate_sets(scores)


@pytest.fixture(scope="session")
def summary(scores, set_scores):
    return summarise(scores, set_scores, CARDS, BLOCKS)


@pytest.fixture(scope="session")
def cards():
    return CARDS


@pytest.fixture(scope="session")
def blocks():
    return BLOCKS


@pytest.fixture(scope="session")
def quality():
    """Generator: (share of right expressions, mean cosine, mean absolute error)."""
    return QUALITY
