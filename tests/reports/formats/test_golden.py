"""Each format of a table, byte for byte.

After a wanted change: FESBENCH_REGENERATE=1 pytest tests/reports/formats/test_golden.py, then read the diff.
"""

import os
from pathlib import Path

import pytest

from fesbench.reports.formats.latex import latex_document, latex_tables
from fesbench.reports.formats.markdown import csv_tables, markdown_tables
from fesbench.reports.formats.siunitx import siunitx_tables
from fesbench.reports.formats.structured import json_tables

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = bool(os.environ.get("FESBENCH_REGENERATE"))

FORMATS = {
    "tex": lambda tables: latex_tables(tables, "run golden"),
    "siunitx.tex": lambda tables: siunitx_tables(tables, "run golden"),
    "standalone.tex": lambda tables: latex_document(tables, "run golden"),
    "md": markdown_tables,
    "csv": csv_tables,
    "json": json_tables,
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", ["full", "pairs", "nasty"])
def test_a_format_stays_as_it_is(kind, suffix, request):
    text = FORMATS[suffix]([request.getfixturevalue(f"{kind}_table")])
    path = GOLDEN / f"{kind}.{suffix}"
    if REGENERATE:
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_bytes() == text.encode()
