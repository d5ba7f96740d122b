"""A run of many outputs stays quick to open: its data comes in pages, its images when they are seen."""

import subprocess
import sys
from pathlib import Path

import pytest

REPEAT = Path(__file__).parents[2] / "benchmarks" / "repeat_run.py"
OUTPUTS = 2500
LARGEST_FILE = 1_000_000
"""Bytes of a data file; one of scores holds 2000 outputs."""


@pytest.fixture(scope="module")
def large_run(small_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "run"
    command = [sys.executable, REPEAT, small_run, folder, "--outputs", str(OUTPUTS)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def large_page(large_run, written_page):
    return written_page(large_run)


def test_opening_loads_no_data_of_single_outputs(visit, large_page):
    page = visit(large_page)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert not [name for name in loaded if "values" in name or "edits" in name]
    assert len([name for name in loaded if name.endswith(".png")]) <= page.locator(".faces img").count() == 15


def test_thumbnails_load_when_they_are_seen(visit, large_page):
    page = visit(large_page)
    page.click(".view:not([hidden]) button.number >> nth=0")
    page.wait_for_selector(".gallery img")
    assert page.locator(".gallery li").count() == 48
    page.click("button.more")
    assert page.locator(".gallery li").count() == 96
    count = page.inner_text("#cell .count")
    assert int(count.split()[0]) >= OUTPUTS / 3 * 4 / 5  # one of three models, four of five domains


def test_data_is_paged(large_page):
    sizes = {path.name: path.stat().st_size for path in (large_page.parent / "data").iterdir()}
    assert max(sizes.values()) < LARGEST_FILE
