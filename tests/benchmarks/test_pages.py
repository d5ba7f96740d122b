"""Benchmarks write their tables into pages, and lose no row of an earlier one."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """# Speed

<!-- fast -->
| model | s |
|---|---|
| a | 1 |
| b \\| c | 2 |
<!-- end of fast -->

| other | s |
|---|---|
| z | 9 |
"""


@pytest.fixture
def pages(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("pages", ROOT / "benchmarks" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    return module


@pytest.fixture
def page(tmp_path):
    (tmp_path / "speed.md").write_text(PAGE)
    return tmp_path / "speed.md"


def table(*rows):
    return "\n".join(["| model | ms |", "|---|---|", *(f"| {row} | 5 |" for row in rows)])


def test_a_table_is_replaced_and_the_rest_of_the_page_kept(pages, page):
    pages.write_table(page, "fast", table("a", "b \\| c", "new"))
    text = page.read_text()
    assert text.partition("<!-- end of fast -->")[2] == PAGE.partition("<!-- end of fast -->")[2]
    assert "| new | 5 |\n<!-- end of fast -->" in text
    assert "| a | 1 |" not in text


def test_fewer_rows_are_refused_by_name_and_what_was_measured_is_kept(pages, page, tmp_path):
    with pytest.raises(SystemExit, match=re.escape("not measured now: b \\| c.")):
        pages.write_table(page, "fast", table("a", "new"))
    assert page.read_text() == PAGE
    assert "| new | 5 |" in (tmp_path / "kept" / "speed.md").read_text()
    with pytest.raises(SystemExit, match="z"):
        pages.write_page(page, PAGE.replace("| z | 9 |", ""))


def test_rows_of_one_name_are_counted(pages, page):
    twice = PAGE.replace("| a | 1 |", "| a | 1 |\n| a | 2 |")
    page.write_text(twice)
    with pytest.raises(SystemExit, match="a"):
        pages.write_page(page, PAGE)
    pages.write_page(page, twice + "more")
    assert page.read_text().endswith("more")


def test_a_table_must_be_there_once(pages, page):
    for name in ("slow", "fast -->\n"):
        with pytest.raises(SystemExit, match="0 tables"):
            pages.write_table(page, name, table("a"))


def test_the_pages_of_the_documentation_have_the_tables_that_scripts_replace(pages):
    for file, name in (
        ("README.md", "numbers: demo"),
        ("docs/london.md", "numbers: london"),
        ("docs/london.md", "numbers: differences"),
        ("docs/london.md", "numbers: ood-real"),
        ("docs/registered.md", "ablation: london"),
        ("docs/registered.md", "ablation: rendered"),
        ("docs/mutants.md", "table"),
    ):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert len(re.findall(f"<!-- {name} -->.*?<!-- end of {name} -->", text, re.DOTALL)) == 1
    assert "masked regression" in set(pages.first_cells((ROOT / "docs/registered.md").read_text()))
