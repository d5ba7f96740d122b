"""Outputs that work: the right expression, the same person, and a picture no worse than the worst real ones.

Networks of expression and identity look for what they were trained on and can find it in a picture that is
ruined. A quality network sees the ruin, but its level differs between kinds of pictures: what counts as
sound is what real photos of the same data set and domain reach.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..core.contracts import COPY, TRUTH
from .measures import works_column

WORST = 0.01
"""The share of real photos whose quality lies below what is asked for; of fewer than 100, the worst is it."""

Floors = Mapping[tuple[str, str], float]
"""(data set, domain) to the least quality of an output that works."""


def quality_floors(scores: pd.DataFrame, quality: str) -> dict[tuple[str, str], float]:
    """Return the 1st percentile of the quality of real photos: the outputs of ``copy`` and ``truth``.

    Args:
        scores: Long-form scores.
        quality: Column id of the quality.

    Returns:
        (data set, domain) to a quality that a real photo has; nothing where none was scored.
    """
    real = scores[(scores["metric"] == quality) & scores["generator"].isin([COPY, TRUTH])]
    found = real.assign(value=pd.to_numeric(real["value"])).dropna(subset=["value"])
    return {
        (str(key[0]), str(key[1])): float(np.quantile(np.unique(part["value"]), WORST, method="lower"))
        for key, part in found.groupby(["dataset", "domain"], sort=False)
    }


def works(scores: pd.DataFrame, joint: pd.DataFrame, quality: str, floors: Floors) -> pd.DataFrame:
    """Return which outputs work.

    Args:
        scores: Long-form scores.
        joint: What ``joint_success`` made of them.
        quality: Column id of the quality.
        floors: What ``quality_floors`` found; data sets and domains without one are left out.

    Returns:
        Long-form rows with metric ``works@BACKENDS``: 1 where joint success is 1 and the quality not below
        the floor, 0 where either is not, null with the reason where that cannot be known.
    """
    keys = ["generator", "dataset", "domain", "subject", "edit", "source", "target"]
    seen = scores[scores["metric"] == quality][[*keys, "value", "reason"]]
    pair = joint.merge(seen, on=keys, suffixes=("", "_quality"))
    places = zip(pair["dataset"], pair["domain"], strict=True)
    least = np.array([floors.get(place, np.nan) for place in places], dtype=np.float64)
    pair, least = pair[~np.isnan(least)], least[~np.isnan(least)]
    both, score = (pd.to_numeric(pair[name]).to_numpy(np.float64) for name in ("value", "value_quality"))
    failed = (both == 0) | (score < least)
    value = np.where(failed, 0.0, np.where((both == 1) & (score >= least), 1.0, np.nan))
    reason = pair["reason"].where(pair["reason"].notna(), pair["reason_quality"])
    names = [works_column(column, quality) for column in pair["metric"]]
    return pair[keys].assign(metric=names, value=value, reason=reason)


def floors_note(quality: str, floors: Floors) -> str:
    """Say what the floors are, for the notes of a summary."""
    listed = ", ".join(f"{domain} of {dataset} {floor:.3f}" for (dataset, domain), floor in floors.items())
    return (
        f"works@… asks, besides the right expression and a verified identity, for {quality} of at least "
        f"the 1st percentile of the real photos (sources and true targets) of the same domain: {listed}."
    )
