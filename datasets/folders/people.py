"""Reading of people from file names: the parts of a name that recur across expressions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fesbench.core.errors import DatasetError
from fesbench.core.plurals import counted

from ..expressions import recognised

SHOWN = 3
MOST_SHOTS = 30
"""More images than this of one person with one expression are a sign that the name is not of a person."""

CLOSE = 0.1
"""Readings whose shares of recurring images differ by no more than this are equally good."""

STATED = 0.9
"""The share of each expression's names that must have it at one place, for that to be no part of people."""

_NO_PEOPLE = re.compile(
    r"(train|val|valid|test|private|public)(ing|idation|test)?|im|img|image|photo|pic|picture|face|frame|dsc[fn]?"
    r"|aligned|crop(ped)?|front(al)?|subject|person|expression|emotion",
    re.IGNORECASE,
)
"""Words of file names that many images share and that name nobody."""


class Shot(NamedTuple):
    """What a path says for certain: the expression, and the name that holds the person (no suffix)."""

    expression: str
    name: str


class Piece(NamedTuple):
    """Words of a name that belong together; ``own`` where they name the image's own expression."""

    words: tuple[str, ...]
    own: bool


_SEPARATORS = re.compile(r"[/_\-\s.]+")

Words = tuple[str, ...]
Reading = dict[str, str]
"""Path to person."""


def read_people(shots: Mapping[str, Shot]) -> Reading:
    """Return who is shown in each image, from the names of all of them.

    The person is the longest leading run of words of a name (parts between ``_ - . /`` and spaces) that
    recurs across expressions, after words that only repeat the expression, at a place where nearly all names
    do. Where no leading run does, it is a trailing one. A name that is one word, or shares none, is the
    person as it stands. Upper and lower case count as the same, and are returned as they are written.

    Args:
        shots: Path to expression and name.

    Raises:
        DatasetError: there are several expressions and nobody shows two of them, or the names can be read in
            two ways, so that one person could be in two splits; shows how to state a pattern.
    """
    words = _without_codes(shots, _without_expressions(shots))
    leading = [_keys(shots, words, slice(length)) for length in range(_longest(words), 0, -1)]
    several = len({shot.expression for shot in shots.values()}) > 1
    chosen = _recurring_reading(shots, words, leading) if several else leading[0]
    for other in leading[leading.index(chosen) + 1 :] if chosen in leading else []:
        if _plausible(shots, other) and _drops_numbers(chosen, other):
            raise DatasetError(_two_readings(chosen, other))
    return chosen


def _recurring_reading(
    shots: Mapping[str, Shot], words: Mapping[str, Words], leading: Sequence[Reading]
) -> Reading:
    chosen = _best(shots, leading)
    if _recurring(shots, chosen) < 0.5:
        chosen = _best(shots, [chosen, *_fallbacks(shots, words)])
    if not _recurring(shots, chosen):
        raise DatasetError(_nobody_recurs(shots, chosen))
    return chosen


def names_somebody(name: str) -> bool:
    """Return whether a file name can be a person's: more than a counter such as ``001`` or ``IMG_0001``."""
    words = filter(None, re.split(r"[\W\d_]+", name))
    return not all(map(_NO_PEOPLE.fullmatch, words))


def _without_expressions(shots: Mapping[str, Shot]) -> dict[str, Words]:
    """Return the words of each name, without its own expression at places where all expressions are named.

    Elsewhere such a word may be a name: in ``happy/joy_smith.jpg`` beside ``neutral/joy_smith.jpg`` it is.
    """
    pieces = {path: _pieces(shot) for path, shot in shots.items()}
    shown: dict[str, list[list[Piece]]] = defaultdict(list)
    for path, own in pieces.items():
        shown[shots[path].expression].append(own)
    longest = max(map(len, pieces.values()), default=0)
    places = [
        place
        for place in range(-longest, longest)
        if all(_share_stated(names, place) >= STATED for names in shown.values())
    ]
    return {path: _kept(own, places) for path, own in pieces.items()}


def _pieces(shot: Shot) -> list[Piece]:
    rest = _split(shot.name)
    pieces = []
    while rest:
        lengths = (2, 1) if len(rest) > 1 else (1,)
        length = next((n for n in lengths if recognised("-".join(rest[:n])) == shot.expression), 0)
        pieces.append(Piece(rest[: length or 1], own=length > 0))
        rest = rest[length or 1 :]
    return pieces


def _share_stated(names: Sequence[Sequence[Piece]], place: int) -> float:
    """Return the share of names with their own expression at a place, counted from either end."""
    return sum(-len(own) <= place < len(own) and own[place].own for own in names) / len(names)


def _kept(pieces: Sequence[Piece], places: Iterable[int]) -> Words:
    """Return the words but for own expressions at these places; the first word where nothing else is left."""
    left_out = {place % len(pieces) for place in places if -len(pieces) <= place < len(pieces)}
    kept = [
        word
        for place, piece in enumerate(pieces)
        if not (piece.own and place in left_out)
        for word in piece.words
    ]
    return tuple(kept) or pieces[0].words[:1]


def _split(name: str) -> Words:
    return tuple(_SEPARATORS.split(name.strip("/_-. ")))


def _without_codes(shots: Mapping[str, Shot], words: Mapping[str, Words]) -> dict[str, Words]:
    """Leave out positions that hold one value for each expression, such as ``03`` and ``08`` in London."""
    codes = [place for place in range(_longest(words)) if _is_code(shots, words, place)]
    kept = {
        path: tuple(word for place, word in enumerate(own) if place not in codes)
        for path, own in words.items()
    }
    return kept if all(kept.values()) else dict(words)


def _is_code(shots: Mapping[str, Shot], words: Mapping[str, Words], place: int) -> bool:
    values: dict[str, set[str]] = defaultdict(set)
    for path, own in words.items():
        values[shots[path].expression].add(own[place].casefold() if place < len(own) else "")
    single = [next(iter(found)) for found in values.values() if len(found) == 1]
    return len(values) > 1 and len(single) == len(values) == len(set(single))


def _longest(words: Mapping[str, Words]) -> int:
    return max(1, *map(len, words.values())) if words else 1


def _keys(shots: Mapping[str, Shot], words: Mapping[str, Words], part: slice) -> Reading:
    """Return the reading that takes a part of the words; a name of which all is taken stays as it stands."""
    return {path: _key(shots[path].name, own, part) for path, own in words.items()}


def _key(name: str, words: Words, part: slice) -> str:
    kept = words[part]
    return name if kept == _split(name) else "_".join(kept)


def _fallbacks(shots: Mapping[str, Shot], words: Mapping[str, Words]) -> list[Reading]:
    """Return readings for names whose leading words do not recur: trailing words, then ``anna1`` as anna."""
    trailing = [_keys(shots, words, slice(-length, None)) for length in range(_longest(words) - 1, 0, -1)]
    glued = {path: (own[0].rstrip("0123456789") or own[0],) for path, own in words.items()}
    return [*trailing, _keys(shots, glued, slice(1))]


def _best(shots: Mapping[str, Shot], readings: Sequence[Reading]) -> Reading:
    """Return the reading in which most images show recurring people; of equal ones, the first.

    The first reading is taken where no other is plausible.
    """
    shares = [
        _recurring(shots, reading) if number == 0 or _plausible(shots, reading) else 0.0
        for number, reading in enumerate(readings)
    ]
    return next(
        reading
        for reading, share in zip(readings, shares, strict=True)
        if share >= max(shares) - CLOSE and (share or not max(shares))
    )


def _recurring(shots: Mapping[str, Shot], reading: Reading) -> float:
    """Return the share of images whose person shows two expressions or more."""
    shown = {(person.casefold(), shots[path].expression) for path, person in reading.items()}
    expressions = Counter(person for person, _ in shown)
    return sum(expressions[person.casefold()] > 1 for person in reading.values()) / max(1, len(reading))


def _plausible(shots: Mapping[str, Shot], reading: Reading) -> bool:
    """Return whether the names can be people: two or more, no common words, not too many images of each."""
    people = {person.casefold() for person in reading.values()}
    if len(people) < 2 or any(_NO_PEOPLE.fullmatch(person) for person in people):
        return False
    shots_of = Counter((person.casefold(), shots[path].expression) for path, person in reading.items())
    return max(shots_of.values()) <= MOST_SHOTS


def _drops_numbers(fine: Reading, coarse: Reading) -> bool:
    """Return whether the coarse reading joins people whose names differ by a number at the end."""
    joined: dict[str, set[str]] = defaultdict(set)
    for path, person in fine.items():
        joined[coarse[path].casefold()].add(person.casefold())
    merged = [names for names in joined.values() if len(names) > 1]
    return bool(merged) and all(_numbered(name) for names in merged for name in names)


def _numbered(name: str) -> bool:
    return _split(name)[-1].isdecimal()


def _examples(readings: Sequence[Reading], paths: Iterable[str]) -> str:
    """Return lines that show how the first names were read."""
    return "\n".join(
        f"  {path} shows {' or '.join(repr(reading[path]) for reading in readings)}"
        for path in list(paths)[:SHOWN]
    )


def _nobody_recurs(shots: Mapping[str, Shot], reading: Reading) -> str:
    firsts: dict[str, str] = {}
    for path, shot in shots.items():
        firsts.setdefault(shot.expression, path)
    return (
        f"{counted(len(shots), 'image')} of {len(firsts)} expressions, but nobody shows two of them when "
        f"people are read from the file names:\n{_examples([reading], firsts.values())}\n"
        "say which part of a path is the person: bench data add NAME FOLDER --pattern "
        "'{expression}/{subject}_*' (* is anything; '{expression}/{subject}' if every image shows "
        "another person)"
    )


def _two_readings(fine: Reading, coarse: Reading) -> str:
    paths = [path for path in fine if fine[path] != coarse[path]]
    return (
        "the file names can be read in two ways, and one person could be in train and in test:\n"
        f"{_examples([coarse, fine], paths)}\n"
        "say which part of a path is the person: bench data add NAME FOLDER --pattern "
        "'{expression}/{subject}_*' (* is anything), or '{expression}/{subject}' for the whole name"
    )
