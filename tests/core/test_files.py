from pathlib import Path

import pytest

from fesbench.core.files import read_limited


@pytest.mark.parametrize(("limit", "text"), [(2048, "2 kB"), (3 << 20, "3 MB")])
def test_a_file_may_have_as_many_bytes_as_the_limit_and_no_more(tmp_path: Path, limit: int, text: str):
    file = tmp_path / "content"
    file.write_bytes(bytes(limit))
    assert len(read_limited(file, limit, "cut it")) == limit
    file.write_bytes(bytes(limit + 1))
    with pytest.raises(OSError, match="larger than") as caught:
        read_limited(file, limit, "cut it")
    assert caught.value.strerror == f"it is larger than {text}; cut it"


def test_a_missing_file_is_an_os_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_limited(tmp_path / "none", 1, "")
