"""A small run, its report, and a real browser to look at it; nothing it asks for may come from a network."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from fesbench.runs.store.store import RunStore
from fesbench.scoring.score_rows import SCORES

AXE = "axe-core@4.14.1"
HOSTILE = '<img src=x onerror="window.pwned=1">'
CLOSING = "</script><script>window.pwned=2</script>"
FORMULA = '=HYPERLINK("https://example.invalid","x")'
ARGUMENTS = ["--model", "copy", "--model", "truth", "--model", "stargan", "--limit", "1"]
METRICS = ["--metric", "ecs", "--metric", "fss", "--metric", "kid"]


@pytest.fixture(scope="session")
def written_page(call_bench):
    """Writes the page of a run; its path."""

    def report(run):
        return Path(call_bench("report", run, "--format", "html").stdout.splitlines()[0])

    return report


@pytest.fixture(scope="session")
def small_run(call_bench, tmp_path_factory):
    """Two controls and a network on one subject of each domain."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    call_bench("run", *ARGUMENTS, *METRICS, "--workers", "0", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def small_page(small_run, written_page):
    return written_page(small_run)


@pytest.fixture(scope="session")
def hostile_run(small_run, tmp_path_factory):
    """The same run, in which every text that users control is hostile and an edit has no output."""
    folder = tmp_path_factory.mktemp("hostile") / HOSTILE.replace("/", "")
    shutil.copytree(small_run, folder)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    entry = record["models"]["stargan"]["rendered"]["card"]
    entry |= {"title": CLOSING, "citation": HOSTILE, "choices": [CLOSING], "weights": f"untrained {HOSTILE}"}
    record["datasets"]["rendered"]["problems"] = [{"path": f"{HOSTILE}.png", "reason": FORMULA}]
    record["unavailable"] = {HOSTILE: CLOSING}
    record["spec"]["checkpoints"] = {"stargan": f"a b'; {HOSTILE}.ckpt"}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "sha256sums.txt").unlink()  # it would tell that files were changed
    store = RunStore(folder)
    scores = pd.read_parquet(folder / "scores.parquet")
    for model in ("copy", "truth"):
        image = store.output_path(model, "rendered", scores["edit"][0])
        image.rename(store.output_path(model, "rendered", HOSTILE))
    store.write_scores(_hostile(scores))
    return folder


def _hostile(scores):
    """One edit is called like an attack, its subject like a formula; stargan has no output for it."""
    edit = scores["edit"] == scores["edit"][0]
    scores.loc[edit, "edit"] = HOSTILE
    scores.loc[edit, "subject"] = FORMULA
    scores.loc[edit, "target"] = CLOSING
    lost = edit & (scores["generator"] == "stargan")
    scores.loc[lost, "value"] = 0.0
    scores.loc[lost, "reason"] = f"no output: {CLOSING}"
    return scores[SCORES.names]


@pytest.fixture(scope="session")
def hostile_page(hostile_run, written_page):
    return written_page(hostile_run)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window, of one module: Playwright keeps a loop running in this thread."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens a page; at the end nothing may have been said on the console or asked of a network."""
    complaints, asked, contexts = [], [], []

    def route(route):
        address = route.request.url
        if address.startswith(("file:", "data:")):
            route.continue_()
        else:
            asked.append(address)
            route.abort()

    def open_page(path, ready="html[data-ready]", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        context.route("**/*", route)
        page = context.new_page()
        page.set_default_timeout(600_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri() if isinstance(path, Path) else path)
        page.wait_for_selector(ready)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked == []


@pytest.fixture(scope="session")
def axe(request):
    """The source of axe-core, fetched once into pytest's cache."""
    folder = request.config.cache.mkdir("fesbench-axe")
    archive = folder / f"{AXE.replace('@', '-')}.tgz"
    if not archive.is_file():
        if not shutil.which("npm"):
            pytest.skip("no npm on this machine, and axe-core is not in the cache")
        command = ["npm", "pack", AXE, "--silent", "--pack-destination", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm cannot fetch {AXE} here: {done.stderr[:200]}")
    with tarfile.open(archive) as package:
        return package.extractfile("package/axe.min.js").read().decode()


@pytest.fixture(scope="session")
def until():
    """Waits for an expression to hold; Playwright's own way evaluates strings, which the page forbids."""

    def wait(page, expression):
        for _ in range(12_000):
            if page.evaluate(expression):
                return
            page.wait_for_timeout(50)
        raise AssertionError(f"never came to hold: {expression}")

    return wait
