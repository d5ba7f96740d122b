"""A folder of image files as a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from posixpath import basename

from fesbench.core.contracts import NEUTRAL, Dataset, Edit, Problem, Sample
from fesbench.core.errors import DatasetError
from fesbench.core.names import composed, safe_name, sample_ids

from ..expressions import BASIC, in_order
from ..images import load_image, trait_notes
from ..splits import Part, check_split, split_of
from . import manifest, sequences
from .inspection import Finding, inspect_images
from .labels import parse_labels
from .layouts import (
    CFEE_ANNOTATION,
    NAMED_BY_FOLDER,
    Labeller,
    Labels,
    Unmatched,
    check_layout,
    doubts_of_flat,
    guess_layout,
    known_person,
    labeller,
)
from .listing import Listing, list_images
from .manifest import Row, domain_name, read_manifest
from .people import Shot, read_people
from .subjects import alike_but_for_zeros, in_one_spelling, shared_files


@dataclass(frozen=True)
class FolderSpec:
    """A folder of images as a data set.

    Attributes:
        name: The name of the data set.
        path: The folder.
        layout: How file names hold labels, a key of ``layouts.LAYOUTS``; None guesses.
        domain: The domain of images that state none.
        pattern: The pattern of paths, for the layout ``pattern``, which it chooses.
        seed: The seed of the splits.
        labels: Code to expression, for numbers and codes in names; see ``labels.parse_labels``.
        licence: The licence of the images in the user's words; empty where not stated.
        citation: What to cite, in the user's words; empty where not stated.
    """

    name: str
    path: Path
    layout: str | None = None
    domain: str = "studio"
    pattern: str | None = None
    seed: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""


class FolderDataset(Dataset):
    """The usable images of a folder, of one split.

    Attributes:
        problems: Images of the folder, in any split, that were left out, with reasons.
        ignored: Files that are no images: texts, tables, debris of operating systems.
        layout: The layout that was stated or guessed.

    Raises:
        DatasetError: the folder is missing, its layout cannot be guessed, the domain's name is reserved, or a
            subject is in two splits.
        UnknownName: there is no such layout or split.
    """

    def __init__(self, spec: FolderSpec, split: str = "test") -> None:
        self.spec, self.name, self.split = spec, spec.name, check_split(split)
        root = spec.path.expanduser()
        if not root.is_dir():
            raise DatasetError(
                f"{root} is not a folder; the data set {spec.name!r} needs the one with its images"
            )
        _check_domain(spec)
        self.root = root.resolve()
        listing = list_images(self.root)
        self.layout = spec.layout or ("pattern" if spec.pattern else self._guessed(listing))
        self.ignored: Sequence[str] = listing.ignored
        self._annotation = _cfee_annotation(listing) if self.layout == "cfee" and not spec.labels else None
        labels = parse_labels((), self.root / self._annotation) if self._annotation else spec.labels
        rows, problems = _labelled(self.root, self.layout, replace(spec, labels=labels), listing)
        rows, self._spellings = in_one_spelling(rows)
        self._rows, self._findings, broken = _usable(self.root, rows)
        self.problems = [*problems, *broken]
        self._parts = _parts(self._rows, spec)
        self._samples = self._all_samples()
        shown = in_order(row.expression for row in self._rows if row.expression)
        self.expressions = shown if any(name != NEUTRAL for name in shown) else BASIC

    def of_split(self, split: str) -> FolderDataset:
        """Return another split of the same images, which are not looked at again.

        Raises:
            UnknownName: there is no such split.
        """
        other = copy(self)
        other.split = check_split(split)
        for name in ("digest", "domains", "_by_shot", "_own_samples", "_edits"):
            vars(other).pop(name, None)
        return other

    def _guessed(self, listing: Listing) -> str:
        has_manifest = (self.root / manifest.NAME).is_file()
        of_sequences = None if has_manifest else sequences.recognised(listing.images, listing.ignored)
        return of_sequences or guess_layout(listing.images, has_manifest, self.spec.labels)

    def _in_split(self, row: Row) -> bool:
        return self.split in ("all", self._parts[row.subject])

    def _all_samples(self) -> dict[str, Sample]:
        """Path to sample, of all splits."""
        ids = sample_ids(path for row in self._rows for path in (row.path, row.target) if path)
        samples = {row.path: self._sample(row, row.path, ids) for row in self._rows}
        targets = {row.target: self._sample(row, row.target, ids) for row in self._rows if row.target}
        return targets | samples

    def _sample(self, row: Row, path: str, ids: dict[str, str]) -> Sample:
        place = self.root / path
        return Sample(
            id=ids[path],
            subject=row.subject,
            expression=row.expression,
            domain=row.domain or self.spec.domain,
            load=partial(load_image, place),
            path=place,
        )

    @property
    def notes(self) -> Sequence[str]:
        """What the labels rest on, where it is worth knowing, and what is unusual about the images."""
        traits = {path: finding.noted for path, finding in self._findings.items() if not finding.reason}
        return [*self._label_notes(), *self._subject_notes(), *trait_notes(traits)]

    def _label_notes(self) -> list[str]:
        notes = []
        if self._annotation:
            notes.append(f"class numbers mean what {self._annotation} says")
        elif self.layout == "cfee" and not self.spec.labels:
            notes.append(
                "class numbers mean what public code says of them; put CFEE's "
                f"{CFEE_ANNOTATION} into the folder, or give it with --labels"
            )
        shown: dict[str, set[str | None]] = {}
        for row in self._rows:
            shown.setdefault(row.subject, set()).add(row.expression)
        if len(self.expressions) > 1 and self.layout != "flat" and all(len(e) == 1 for e in shown.values()):
            notes.append("nobody shows two expressions: there are no pairs, and no output has a true target")
        return notes

    def _subject_notes(self) -> list[str]:
        guessed = self.layout == "flat" and not self.spec.layout
        return [
            *self._spellings,
            *(alike_but_for_zeros(self._rows) if self.layout != "flat" else ()),
            *(doubts_of_flat(row.path for row in self._rows) if guessed else ()),
            *shared_files(self._rows, self._findings),
        ]

    def samples(self) -> Sequence[Sample]:
        """Return the samples of the split, in the order of their paths."""
        return self._own_samples

    @cached_property
    def _own_samples(self) -> Sequence[Sample]:
        return tuple(self._samples[row.path] for row in self._rows if self._in_split(row))

    def edits(self) -> Sequence[Edit]:
        """As for every data set; the truth is the row's ``target_path`` where a manifest states one."""
        return self._edits

    @cached_property
    def _edits(self) -> Sequence[Edit]:
        exact = {self._samples[row.path].id: self._samples[row.target] for row in self._rows if row.target}
        if not exact:
            return tuple(super().edits())
        return tuple(
            replace(edit, truth=exact.get(edit.truth.id, edit.truth)) if edit.truth else edit
            for edit in super().edits()
        )

    def references(self) -> Sequence[Sample]:
        """For the test split, the images of all other subjects that show an expression; else none."""
        return [self._samples[row.path] for row in self._reference_rows]

    @cached_property
    def _reference_rows(self) -> Sequence[Row]:
        if self.split != "test":
            return ()
        others = (row for row in self._rows if not self._in_split(row))
        return [row for row in others if row.expression not in (NEUTRAL, None)]

    @cached_property
    def digest(self) -> str:
        """sha256 of the labels and the file contents of the split."""
        return self._digest(row for row in self._rows if self._in_split(row))

    @cached_property
    def references_digest(self) -> str:
        """sha256 of the labels and the file contents of the references; empty where there are none."""
        return self._digest(self._reference_rows) if self._reference_rows else ""

    @property
    def split_is_stated(self) -> bool:
        """Whether the split of each subject of this split is stated."""
        stated = {row.subject for row in self._rows if row.split}
        return all(row.subject in stated for row in self._rows if self._in_split(row))

    def _digest(self, rows: Iterable[Row]) -> str:
        content = [
            (
                self._samples[row.path].id,
                row._replace(split=None),
                row.domain or self.spec.domain,
                *self._hashes(row),
            )
            for row in rows
        ]
        return hashlib.sha256(
            repr((self.expressions, content)).encode("utf-8", "surrogateescape")
        ).hexdigest()

    def _hashes(self, row: Row) -> tuple[str, str]:
        return self._findings[row.path].sha256, self._findings[row.target].sha256 if row.target else ""


def folder_dataset(path: Path, split: str = "test") -> FolderDataset:
    """Return the data set in an unregistered folder: the layout is guessed, the name is the folder's."""
    return FolderDataset(FolderSpec(safe_name(path.expanduser().resolve().name), path), split)


def _check_domain(spec: FolderSpec) -> None:
    try:
        domain_name(spec.domain)
    except DatasetError as error:
        raise DatasetError(f"--domain of the data set {spec.name!r}: {error}") from error


def _labelled(root: Path, layout: str, spec: FolderSpec, listing: Listing) -> tuple[list[Row], list[Problem]]:
    """Return what the layout says of every image, in the order of the paths."""
    if layout == "manifest":
        rows, problems = read_manifest(root)
        return sorted(rows, key=lambda row: row.path), problems
    if layout in sequences.LAYOUTS:
        check_layout(layout, spec.pattern, spec.labels)
        found, problems = sequences.label_sequences(layout, root, listing.images, listing.ignored)
    else:
        found, problems = _by_path(labeller(layout, spec.pattern, spec.labels), listing.images)
    if layout in NAMED_BY_FOLDER:
        found = _with_people(root, found)
    return [
        Row(path, labels.subject, labels.expression, None, labels.split, None)
        for path, labels in found.items()
    ], [*listing.problems, *problems]


def _by_path(labels_of: Labeller, images: Iterable[str]) -> tuple[dict[str, Labels], list[Problem]]:
    found: dict[str, Labels] = {}
    problems = []
    for path in images:
        try:
            found[path] = labels_of(composed(path))
        except Unmatched as error:
            problems.append(Problem(path, str(error)))
    return found, problems


def _cfee_annotation(listing: Listing) -> str | None:
    """Return the path of CFEE's annotation table where it lies among the images."""
    return next((path for path in listing.ignored if _file_name(path) == CFEE_ANNOTATION.lower()), None)


def _file_name(path: str) -> str:
    return basename(path).lower()


def _with_people(root: Path, found: dict[str, Labels]) -> dict[str, Labels]:
    """Replace file names by the people in them: by the naming of a known data set, else by what recurs."""
    known = {path: person for path in found if (person := known_person(composed(path)))}
    shots = {
        path: Shot(labels.expression or "", labels.subject)
        for path, labels in found.items()
        if path not in known
    }
    try:
        people = known | read_people(shots)
    except DatasetError as error:
        raise DatasetError(f"{root}: {error}") from error
    return {path: labels._replace(subject=people[path]) for path, labels in found.items()}


def _usable(root: Path, rows: Sequence[Row]) -> tuple[list[Row], dict[str, Finding], list[Problem]]:
    """Rows whose image, and target where there is one, can be decoded."""
    paths = dict.fromkeys(path for row in rows for path in (row.path, row.target) if path)
    findings = inspect_images(root, paths)
    broken = {path: finding.reason for path, finding in findings.items() if finding.reason}
    good = [row for row in rows if row.path not in broken and row.target not in broken]
    return good, findings, [Problem(path, reason) for path, reason in broken.items()]


def _parts(rows: Sequence[Row], spec: FolderSpec) -> dict[str, Part]:
    """Subject to split: as stated, else by the hash of the subject."""
    stated: dict[str, Part] = {}
    for row in rows:
        if row.split and stated.setdefault(row.subject, row.split) != row.split:
            raise DatasetError(
                f"{spec.path}: subject {row.subject!r} is in {stated[row.subject]} and in {row.split} "
                f"({row.path}), so the test would be no test; put each subject into one split, or say which "
                "part of a path is the person, such as --pattern '{expression}/{subject}_*'"
            )
    subjects = dict.fromkeys(row.subject for row in rows)
    return {subject: stated.get(subject) or split_of(subject, spec.seed) for subject in subjects}
