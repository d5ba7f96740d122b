import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.run.subject_groups import read_groups, unnamed_subjects


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_texts_group_as_they_are_and_many_numbers_in_thirds(tmp_path):
    rows = "".join(f"{i:03},{18 + i},{'f' if i % 2 else 'm'},name{i}\n" for i in range(30))
    groups = read_groups(write(tmp_path / "info.csv", "face_id,age,gender,name\n" + rows))
    assert list(groups) == ["age", "gender"]
    assert groups.at["001", "gender"] == "f"
    assert groups["age"].value_counts().to_dict() == {"18 to 27": 10, "28 to 37": 10, "38 to 47": 10}


def test_only_an_empty_field_is_missing(tmp_path):
    rows = "NA,None,\nb,Full,31\nc,,NA\nd,None,40\n" + "".join(f"e{i},Full,{i + 20}\n" for i in range(12))
    groups = read_groups(write(tmp_path / "subjects.csv", "subject,beard,age\n" + rows))
    assert groups["beard"].dropna().to_dict().items() >= {"NA": "None", "b": "Full", "d": "None"}.items()
    assert groups["beard"].isna().sum() == 1
    assert groups["age"].notna().sum() == 14


@pytest.mark.parametrize(
    ("text", "part"),
    [("subject\na\n", "at least one"), ("subject,g\na,1\na,2\n", "'a' twice"), ("", "cannot be read")],
)
def test_what_is_no_table_of_subjects_says_why(tmp_path, text, part):
    with pytest.raises(BenchError, match=part):
        read_groups(write(tmp_path / "info.csv", text))


def test_londons_own_table(photos_folder):
    groups = read_groups(photos_folder / "info.csv")
    assert set(groups["face_gender"].dropna()) == {"female", "male"}


def test_spaces_around_cells_make_no_group_and_case_does(tmp_path):
    groups = read_groups(write(tmp_path / "t.csv", "subject,gender\na ,male \nb, male\nc,Male\nd,  \n"))
    assert groups["gender"].dropna().to_dict() == {"a": "male", "b": "male", "c": "Male"}


def test_a_subject_that_only_spaces_make_two_is_named_twice(tmp_path):
    with pytest.raises(BenchError, match="'a' twice"):
        read_groups(write(tmp_path / "t.csv", "subject,g\na,1\na ,2\n"))


def test_subjects_that_a_table_does_not_name_are_counted(tmp_path):
    groups = read_groups(write(tmp_path / "t.csv", "subject,g\na,1\nb,2\n"))
    assert unnamed_subjects(groups, ["a", "c", "d", "a"]) == (
        "2 of 3 subjects of the runs not named, such as c"
    )
    assert unnamed_subjects(groups, ["a", "b"]) == ""
