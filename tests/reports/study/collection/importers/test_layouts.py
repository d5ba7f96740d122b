"""A file is refused where a column is missing or another platform wrote it, with what to do."""

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.collection.importers import READERS

T0 = "t000000000000"
FILES = {
    "web": f"study_id,participant,form_id,trial_id,answer,rt,timestamp,screen\ns,p,F0001,{T0},A,900,,\n",
    "server": f"participant,form_id,trial_id,answer,rt_ms\np,F0001,{T0},A,900\n",
    "paper": f"form_id,number,trial_id,answer,choices\nF0001,0,{T0},A,A B\n",
    "mturk": f"HITId,WorkerId,AssignmentStatus,SubmitTime,Input.form_id,Answer.{T0}\nH,W,Approved,,F0001,A\n",
    "qualtrics": f"StartDate,Status,ResponseId,{T0}\n,IP Address,R_1,1\n",
    "gforms": f"Timestamp,participant,form_id,[{T0}] Which?\nnow,p,F0001,A\n",
}


@pytest.fixture
def read(tmp_path):
    """Read a text as a file of a platform."""

    def read_text(platform, text):
        path = tmp_path / "answers.csv"
        path.write_text(text, encoding="utf-8")
        return READERS[platform](path)

    return read_text


@pytest.mark.parametrize("platform", FILES)
def test_each_platform_reads_its_own_file(read, platform):
    (answer,) = read(platform, FILES[platform]).answers
    assert (answer.trial, answer.answer) == (T0, "1" if platform == "qualtrics" else "A")


@pytest.mark.parametrize("platform", FILES)
def test_headers_in_another_case_are_the_same(read, platform):
    header, row = FILES[platform].split("\n", 1)
    found = read(platform, f"{header.upper()}\n{row}").answers
    expected = read(platform, FILES[platform]).answers
    assert [one._replace(where="") for one in found] == [one._replace(where="") for one in expected]


@pytest.mark.parametrize("platform", FILES)
@pytest.mark.parametrize("written_by", FILES)
def test_a_file_of_another_platform_is_refused_with_its_name(read, platform, written_by):
    if platform != written_by:
        with pytest.raises(BenchError, match=rf"answers\.csv looks like .* give --platform {written_by}"):
            read(platform, FILES[written_by])


@pytest.mark.parametrize(
    ("platform", "column"),
    [
        ("web", "trial_id"), ("web", "answer"), ("web", "participant"), ("server", "trial_id"),
        ("paper", "trial_id"), ("paper", "answer"), ("paper", "form_id"), ("mturk", "WorkerId"),
        ("mturk", "Answer."), ("qualtrics", "ResponseId"), ("qualtrics", "<trial id>"),
        ("gforms", "[<trial id>] <question>"),
    ],
)  # fmt: skip
def test_a_missing_column_is_named(read, platform, column):
    written = {"<trial id>": T0, "[<trial id>] <question>": f"[{T0}] Which?", "Answer.": f"Answer.{T0}"}
    text = FILES[platform].replace(written.get(column, column), "other", 1)
    with pytest.raises(BenchError) as error:
        read(platform, text)
    assert "answers.csv has no column " + column in str(error.value)


@pytest.mark.parametrize("platform", FILES)
def test_a_missing_header_is_shown(read, platform):
    with pytest.raises(BenchError, match="its first row must name the columns, and is: "):
        read(platform, FILES[platform].split("\n", 1)[1] * 2)


def test_potato_needs_its_own_file(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text('[{"worker": 1}]')
    with pytest.raises(BenchError, match="instance_id_to_label_to_value"):
        READERS["potato"](path)
