"""Independence of metrics: of the subjects that are tested, and of the training of generators.

A metric is refused where its contamination is recorded. What nobody recorded is a note in every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..core.contracts import FeatureExtractor, GeneratorCard
from ..core.errors import SpecError
from ..metrics.ecs import ExpressionConsistency
from ..scoring.scorer import Scorer
from .plan import DatasetPlan

SHOWN = 5
REMEDY = "ask for another one by --metric: `bench metrics list` shows them"


def refuse_training_subjects(scorer: Scorer, plans: Sequence[DatasetPlan]) -> None:
    """Refuse expression classifiers that were trained on subjects of the run.

    Raises:
        SpecError: one was; names the subjects and the remedy.
    """
    for judge in _judges(scorer):
        for plan in plans:
            shared = sorted(_learned(judge, plan) & _subjects(plan))
            if shared:
                more = ", …" if len(shared) > SHOWN else ""
                raise SpecError(
                    f"{judge.card.name} learned from {len(shared)} of the subjects that {plan.name} tests "
                    f"({', '.join(shared[:SHOWN])}{more}): it would know their faces. Train it on other "
                    f"subjects, test others, or {REMEDY}"
                )


def refuse_training_networks(scorer: Scorer, cards: Iterable[GeneratorCard]) -> None:
    """Refuse networks that took part in training a generator that they would score.

    Raises:
        SpecError: one did; names it, the generator and the remedy.
    """
    for card in cards:
        for metric, networks in scorer.networks_by_metric:
            for network in networks:
                if {network.card.name, network.card.digest} & set(card.guided_by or ()):
                    raise SpecError(
                        f"{network.card.name} ({metric}) took part in training {card.name} or in "
                        "choosing its settings: it would score its own pupil. Leave one of the two out, or "
                        f"{REMEDY}"
                    )


def unknown_independence(
    scorer: Scorer, plans: Sequence[DatasetPlan], cards: Iterable[GeneratorCard]
) -> Iterator[str]:
    """Yield sentences on what is not recorded about the independence of expression classifiers."""
    unrecorded = [judge.card.name for judge in _judges(scorer) if judge.learned_from is None]
    if unrecorded:
        yield (
            f"Unknown: whether {' and '.join(unrecorded)} learned from subjects of "
            f"{' or '.join(plan.name for plan in plans)}."
        )
    names = list(dict.fromkeys(card.title or card.name for card in cards if card.guided_by is None))
    judges = [judge.card.name for judge in _judges(scorer)]
    if names and judges:
        yield f"Unknown: whether {' or '.join(judges)} took part in making {', '.join(names)}."


def _judges(scorer: Scorer) -> list[FeatureExtractor]:
    judges = [metric for metric in scorer.image_metrics if isinstance(metric, ExpressionConsistency)]
    return [network for judge in judges for network in judge.networks]


def _learned(judge: FeatureExtractor, plan: DatasetPlan) -> frozenset[str]:
    """Return the subjects of the plan's data set that a network was trained on, by its name or its digest."""
    found = judge.learned_from or {}
    names = (plan.dataset.name, plan.train.digest) if found else ()
    return frozenset().union(*(found.get(name, frozenset()) for name in names))


def _subjects(plan: DatasetPlan) -> set[str]:
    return {edit.source.subject for edit in plan.edits}
