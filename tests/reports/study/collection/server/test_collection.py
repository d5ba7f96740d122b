"""The file of answers: forms are assigned and released, transactions are whole, other files refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import OperationalError

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.collection.importers import server as importer
from fesbench.reports.study.collection.server.collection import Collection, Refused


def test_the_file_is_imported_whatever_it_is_called(made, tmp_path, token):
    lab, trial = Collection(tmp_path / "lab.db", made.study.id, made.forms), made.forms[0].trials[0]
    with lab.transaction():
        lab.start("fay", token("fay"))
        lab.answer(token("fay"), trial.id, "A", 900)
    (answer,) = importer.read(tmp_path / "lab.db").answers
    lab.close()
    assert (answer.participant, answer.trial, answer.answer) == ("fay", trial.id, "A")


def test_a_form_left_alone_is_free_again(collection, made):
    assert collection.start("ann", "a" * 32) == "F0001"
    collection.connection.execute("UPDATE sessions SET seen = '2020-01-01T00:00:00+00:00'")
    assert collection.start("bob", "b" * 32) == "F0001"
    assert collection.start("ann", "a" * 32) == "F0001"
    assert collection.start("cat", "c" * 32) == "F0002"


def test_a_form_that_nobody_answered_is_free_sooner_than_a_begun_one(collection, made):
    collection.start("ann", "a" * 32)
    collection.start("bob", "b" * 32)
    collection.answer("a" * 32, made.forms[0].trials[0].id, "A", 900)
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    collection.connection.execute("UPDATE sessions SET seen = ?", (hour_ago,))
    assert collection.start("cat", "c" * 32) == "F0002"


def test_when_an_unanswered_form_is_free_again_can_be_chosen(store, made):
    patient = Collection(store, made.study.id, made.forms, unused_after=timedelta(hours=2))
    patient.start("ann", "a" * 32)
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    patient.connection.execute("UPDATE sessions SET seen = ?", (hour_ago,))
    assert patient.start("bob", "b" * 32) == "F0002"
    patient.unused_after = timedelta(minutes=30)
    assert patient.start("cat", "c" * 32) == "F0001"
    patient.close()


def test_a_finished_form_stays_taken(collection, made):
    collection.start("ann", "a" * 32)
    for trial in made.forms[0].trials:
        collection.answer("a" * 32, trial.id, trial.choices[0], 900)
    collection.connection.execute("UPDATE sessions SET seen = '2020-01-01T00:00:00+00:00'")
    assert collection.start("bob", "b" * 32) == "F0002"


def test_a_released_participant_goes_on_in_another_browser(collection, made):
    first, second = made.forms[0].trials[:2]
    collection.start("ann", "a" * 32)
    collection.answer("a" * 32, first.id, "A", 900)
    record = collection.release("ann", "storage cleared")
    assert record[:4] == ("ann", "F0001", 1, "storage cleared")
    assert collection.start("ann", "b" * 32, "800x600") == "F0001"
    assert collection.answered("ann") == [first.id]
    assert collection.answer("b" * 32, second.id, "B", 900)
    assert collection.releases() == [record]
    with pytest.raises(Refused, match="Nobody with this token"):
        collection.answer("a" * 32, second.id, "A", 900)
    with pytest.raises(Refused, match="another browser"):
        collection.start("ann", "c" * 32)


def test_a_release_takes_no_token_of_another_participant(collection):
    collection.start("ann", "a" * 32)
    collection.start("bob", "b" * 32)
    collection.release("ann", "")
    with pytest.raises(Refused, match="belongs to another"):
        collection.start("ann", "b" * 32)


def test_only_who_has_begun_and_not_finished_is_released(collection, made):
    collection.start("anna", "a" * 32)
    with pytest.raises(BenchError, match=r"no participant 'ana' has begun\. Did you mean anna"):
        collection.release("ana", "")
    for trial in made.forms[0].trials:
        collection.answer("a" * 32, trial.id, trial.choices[0], 900)
    with pytest.raises(BenchError, match="answered every question of form F0001"):
        collection.release("anna", "")
    collection.start("bob", "b" * 32)
    collection.release("bob", "")
    with pytest.raises(BenchError, match="released already"):
        collection.release("bob", "")
    assert [record.participant for record in collection.releases()] == ["bob"]


def test_the_study_is_full_after_its_last_form(collection, made):
    for number in range(len(made.forms)):
        collection.start(f"p{number}", f"{number:032x}")
    with pytest.raises(Refused, match="taken"):
        collection.start("late", "f" * 32)


def test_a_transaction_that_fails_leaves_nothing(collection):
    def start_and_fail():
        with collection.transaction():
            collection.start("ann", "a" * 32)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start_and_fail()
    assert collection.start("bob", "b" * 32) == "F0001"


def test_answers_of_another_study_are_refused(collection, store, made):
    with pytest.raises(BenchError, match="another with --answers"):
        Collection(store, "s000000000000", made.forms)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_no_server_wrote_is_refused(tmp_path, content):
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(BenchError, match="bench study serve"):
        importer.read(path)
    with pytest.raises(BenchError, match="missing"):
        importer.read(Path(tmp_path, "none.sqlite"))


def test_an_answer_that_a_full_disk_did_not_take_is_refused_and_taken_later(made, small_disk, token):
    lab, trials = Collection(small_disk.folder / "lab.db", made.study.id, made.forms), made.forms[0].trials
    with lab.transaction():
        lab.start("fay", token("fay"))
        lab.answer(token("fay"), trials[0].id, "A", 900)
    small_disk.leave(0)

    def answer(trial):
        with lab.transaction():
            return lab.answer(token("fay"), trial.id, trial.choices[0], 900)

    def fill():
        for trial in trials[1:]:
            answer(trial)

    with pytest.raises(OperationalError, match="full"):  # perhaps after the last free page of the file
        fill()
    taken = len(lab.answered("fay"))
    small_disk.clear()
    assert answer(trials[taken])
    assert len(lab.answered("fay")) == taken + 1
    lab.close()
