"""Tables of scores that unfold beyond memory are refused before they do."""

import io
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fesbench.scoring import score_tables
from fesbench.scoring.score_rows import SCORES
from fesbench.scoring.score_tables import read_score_table


def content_of(text, rows):
    """A Parquet file with the same text in all columns of all rows."""
    values = {
        field.name: pa.DictionaryArray.from_arrays(pa.repeat(0, rows), [text])
        if field.type == pa.string()
        else pa.repeat(1.0, rows)
        for field in SCORES
    }
    content = io.BytesIO()
    pq.write_table(pa.table(values), content)
    return content.getvalue()


def test_text_that_is_stored_once_and_repeated_without_end_is_refused():
    content = content_of("x" * 2**20, 100_000)  # 9 columns: 944 GB
    assert len(content) < 2**25
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"unfold to 943\d+ bytes"):
        read_score_table(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kB


def test_rows_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(score_tables, "MOST_ROWS", 99)
    assert len(read_score_table(content_of("x", 99)).rows) == 99
    with pytest.raises(ValueError, match="100 rows"):
        read_score_table(content_of("x", 100))


def test_rows_have_the_types_of_scores_however_they_are_stored():
    rows = read_score_table(content_of("x", 3)).rows
    assert rows.dtypes.equals(SCORES.empty_table().to_pandas().dtypes)
    assert rows["edit"].tolist() == ["x"] * 3
