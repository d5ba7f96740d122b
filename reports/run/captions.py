"""Captions of the figures of a report."""

from __future__ import annotations

from fesbench.core.names import safe_name
from fesbench.runs.results import DatasetResults

from ..tables.table import metric_title

CAPTIONS = {
    "dots": "{metric} of each model in each domain. Lines are 95% intervals.",
    "trade-off": "Expression (ECS) against identity (FSS) in each domain; crosses are 95% intervals, up and "
    "right is better. A model that changes nothing stands at the lower right.",
    "slopes": "What models lose on the way from the domain that they learned (studio) to the mean of the "
    "others. Lines at the markers are 95% intervals.",
    "ranks": "Rank of each model over the domains, 1 is best. Controls are not ranked.",
    "truth": "How far each metric ranks the models within an edit as each comparison with the truth does: "
    "Kendall's τ with 95% intervals.",
    "metrics": "How alike metrics and comparisons with the truth rank the models within an edit: Kendall's "
    "τ, better with better.",
    "robustness": "Scores of outputs for inputs that were shifted, scaled and turned, truths alike; the "
    "controls show how far the metrics themselves mind it.",
    "confusion": "Percentage of outputs that the judge gives each expression, by the expression asked for.",
    "grid-curated": "Edits of each domain, of different people and expressions where there are any, drawn by "
    "the run's seed.",
    "grid-random": "Edits drawn at random by the run's seed, not curated.",
    "grid-best": "The edits with the best mean {metric} over the models; the mean stands at the left.",
    "grid-worst": "The edits with the worst mean {metric} over the models; the mean stands at the left.",
    "strip": "One person of the domain {part} in every expression, drawn by the run's seed.",
}
"""Captions by the beginning of the stem of a figure's file."""


def file_name(column: str) -> str:
    """Return a metric's id as part of a file's name."""
    return safe_name(column.replace("@", "-"))


def caption_of(results: DatasetResults, stem: str) -> str:
    """Return the caption of the figure with this stem; it begins with the data set."""
    kind = max((name for name in CAPTIONS if f"{stem}-".startswith(f"{name}-")), key=len, default="")
    part = stem.removeprefix(kind).strip("-")
    titles = {file_name(column): metric_title(column) for column in results.measures}
    text = CAPTIONS.get(kind, stem).format(metric=titles.get(part, part), part=part)
    return f"{results.dataset}: {text}"
