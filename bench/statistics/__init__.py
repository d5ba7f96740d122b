"""Intervals, paired tests, ranks, and the summary of a run.

Modules here ``import scipy`` and name ``scipy.special`` where they call it, so that scipy imports it at the
first call: a command that computes no interval does without that quarter of a second.
"""

from .comparisons import gain_over, joint_success, paired_differences, ranks
from .intervals import Interval, clustered_mean, clustered_means
from .measures import Measure, measures_of
from .multiplicity import holm
from .summary import Summary, summarise

__all__ = [
    "Interval",
    "Measure",
    "Summary",
    "clustered_mean",
    "clustered_means",
    "gain_over",
    "holm",
    "joint_success",
    "measures_of",
    "paired_differences",
    "ranks",
    "summarise",
]
