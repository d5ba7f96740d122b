from fesbench.core.plurals import counted


def test_one_is_singular_and_everything_else_plural():
    assert [counted(number, "model") for number in (0, 1, 2)] == ["0 models", "1 model", "2 models"]
    assert counted(1, "person", "people") == "1 person"
    assert counted(3, "person", "people") == "3 people"
