"""YAML of anyone is read as plain values, or refused in one line."""

import pytest

from fesbench.core.errors import SpecError
from fesbench.core.yaml_files import parse_yaml, read_yaml

BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "[" * 100_000,
        "a: [",
        "? [a]\n: b",
        "a: " + "1" * 5000,
        "a: !!python/name:os.system",
        "a: \0",
    ],
    ids=["aliases", "deep", "open", "key", "digits", "tag", "nul"],
)
def test_odd_yaml_is_refused_in_one_line(text):
    with pytest.raises(SpecError, match=r"^x\.yaml [^\n]*$"):
        parse_yaml(text, "x.yaml")


def test_dates_stay_text_and_large_files_are_not_read(tmp_path):
    assert parse_yaml("until: 2027-01-01\ncount: 3\n", "x.yaml") == {"until": "2027-01-01", "count": 3}
    (tmp_path / "large.yaml").write_bytes(b"# " + b"x" * 300_000)
    with pytest.raises(SpecError, match="larger than 256 kB"):
        read_yaml(tmp_path / "large.yaml")
