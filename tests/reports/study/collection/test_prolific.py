"""Prolific's export beside the answers: whom to approve."""

import csv
import io

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.analysis.quality import judge
from fesbench.reports.study.collection.prolific import linkage_csv
from fesbench.reports.study.schema import Exclusion
from fesbench.reports.study.storage import pseudonym

EXPORT = (
    "Submission id,Participant id,Status,Completed at,Time taken,Age,Sex\n"
    "s1,5fgood,AWAITING REVIEW,2026-01-02T03:04:05Z,412,33,Female\n"
    "s2,5fhasty,AWAITING REVIEW,2026-01-02T03:04:05Z,60,=1+1,Male\n"
    "s3,5fgone,RETURNED,,12,44,Male\n"
)


@pytest.fixture
def raters(best_of_three, make_answers):
    """One who answered everything, and one who stopped after two answers."""
    _, forms, key = best_of_three
    ids = {f"{0:016x}": pseudonym(key.secret, "5fgood"), f"{1:016x}": pseudonym(key.secret, "5fhasty")}
    answers = make_answers(best_of_three, [["A", "B", "C", "A"], ["A", "B", None, None]])
    named = [one.model_copy(update={"participant": ids[one.participant]}) for one in answers]
    return judge(named, forms, key, Exclusion())


@pytest.mark.parametrize("column", ["Participant id", "participant_id"])
def test_each_submission_stands_beside_its_answers(best_of_three, raters, tmp_path, column):
    path = tmp_path / "prolific_export_1.csv"
    path.write_text(EXPORT.replace("Participant id", column), encoding="utf-8")
    text = linkage_csv(path, best_of_three.key.secret, raters)
    rows = list(csv.DictReader(io.StringIO(text)))
    shown = [
        [row[name] for name in ("platform_id", "form_id", "status", "taken_s", "excluded")] for row in rows
    ]
    assert shown == [
        ["5fgood", "F0000", "AWAITING REVIEW", "412", ""],
        ["5fhasty", "F0001", "AWAITING REVIEW", "60", "incomplete"],
        ["5fgone", "", "RETURNED", "12", ""],
    ]
    assert [row["answered"] for row in rows] == ["4", "2", "0"]
    assert "Female" not in text
    assert "33" not in [value for row in rows for value in row.values()]


def test_another_file_is_refused(best_of_three, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(BenchError, match="Participant id"):
        linkage_csv(path, best_of_three.key.secret, [])
