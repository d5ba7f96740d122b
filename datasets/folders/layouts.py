"""How folders say who is shown with which expression: one function from path to labels for each layout."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from posixpath import basename, commonpath, dirname
from shlex import quote
from typing import NamedTuple

from fesbench.core.errors import BenchError, DatasetError, UnknownName
from fesbench.core.names import composed
from fesbench.core.plurals import counted

from ..expressions import ALIASES, KDEF_CODES, canonical
from ..splits import SPLIT_FOLDERS, Part
from .labels import Labels as Meanings
from .labels import code_key, expression_of
from .people import names_somebody

CFEE_CLASSES: Meanings = {
    "1": "neutral",
    "2": "happy",
    "3": "sad",
    "4": "sad",
    "5": "angry",
    "6": "surprised",
    "7": "disgusted",
    "8": "fearful",
    "9": "happily-surprised",
    "26": "sadly-disgusted",
}
"""What public code states of the class numbers in CFEE's file names; its annotation table has them all."""

CFEE_ANNOTATION = "AU_annotation_all_subjects.xls"
"""CFEE's own table: its sheet ``summary`` names the classes."""

NO_MEANINGS: Meanings = {}


class Unmatched(BenchError):
    """A path that does not say what its layout needs; the message is the reason."""


class Labels(NamedTuple):
    """What a path says of its image. Fields that it leaves open are None."""

    subject: str
    expression: str | None
    split: Part | None = None


Labeller = Callable[[str], Labels]
"""Takes the path of an image as ``listing`` gives it: relative, with ``/`` between its parts and a suffix."""


def flat(path: str) -> Labels:
    """Any image, each of a subject of its own, without a stated expression."""
    return Labels(_name(path), None)


def expression_folders(path: str, meanings: Meanings = NO_MEANINGS) -> Labels:
    """``[train|val|test/]<expression>/<subject>.<suffix>``; sub-folders of these belong to the subject."""
    split, rest = _without_split(path)
    folder, slash, inside = rest.partition("/")
    if not slash:
        raise Unmatched("it lies in no folder that names an expression")
    try:
        expression = expression_of(folder, meanings)
    except UnknownName as error:
        raise Unmatched(f"its folder: {error}; say what a code means with --label CODE=EXPRESSION") from error
    return Labels(_name(inside), expression, split)


def stargan(path: str) -> Labels:
    """``[train|val|test/]<code>/<subject>.<suffix>`` with the codes AFS ANS DIS HAS NES SAS SUS."""
    split, rest = _without_split(path)
    folder, slash, inside = rest.partition("/")
    code = folder.upper()
    if not slash or code[:-1] not in KDEF_CODES or code[-1] != "S":
        raise Unmatched(f"it lies in none of the folders {' '.join(f'{code}S' for code in KDEF_CODES)}")
    return Labels(_name(inside), KDEF_CODES[code[:-1]], split)


_KDEF = re.compile(
    r"(?P<session>[AB])(?P<subject>[FM]\d\d)(?P<code>[A-Z]{2})(?P<view>S|HL|HR|FL|FR)", re.IGNORECASE
)


def kdef(path: str) -> Labels:
    """``AF01HAS.JPG``: session A or B, subject F01, expression HA, view S (straight).

    Both sessions show the same person. Other views than straight are unmatched.
    """
    match = _KDEF.fullmatch(_stem(path))
    if match is None or match["code"].upper() not in KDEF_CODES:
        raise Unmatched("the name is not of the form AF01HAS (session, subject, expression, view)")
    if match["view"].upper() != "S":
        raise Unmatched("not a frontal view")
    return Labels(match["subject"].upper(), KDEF_CODES[match["code"].upper()])


_RAFD = re.compile(
    r"Rafd(?P<camera>\d{3})_(?P<subject>\d+)_.+_(?P<expression>[a-z]+)_(?P<gaze>frontal|left|right)",
    re.IGNORECASE,
)


def rafd(path: str) -> Labels:
    """``Rafd090_01_Caucasian_female_angry_frontal.jpg``; other cameras or gazes are unmatched."""
    match = _RAFD.fullmatch(_stem(path))
    if match is None:
        raise Unmatched("the name is not of the form Rafd090_01_Caucasian_female_angry_frontal")
    if match["camera"] != "090":
        raise Unmatched("not a frontal view")
    if match["gaze"].lower() != "frontal":
        raise Unmatched("gaze to the side")
    try:
        return Labels(match["subject"], canonical(match["expression"]))
    except UnknownName as error:
        raise Unmatched(str(error)) from error


def by_pattern(pattern: str, meanings: Meanings = NO_MEANINGS) -> Labeller:
    """Return a labeller for paths of one form.

    Args:
        pattern: A path without suffix that holds ``{subject}`` and ``{expression}`` once each, and ``*`` for
            anything within a name. Without ``/`` it is compared with the file name at any depth; a leading
            folder train, val or test states the split. The expression is a code of ``meanings`` or any
            spelling that ``canonical`` accepts, the longest that fits.
        meanings: Code to expression.

    Raises:
        DatasetError: one of the two fields is missing or doubled, or there is an unknown one.
    """
    pattern = composed(pattern)
    fields = re.findall(r"\{(.*?)\}", pattern)
    if sorted(fields) != ["expression", "subject"]:
        raise DatasetError(
            f"the pattern {pattern!r} must hold {{subject}} and {{expression}} once each and no other field"
        )
    words = sorted(ALIASES, key=len, reverse=True)
    known = [*map(_code_regex, meanings), *(word.replace("-", r"[\s_-]?") for word in words)]
    strict, loose = (_pattern_regex(pattern, names) for names in ("|".join(known), "[^/]+?"))
    return partial(_labels_by_regex, pattern, strict, loose, meanings)


def _code_regex(code: str) -> str:
    return rf"(?<!\d)0*{code}(?!\d)" if code.isdecimal() else re.escape(code)


def _pattern_regex(pattern: str, names: str) -> re.Pattern[str]:
    pieces = {
        "{subject}": "(?P<subject>[^/]+?)",
        "{expression}": f"(?P<expression>{names})",
        "*": "[^/]*?",
    }
    regex = "".join(pieces.get(piece, re.escape(piece)) for piece in re.split(r"(\{\w+\}|\*)", pattern))
    return re.compile(regex, re.IGNORECASE)


def _labels_by_regex(
    pattern: str, regex: re.Pattern[str], loose: re.Pattern[str], meanings: Meanings, path: str
) -> Labels:
    split, rest = _without_split(path)
    texts = [_name(rest), _name(path)] if "/" in pattern else [_stem(path)]
    match = next(filter(None, map(regex.fullmatch, texts)), None)
    if match is None:
        unnamed = next(filter(None, map(loose.fullmatch, texts)), None)
        if unnamed is None:
            raise Unmatched(f"it does not match {pattern}; give the right one with --pattern")
        code = unnamed["expression"]
        raise Unmatched(
            f"it does not match {pattern} with a known expression: {code!r} is none; say what it means with "
            f"--label {code}=EXPRESSION, or give the right --pattern"
        )
    word = match["expression"]
    expression = meanings.get(code_key(word)) or _COMPACT[re.sub(r"[\s_-]+", "", word.lower())]
    return Labels(match["subject"], expression, split)


_COMPACT: Mapping[str, str] = {alias.replace("-", ""): name for alias, name in ALIASES.items()}


def _without_split(path: str) -> tuple[Part | None, str]:
    folder, slash, rest = path.partition("/")
    split = SPLIT_FOLDERS.get(folder.lower()) if slash else None
    return (split, rest) if split else (None, path)


_CK = re.compile(r"(?P<subject>S\d{3})_\d{3}_\d{8}", re.IGNORECASE)


def known_person(path: str) -> str | None:
    """Return the person that a file name of KDEF, RaFD or CK+ states, else None."""
    for layout in (kdef, rafd):
        try:
            return layout(path).subject
        except Unmatched:
            continue
    match = _CK.fullmatch(_stem(path))
    return match["subject"].upper() if match else None


def _name(path: str) -> str:
    return path.rpartition(".")[0]


def _stem(path: str) -> str:
    return _name(basename(path))


NAMED_BY_FOLDER = ("expression-folders", "stargan")
"""Layouts whose folders hold the expression, while file names hold the person in a way of their own.

Their labellers state the whole file name as the subject; ``people.read_people`` finds the person in it.
"""

_CFEE = re.compile(r"(?P<class>\d{2})_(?P<person>\d{3})(_\d+)?", re.IGNORECASE)
_CFEE_REVERSED = re.compile(r"(?P<person>\d{3})_(?P<class>\d{2})(\.png)?", re.IGNORECASE)


def cfee(path: str, meanings: Meanings = NO_MEANINGS) -> Labels:
    """``01-04/Images1/01_126_3963.jpg``: class, person, photo.

    A few files are named ``04_221`` (class, person) or ``260_19.png`` (person, class). Classes mean what
    ``meanings`` says, else what ``CFEE_CLASSES`` does.
    """
    stem = _stem(path)
    match = _CFEE.fullmatch(stem) or _CFEE_REVERSED.fullmatch(stem)
    if match is None or not basename(dirname(path)).lower().startswith("images"):
        raise Unmatched("the path is not of the form 01-04/Images1/01_126_3963 (class, person, photo)")
    code = code_key(match["class"])
    expression = meanings.get(code) or CFEE_CLASSES.get(code)
    if expression is None:
        raise Unmatched(
            f"the class {match['class']} has no name; put CFEE's {CFEE_ANNOTATION} into the folder or give "
            f"it with --labels, or --label {match['class']}=EXPRESSION"
        )
    return Labels(match["person"], expression)


_LONDON = {"03": "neutral", "08": "happy"}


def london(path: str) -> Labels:
    """``neutral_front/001_03.jpg`` and ``smiling_front/001_08.jpg``; other views are unmatched."""
    match = re.fullmatch(r"(?P<person>\d{3})_(?P<view>\d{2})", _stem(path))
    if match is None or match["view"] not in _LONDON:
        raise Unmatched("the name is not of the form 001_03 (neutral) or 001_08 (smiling), from the front")
    return Labels(match["person"], _LONDON[match["view"]])


LABELLERS: Mapping[str, Labeller] = {
    "expression-folders": expression_folders,
    "stargan": stargan,
    "kdef": kdef,
    "rafd": rafd,
    "cfee": cfee,
    "london": london,
    "flat": flat,
}

LAYOUTS: Mapping[str, str] = {
    "manifest": "manifest.csv with the columns path,subject,expression[,domain,split,target_path]",
    "expression-folders": "<expression>/<subject>.jpg, optionally inside train, val and test",
    "stargan": "folders AFS ANS DIS HAS NES SAS SUS of StarGAN's family, optionally inside train, val, test",
    "kdef": "file names of KDEF: AF01HAS.JPG",
    "rafd": "file names of RaFD: Rafd090_01_Caucasian_female_angry_frontal.jpg",
    "cfee": "paths of CFEE: 01-04/Images1/01_126_3963.jpg (class, person, photo)",
    "london": "file names of the London set: 001_03.jpg (neutral), 001_08.jpg (smiling)",
    "ck-plus": "sequences of CK+: S005/001/S005_001_00000011.png, with the files …_emotion.txt",
    "oulu-casia": "sequences of Oulu-CASIA: VL/Strong/P001/Anger/000.jpeg",
    "pattern": "what --pattern says, such as '{expression}/{subject}_*'",
    "flat": "any images, expressions not stated: for out-of-distribution sources",
}
"""Layout name to what it looks like."""


WITH_CODES: Mapping[str, Callable[..., Labels]] = {"expression-folders": expression_folders, "cfee": cfee}
"""Layouts whose expressions may be numbers or codes, beside ``pattern``."""


def check_layout(layout: str, pattern: str | None, meanings: Meanings) -> None:
    """Refuse what does not go with a layout.

    Raises:
        UnknownName: there is no such layout.
        DatasetError: the layout takes no pattern, needs one, or has no codes.
    """
    if layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)
    if (layout == "pattern") != bool(pattern):
        raise DatasetError(
            f"the layout {layout} has no pattern; leave --layout out"
            if pattern
            else "the layout pattern needs --pattern, such as '{expression}/{subject}_*'"
        )
    if meanings and not pattern and layout not in WITH_CODES:
        raise DatasetError(f"the layout {layout} has no codes to name; leave --label and --labels out")


def labeller(layout: str, pattern: str | None = None, meanings: Meanings = NO_MEANINGS) -> Labeller:
    """Return the function that reads labels from paths in a layout.

    Raises:
        UnknownName: there is no such layout.
        DatasetError: the pattern is malformed, or the layout takes no pattern, needs one, or has no codes.
    """
    check_layout(layout, pattern, meanings)
    if pattern:
        return by_pattern(pattern, meanings)
    return partial(WITH_CODES[layout], meanings=meanings) if meanings else LABELLERS[layout]


def guess_layout(images: list[str], has_manifest: bool, meanings: Meanings = NO_MEANINGS) -> str:
    """Return the layout that fits a folder, when there is no doubt.

    A layout is taken when it fits every image; ``flat`` when no path holds the name of an expression, and
    folders do not show the same people.

    Args:
        images: Paths of its images, relative to it.
        has_manifest: Whether it holds a ``manifest.csv``.
        meanings: Code to expression, where the user names codes.

    Raises:
        DatasetError: there is doubt; says how many images fit each layout. Numbered classes are asked about.
    """
    if has_manifest:
        return "manifest"
    if images and all(map(_is_cfee, images)):
        return "cfee"
    for name in ("stargan", "expression-folders", "kdef", "rafd", "london"):
        labels = (
            partial(expression_folders, meanings=meanings)
            if name == "expression-folders"
            else LABELLERS[name]
        )
        if images and all(_fits(labels, path) for path in images):
            return name
    if numbers := _numbered_classes(images):
        raise DatasetError(NUMBERED.format(", ".join(numbers)))
    if images and not any(_names_expression(path) for path in images):
        if doubt := _unknown_expressions(images, meanings):
            raise DatasetError(doubt)
        return "flat"
    fits = {name: sum(_fits(labels, path) for path in images) for name, labels in LABELLERS.items()}
    total = counted(len(images), "image")
    counts = [f"  {name}: {fits.get(name, 0)} of {total} ({text})" for name, text in LAYOUTS.items()]
    raise DatasetError(
        "\n".join(["no layout can be told from the names; choose one with --layout:", *counts])
    )


NUMBERED = (
    "the folders are numbered classes ({}), whose meaning differs between data sets: say it with --labels "
    "FILE or --label NUMBER=EXPRESSION. RAF-DB: 1=surprised 2=fearful 3=disgusted 4=happy 5=sad 6=angry "
    "7=neutral; "
    "AffectNet: 0=neutral 1=happy 2=sad 3=surprised 4=fearful 5=disgusted 6=angry 7=contemptuous. "
    "With --layout flat, images have no expression"
)


def _numbered_classes(images: list[str]) -> list[str]:
    """Return the numbers that folders of images bear where all do, inside train, val and test or not."""
    rest = [_without_split(path)[1].partition("/") for path in images]
    tops = {folder for folder, slash, _ in rest if slash}
    numbered = all(slash for _, slash, _ in rest) and all(top.isdecimal() for top in tops)
    return sorted(tops, key=int) if numbered and len(tops) > 1 else []


UNKNOWN = (
    "the folders {folders} hold images of the same names, such as {one} and {other}, as folders of "
    "expressions do, but are called by no known expression. Say what each shows: bench data add NAME "
    "FOLDER{root} --layout expression-folders {labels} (such as --label joie=happy). If they are no "
    "expressions, and each image shows another person: --layout flat"
)
MOST_NAMED = 8
"""Folders that a message names at most."""

Names = Mapping[str, str]
"""The name of an image inside its folder, in lower case, to its path."""


def doubts_of_flat(images: Iterable[str]) -> list[str]:
    """Return a note where folders share names of images that need be no people, such as 001."""
    _, folders = _by_folder(images)
    sharing = _sharing(folders, lambda name: True)
    if not sharing:
        return []
    one, other = _same_name(folders, sharing)
    return [
        f"each image counts as a person of its own, though folders share names of images: {one} and {other}; "
        "if the folders are expressions, say which: bench data add NAME FOLDER --layout expression-folders "
        "--label FOLDER=EXPRESSION"
    ]


def _unknown_expressions(images: Iterable[str], meanings: Meanings) -> str:
    """Return what to ask where folders seem to show the same people; empty where they do not."""
    root, folders = _by_folder(images)
    sharing = _sharing(folders, names_somebody)
    if len({name for names in sharing.values() for name in names}) < 2:  # portrait.jpg of each person is one
        return ""
    one, other = _same_name(folders, sharing)
    shown = [folder for folder in sorted(folders) if code_key(folder) not in meanings]
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return UNKNOWN.format(
        folders=", ".join(shown[:MOST_NAMED]) + more,
        one=one,
        other=other,
        root=f"/{root}" if root else "",
        labels=" ".join(f"--label {quote(folder)}=EXPRESSION" for folder in shown[:MOST_NAMED]),
    )


def _by_folder(images: Iterable[str]) -> tuple[str, dict[str, Names]]:
    """Return the folder that all images are in, and those inside it, but for train, val and test."""
    inside = {path: _without_split(path)[1] for path in images}
    root = commonpath(map(dirname, inside.values())) if inside else ""
    folders: dict[str, dict[str, str]] = defaultdict(dict)
    for path, rest in inside.items():
        folder, slash, name = rest[len(root) :].strip("/").partition("/")
        if slash:
            folders[folder][composed(_name(name)).casefold()] = path
    return root, dict(folders)


def _sharing(folders: Mapping[str, Names], counts: Callable[[str], bool]) -> dict[str, list[str]]:
    """Return the names that a folder shares with others, for folders where they are the most."""
    seen = Counter(name for names in folders.values() for name in names)
    shared = {
        folder: [name for name in names if seen[name] > 1 and counts(name)]
        for folder, names in folders.items()
    }
    return {folder: names for folder, names in shared.items() if 2 * len(names) > len(folders[folder])}


def _same_name(folders: Mapping[str, Names], sharing: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the paths of two images that share a name."""
    name = next(iter(sharing.values()))[0]
    return [names[name] for names in folders.values() if name in names][:2]


def _is_cfee(path: str) -> bool:
    try:
        return bool(cfee(path, _ANY_CLASS))
    except Unmatched:
        return False


_ANY_CLASS = {str(number): "neutral" for number in range(100)}


def _names_expression(path: str) -> bool:
    return any(word.lower() in ALIASES for word in re.split(r"[^A-Za-z]+", path))


def _fits(labels: Labeller, path: str) -> bool:
    try:
        return bool(labels(path))
    except Unmatched:
        return False
