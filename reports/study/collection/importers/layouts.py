"""What the files of each platform contain, to refuse files of another platform or without a column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fesbench.core.errors import BenchError

from ...schema import Platform
from .tables import Table, folded

SHOWN_COLUMNS = 8

PARTICIPANT = ("participant", "participant_id", "PROLIFIC_PID", "workerId")
TRIAL = re.compile(r"t[0-9a-f]{12}")
TITLE = re.compile(r"\[(t[0-9a-f]{12})\][^\[\]]*")
"""The title of a question in Google Forms. ``[Score]`` and ``[Feedback]`` after it mark other columns."""


class Column(NamedTuple):
    """A needed column: its name in messages, and a pattern of all names that it may have, in lower case."""

    name: str
    pattern: str
    several: bool = False
    """Whether several columns may match; otherwise a repeated name is an error."""


class Layout(NamedTuple):
    """The needed columns of a platform's files, and patterns of columns that only this platform writes."""

    needed: tuple[Column, ...]
    own: tuple[str, ...]


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(folded(name)) for name in names)


_TRIAL_ID, _ANSWER = Column("trial_id", "trial_id|trial"), Column("answer", "answer|response", several=True)
_PERSON = Column("participant", _any_of(PARTICIPANT), several=True)

LAYOUTS: Mapping[Platform, Layout] = {
    "web": Layout((_TRIAL_ID, _ANSWER, _PERSON), ("rt", "trial_type", "time_elapsed")),
    "server": Layout((_TRIAL_ID, _ANSWER, _PERSON), ("rt_ms",)),
    "paper": Layout(
        (_TRIAL_ID, Column("answer", "answer"), Column("form_id", "form_id|form|participant", several=True)),
        ("choices",),
    ),
    "mturk": Layout(
        (Column("WorkerId", "workerid"), Column("Answer.…", r"answer\..+", several=True)),
        ("hitid", "assignmentid", "assignmentstatus"),
    ),
    "qualtrics": Layout(
        (
            Column("ResponseId", _any_of(("ResponseId", "participant", "PROLIFIC_PID")), several=True),
            Column("<trial id>, such as t0123456789ab", TRIAL.pattern, several=True),
        ),
        ("responseid", "recordeddate", "distributionchannel"),
    ),
    "gforms": Layout(
        (Column("[<trial id>] <question>", TITLE.pattern, several=True),), (r"\[t[0-9a-f]{12}\].*",)
    ),
    "potato": Layout(
        (
            Column(
                "instance_id_to_label_to_value or label_annotations",
                "instance_id_to_label_to_value|label_annotations|annotations",
                several=True,
            ),
        ),
        ("instance_id_to_label_to_value", "label_annotations"),
    ),
}


def check_layout(table: Table, platform: Platform) -> None:
    """Check that a table has the columns of a platform's files.

    Raises:
        BenchError: it looks like a file of another platform, lacks a column, or has one twice.
    """
    names = [folded(name) for name in table.columns]
    layout = LAYOUTS[platform]
    others = [other for other, its in LAYOUTS.items() if other != platform and _matches(names, its.own)]
    if others and not _matches(names, layout.own):
        raise BenchError(
            f"{table.path} looks like a file of the platform {others[0]}, not {platform}: give --platform "
            f"{others[0]}"
        )
    missing = [column.name for column in layout.needed if not _matches(names, [column.pattern])]
    if missing:
        raise BenchError(_missing(table, missing, platform))
    for column in layout.needed:
        found = _matches(names, [column.pattern])
        if not column.several and len(found) > 1:
            raise BenchError(f"{table.path} has two columns called {found[0]!r}: rename one of them")


def _matches(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return [name for name in names if any(re.fullmatch(pattern, name) for pattern in patterns)]


def _missing(table: Table, missing: list[str], platform: Platform) -> str:
    shown = [name[:40] for name in table.columns[:SHOWN_COLUMNS]]
    more = " and others" if len(table.columns) > len(shown) else ""
    return (
        f"{table.path} has no column {' and no column '.join(missing)}, which files of the platform "
        f"{platform} have; its first row must name the columns, and is: {', '.join(shown)}{more}"
    )
