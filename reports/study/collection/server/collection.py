"""Store the answers of a server in one SQLite file that survives a kill at any moment.

With write-ahead logging and ``synchronous=FULL``, committed answers are on the disk. A participant has one
form, identified by a token that only the participant's browser knows; each trial is answered once.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from fesbench.core.errors import BenchError, did_you_mean

from ...schema import Form, Trial

RELEASE_AFTER = timedelta(hours=12)
"""An unfinished form without answers for this long is assigned again; its participant may still finish it."""

UNUSED_AFTER = timedelta(minutes=30)
"""The same for a form that was assigned and never answered, unless another time is given."""

_TABLES = """
CREATE TABLE IF NOT EXISTS study (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sessions (
  participant TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, form TEXT NOT NULL, screen TEXT NOT NULL,
  started TEXT NOT NULL, seen TEXT NOT NULL, answers INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
  participant TEXT NOT NULL REFERENCES sessions, trial TEXT NOT NULL, answer TEXT NOT NULL,
  rt_ms REAL NOT NULL, received TEXT NOT NULL, PRIMARY KEY (participant, trial)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (
  participant TEXT NOT NULL REFERENCES sessions, form TEXT NOT NULL, answers INTEGER NOT NULL,
  reason TEXT NOT NULL, released TEXT NOT NULL
);
"""
_RELEASED = "released "
"""What the token of a released participant begins with; no hash does."""


class Release(NamedTuple):
    """The record of a release: ``answers`` counts those stored before, ``released`` is an ISO 8601 time."""

    participant: str
    form: str
    answers: int
    reason: str
    released: str


class Refused(Exception):
    """A request that the study does not allow; ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Collection:
    """The open file. All calls must come from one thread, writing calls inside ``transaction``."""

    def __init__(
        self, path: Path, study: str, forms: Sequence[Form], unused_after: timedelta = UNUSED_AFTER
    ) -> None:
        """Open or create the file.

        Args:
            path: The file.
            study: The id of the study.
            forms: All its forms.
            unused_after: A form that was assigned and not answered for so long is assigned again.

        Raises:
            BenchError: it cannot be opened, or holds the answers of another study.
        """
        self.forms = {form.id: {trial.id: trial for trial in form.trials} for form in forms}
        self.unused_after = unused_after
        self.connection = _opened(path, study)

    def close(self) -> None:
        """Close the file, which merges the write-ahead log into it."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside to the disk, or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # SQLite itself rolls back where the disk is full
                self.connection.execute("ROLLBACK")
            raise

    def start(self, participant: str, token: str, screen: str = "") -> str:
        """Return the form of a participant: the one assigned already, else the next free one.

        A participant who was released goes on with the new token.

        Raises:
            Refused: the participant has another token, or no form is free.
        """
        held = self._row("SELECT token, form FROM sessions WHERE participant = ?", participant)
        secret, now = _hash(token), _now()
        if held and held["token"] == secret:
            return str(held["form"])
        if held and not held["token"].startswith(_RELEASED):
            raise Refused(409, "This participant has begun in another browser. Please go on there.")
        if self._row("SELECT 1 FROM sessions WHERE token = ?", secret):
            raise Refused(409, "This token belongs to another participant.")
        if held:
            self.connection.execute(
                "UPDATE sessions SET token = ?, screen = ?, seen = ? WHERE participant = ?",
                (secret, screen, now, participant),
            )
            return str(held["form"])
        form = self._free()
        row = (participant, secret, form, screen, now, now)
        self.connection.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, 0)",
            row,
        )
        return form

    def _free(self) -> str:
        """Return the first form that is neither finished nor in progress."""
        now = datetime.now(UTC)
        since, unused_since = ((now - time).isoformat() for time in (RELEASE_AFTER, self.unused_after))
        rows = self.connection.execute("SELECT form, answers, seen FROM sessions")
        taken = {
            row["form"]
            for row in rows
            if row["seen"] > (since if row["answers"] else unused_since)
            or row["answers"] >= len(self.forms[row["form"]])
        }
        for form in self.forms:
            if form not in taken:
                return form
        raise Refused(409, "All places of this study are taken. Thank you for your interest.")

    def answer(self, token: str, trial: str, answer: str, rt_ms: float) -> bool:
        """Store an answer; return False if the same one is stored already.

        Raises:
            Refused: the token is unknown, the trial is not in the participant's form, the answer is none of
                its choices, or another answer was given before.
        """
        session = self._row("SELECT participant, form FROM sessions WHERE token = ?", _hash(token))
        if not session:
            raise Refused(401, "Nobody with this token takes part.")
        self._check(self.forms[session["form"]].get(trial), answer)
        who = session["participant"]
        kept = self._row("SELECT answer FROM answers WHERE participant = ? AND trial = ?", who, trial)
        if kept:
            if kept["answer"] != answer:
                raise Refused(409, "This question was answered before; the first answer counts.")
            return False
        now = _now()
        self.connection.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?)", (who, trial, answer, rt_ms, now)
        )
        self.connection.execute(
            "UPDATE sessions SET answers = answers + 1, seen = ? WHERE participant = ?", (now, who)
        )
        return True

    def answered(self, participant: str) -> list[str]:
        """Return the trials that a participant has answered, sorted."""
        rows = self.connection.execute(
            "SELECT trial FROM answers WHERE participant = ? ORDER BY trial", (participant,)
        )
        return [row["trial"] for row in rows]

    def release(self, participant: str, reason: str) -> Release:
        """Let a participant go on in another browser, with the same form and answers, and record it.

        Raises:
            BenchError: the participant has not begun, has finished, or is released already.
        """
        held = self._row("SELECT token, form, answers FROM sessions WHERE participant = ?", participant)
        if not held:
            everyone = [row["participant"] for row in self.connection.execute("SELECT * FROM sessions")]
            raise BenchError(
                f"no participant {participant!r} has begun.{did_you_mean(participant, everyone)}"
            )
        if held["token"].startswith(_RELEASED):
            raise BenchError(f"participant {participant!r} is released already and has not gone on yet")
        if held["answers"] >= len(self.forms[held["form"]]):
            raise BenchError(
                f"participant {participant!r} has answered every question of form {held['form']}"
            )
        record = Release(participant, held["form"], held["answers"], reason, _now())
        self.connection.execute(
            "UPDATE sessions SET token = ? WHERE participant = ?", (_RELEASED + participant, participant)
        )
        self.connection.execute("INSERT INTO releases VALUES (?, ?, ?, ?, ?)", record)
        return record

    def releases(self) -> list[Release]:
        """Return the records of all releases, the earliest first."""
        return [Release(*row) for row in self.connection.execute("SELECT * FROM releases ORDER BY rowid")]

    @staticmethod
    def _check(trial: Trial | None, answer: str) -> None:
        if trial is None:
            raise Refused(403, "This question is not of this participant's form.")
        if answer not in trial.choices:
            raise Refused(422, "This is none of the question's answers.")

    def _row(self, query: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.connection.execute(query, values).fetchone()
        return row


def _opened(path: Path, study: str) -> sqlite3.Connection:
    with ExitStack() as unless_usable:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            unless_usable.callback(connection.close)
            found = _prepared(connection, study)
        except (OSError, sqlite3.Error) as error:
            raise BenchError(
                f"cannot keep answers in {path}: {error}; choose another file with --answers"
            ) from error
        if found != study:
            raise BenchError(
                f"{path} holds the answers of study {found}, not {study}; choose another with --answers"
            )
        unless_usable.pop_all()
        return connection


def _prepared(connection: sqlite3.Connection, study: str) -> str:
    """Make the tables of an empty file; return the id of the study that the file is of."""
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(_TABLES)
    connection.execute("INSERT INTO study SELECT ? WHERE NOT EXISTS (SELECT 1 FROM study)", (study,))
    found: str = connection.execute("SELECT id FROM study").fetchone()[0]
    return found


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read all answers in a file in the order of arrival, also while a server writes to it.

    Returns:
        Records with the keys ``participant`` (the id sent by the browser), ``form_id``, ``trial_id``,
        ``answer``, ``rt_ms``, ``timestamp`` and ``screen``.

    Raises:
        BenchError: it is missing, or was not written by a server.
    """
    query = (
        "SELECT participant, form AS form_id, trial AS trial_id, answer, rt_ms, received AS timestamp, "
        "screen FROM answers JOIN sessions USING (participant) ORDER BY received, participant, trial"
    )
    if not path.is_file():
        raise BenchError(f"{path} is missing; give the file that `bench study serve` named")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]
    except sqlite3.Error as error:
        raise BenchError(f"{path} holds no answers of `bench study serve`: {error}") from error
    finally:
        connection.close()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
