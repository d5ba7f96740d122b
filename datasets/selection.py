"""Parts of a data set: chosen subjects, or a few subjects of each domain."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from fesbench.core.contracts import (
    NEUTRAL,
    Dataset,
    Edit,
    Sample,
)

from .splits import shuffled, subject_folds


class Selection(Dataset):
    """A data set reduced to some of its people.

    Args:
        base: The data set to choose from; references stay those of ``base``.
        keep: The (domain, subject) pairs whose samples, edits and pairs stay.
    """

    def __init__(self, base: Dataset, keep: Collection[tuple[str, str]]) -> None:
        self.base, self.keep = base, frozenset(keep)
        self.name, self.split, self.expressions = base.name, base.split, base.expressions
        self.problems = base.problems

    @property
    def notes(self) -> Sequence[str]:
        """Those of the base."""
        return self.base.notes

    def _keeps(self, sample: Sample) -> bool:
        return (sample.domain, sample.subject) in self.keep

    def samples(self) -> Sequence[Sample]:
        """Return the samples of the chosen people, in the order of the base."""
        return [sample for sample in self.base.samples() if self._keeps(sample)]

    def edits(self) -> Sequence[Edit]:
        """Return the edits of the chosen people, in the order of the base."""
        return [edit for edit in self.base.edits() if self._keeps(edit.source)]

    def pairs(self) -> Sequence[tuple[Sample, Sample]]:
        """Return the pairs of the chosen people, in the order of the base."""
        return [pair for pair in self.base.pairs() if self._keeps(pair[0])]

    def references(self) -> Sequence[Sample]:
        """Those of the base."""
        return self.base.references()

    @property
    def references_digest(self) -> str:
        """That of the base."""
        return self.base.references_digest

    @property
    def digest(self) -> str:
        """sha256 of the digest of the base and of who was chosen."""
        return hashlib.sha256(repr((self.base.digest, sorted(self.keep))).encode()).hexdigest()


class TargetSelection(Dataset):
    """A data set of which only some expressions are asked for.

    Args:
        base: The data set to choose from; all of its samples stay.
        expressions: The expressions of its own that stay.
    """

    def __init__(self, base: Dataset, expressions: tuple[str, ...]) -> None:
        self.base, self.expressions = base, expressions
        self.name, self.split, self.problems = base.name, base.split, base.problems

    def samples(self) -> Sequence[Sample]:
        """Return those of the base."""
        return self.base.samples()

    def edits(self) -> Sequence[Edit]:
        """Return the edits of the base whose target stays."""
        return [edit for edit in self.base.edits() if edit.target in self.expressions]

    def references(self) -> Sequence[Sample]:
        """Return those of the base."""
        return self.base.references()

    @property
    def references_digest(self) -> str:
        """That of the base."""
        return self.base.references_digest

    @property
    def digest(self) -> str:
        """sha256 of the digest of the base and of the expressions."""
        return hashlib.sha256(repr((self.base.digest, self.expressions)).encode()).hexdigest()


def select_targets(dataset: Dataset, expressions: Collection[str]) -> Dataset:
    """Return a data set that asks only for expressions among the given ones.

    The data set itself comes back where that leaves all of its expressions, or none but neutral.
    """
    shared = tuple(name for name in dataset.expressions if name in expressions)
    if shared == tuple(dataset.expressions) or not set(shared) - {NEUTRAL}:
        return dataset
    return TargetSelection(dataset, shared)


def select_subjects(dataset: Dataset, subjects: Collection[str]) -> Dataset:
    """Return the part of a data set that shows the given subjects, in every domain."""
    chosen = frozenset(subjects)
    people = {(sample.domain, sample.subject) for sample in dataset.samples()}
    return Selection(dataset, {(domain, subject) for domain, subject in people if subject in chosen})


def limit_subjects(dataset: Dataset, count: int, seed: int) -> Dataset:
    """At most ``count`` subjects of each domain, the same at every call with this seed.

    Only subjects with something to edit count. They have one order in all domains, so that the same people
    are chosen wherever the same people appear.
    """
    people: dict[str, set[str]] = {}
    for edit in dataset.edits():
        people.setdefault(edit.source.domain, set()).add(edit.source.subject)
    return Selection(
        dataset,
        {(domain, name) for domain, names in people.items() for name in shuffled(names, seed)[:count]},
    )


def folds(dataset: Dataset, count: int, seed: int) -> list[tuple[frozenset[str], Dataset]]:
    """For each fold, its subjects and the data set of all other subjects."""
    subjects = sorted({sample.subject for sample in dataset.samples()})
    return [
        (frozenset(fold), select_subjects(dataset, set(subjects) - set(fold)))
        for fold in subject_folds(subjects, count, seed)
    ]
