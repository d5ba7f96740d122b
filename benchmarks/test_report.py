"""Time and memory of the report of a run with 50,000 outputs, and how soon its page shows a table.

pytest benchmarks/test_report.py --benchmark-disable -s
"""

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OUTPUTS = 50_000
MOST_SECONDS, MOST_BYTES, FIRST_TABLE = 60, 2 * 1024**3, 2.0


@pytest.fixture(scope="module")
def large_run(tmp_path_factory):
    """A small run of three models, its edits repeated."""
    folder = tmp_path_factory.mktemp("report")
    models = [word for name in ("copy", "truth", "stargan") for word in ("--model", name)]
    run = [sys.executable, "-m", "fesbench", "run", *models, "--limit", "1", "--out", folder / "small"]
    subprocess.run(run, check=True, capture_output=True)
    repeat = [sys.executable, HERE / "repeat_run.py", folder / "small", folder / "large"]
    subprocess.run([*repeat, "--outputs", str(OUTPUTS)], check=True)
    return folder / "large"


def test_report_of_a_large_run(large_run):
    began = time.monotonic()
    command = [sys.executable, "-m", "fesbench", "report", large_run, "--format", "html"]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"\n{OUTPUTS} outputs: {seconds:.1f} s, {peak / 1e6:.0f} MB")
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES


def test_first_table_of_a_large_report(large_run):
    sync_api = pytest.importorskip("playwright.sync_api")
    page_file = large_run / "report" / "html" / "index.html"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        began = time.monotonic()
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-ready]")
        seconds = time.monotonic() - began
        browser.close()
    print(f"\nfirst table after {seconds:.2f} s")
    assert seconds < FIRST_TABLE
