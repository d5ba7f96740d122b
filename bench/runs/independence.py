"""Refuses judges that cannot judge: those that guided a generator, and those that learned from test subjects.

A recorded fact decides. What nobody recorded is no reason to refuse, but every table says so.
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


def refuse_known_subjects(scorer: Scorer, plans: Sequence[DatasetPlan]) -> None:
    """Refuse judges of expression that learned from subjects of the run.

    Raises:
        SpecError: one did; names the subjects and the remedy.
    """
    for judge in _judges(scorer):
        for plan in plans:
            known = sorted(_learned(judge, plan) & _subjects(plan))
            if known:
                more = ", …" if len(known) > SHOWN else ""
                raise SpecError(
                    f"{judge.card.name} learned from {len(known)} of the subjects that {plan.name} tests "
                    f"({', '.join(known[:SHOWN])}{more}): it would know their faces. Train it on other "
                    f"subjects, test others, or {REMEDY}"
                )


def refuse_guides(scorer: Scorer, cards: Iterable[GeneratorCard]) -> None:
    """Refuse networks that took part in making a generator that they would score.

    Raises:
        SpecError: one did; names it, the generator and the remedy.
    """
    for card in cards:
        for metric, networks in scorer.looking:
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
    """What nobody recorded of the independence of judges, in sentences."""
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
    """Subjects of the plan's data set that the judge learned from, whatever name the data set had then."""
    found = judge.learned_from or {}
    names = (plan.dataset.name, plan.train.digest) if found else ()
    return frozenset().union(*(found.get(name, frozenset()) for name in names))


def _subjects(plan: DatasetPlan) -> set[str]:
    return {edit.source.subject for edit in plan.edits}
