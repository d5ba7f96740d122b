"""A real browser takes part in a study, from a disk and from the lab server, by keyboard alone."""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

SCREEN = {"width": 1024, "height": 768}
STUDY = ["--model", "copy", "--model", "truth", "--model", "stargan", "--items", "1", "--participants", "2"]


@pytest.fixture(scope="module")
def packet(call_bench, small_run, tmp_path_factory):
    """One item, two questions: a short form of every kind of trial."""
    folder = tmp_path_factory.mktemp("study")
    choices = ["--questions", "expression,realism", "--output", "web", "--output", "lab"]
    call_bench(
        "study", "make", small_run, *STUDY, *choices, "--private", folder / "key", "--out", folder / "a/p"
    )
    return folder / "a/p"


@pytest.fixture
def imported(call_bench, packet, tmp_path):
    """Answers of a file, as the importer sees them."""

    def read(platform, path):
        private = ["--private", packet.parents[1] / "key", "--out", tmp_path / platform]
        arguments = ("--packet", packet, *private, "--platform", platform, path, "--json")
        done = call_bench("study", "import", *arguments)
        assert json.loads(done.stdout)["problems"] == {}
        with (tmp_path / platform / "responses.csv").open(newline="") as file:
            return {row["trial_id"]: row["answer"] for row in csv.DictReader(file)}

    return read


@pytest.fixture
def window(browser):
    """Opens a page at 1024×768; at the end nothing but a lost server may stand on the console."""
    complaints, contexts = [], []

    def open_window(address, **options):
        contexts.append(browser.new_context(viewport=SCREEN, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(600_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#study h1")
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert [text for text in complaints if "ERR_CONNECTION_REFUSED" not in text] == []


@pytest.fixture
def server(packet, tmp_path):
    """Starts the server on a file of answers; a port given once is used again."""
    running = []

    def start(port=0):
        command = [sys.executable, "-m", "fesbench", "study", "serve", packet, "--port", port]
        command += ["--answers", tmp_path / "answers.sqlite"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, env=environment)
        running.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.terminate()
        process.wait(1200)
        process.stdout.close()


def press(page, label):
    """Go to a button with the tab key, and press it."""
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith(label):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"no button {label!r} can be reached with the tab key")


def reopened(page):
    """The same address in the same browser, after its tab was closed."""
    context, address = page.context, page.url
    page.close()
    page = context.new_page()
    page.set_default_timeout(600_000)
    page.goto(address)
    return page


def begin(page):
    press(page, "I agree")
    page.wait_for_selector("h1:has-text('Instructions')")
    press(page, "Start")


def answer(page, count=1000, ways=("letter", "tab", "arrow")):
    """Answer up to so many questions with one key or another; what was answered, in order."""
    given = []
    while len(given) < count:
        page.wait_for_selector(".prompt, h1:has-text('Thank you'), h1:has-text('Part')")
        if page.query_selector("h1:has-text('Part')"):
            press(page, "Go on")
            continue
        if not page.query_selector(".prompt"):
            break
        page.wait_for_selector("button[data-key]:not([disabled])")
        fits = (
            "document.documentElement.scrollHeight <= innerHeight && document.body.scrollWidth <= innerWidth"
        )
        assert page.evaluate(fits)
        number, keys = (
            page.inner_text(".bar"),
            page.eval_on_selector_all("[data-key]", "a => a.map(b => b.dataset.key)"),
        )
        place = len(given) % 2
        {"letter": by_letter, "tab": by_tab, "arrow": by_arrow}[ways[len(given) % 3]](page, keys, place)
        page.wait_for_function(
            "old => !document.querySelector('.bar') || document.querySelector('.bar').innerText !== old",
            arg=number,
        )
        given.append(keys[place])
    return given


def by_letter(page, keys, place):
    page.keyboard.press(keys[place].lower())


def by_tab(page, _, place):
    for _ in range(place + 1):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def by_arrow(page, _, place):
    for _ in range(place + 1):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")


def trials(packet, form):
    content = json.loads((packet / "public" / "forms" / f"{form}.json").read_text())
    return [trial["id"] for trial in content["trials"]]


def test_a_study_from_a_disk(packet, window, imported, tmp_path):
    page = window(f"{(packet / 'public/web/index.html').as_uri()}?form=F0002")
    begin(page)
    given = answer(page, 3)
    page = reopened(page)
    page.wait_for_selector("h1:has-text('Welcome back')")
    press(page, "Go on")
    with page.expect_download() as download:
        given += answer(page)
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert imported("web", saved) == dict(zip(trials(packet, "F0002"), given, strict=True))
    press(page, "Next participant")
    page.wait_for_selector("h1:has-text('Consent')")


def test_a_served_study_that_loses_its_server(packet, window, imported, server, tmp_path):
    process, address = server()
    page = window(f"{address}?PROLIFIC_PID=5f00000000000000000000aa")
    begin(page)
    given = answer(page, 2)
    while page.evaluate("answers.state.sent") != 2:  # the page forbids what wait_for_function does
        page.wait_for_timeout(100)
    process.send_signal(signal.SIGKILL)
    process.wait(1200)
    given += answer(page, 2)
    page.wait_for_selector("#notice:has-text('connection is lost')")
    server(int(address.rstrip("/").rpartition(":")[2]))
    given += answer(page)
    page.wait_for_selector("h1:has-text('Thank you')")
    assert page.inner_text("#notice") == ""
    found = imported("server", tmp_path / "answers.sqlite")
    assert found == dict(zip(trials(packet, "F0001"), given, strict=True))


def test_who_does_not_agree_leaves_nothing(packet, window):
    page = window((packet / "public/web/index.html").as_uri())
    press(page, "I do not agree")
    page.wait_for_selector("h1:has-text('You have not agreed')")
    assert page.evaluate("localStorage.length") == 0
    press(page, "Go back")
    page.wait_for_selector("h1:has-text('Consent')")


def test_a_small_window_hides_the_study_and_takes_no_answer(packet, window):
    page = window(f"{(packet / 'public/web/index.html').as_uri()}?form=F0001")
    begin(page)
    page.wait_for_selector("button[data-key]:not([disabled])")
    page.set_viewport_size({"width": 700, "height": 768})
    assert page.is_visible("#small")
    assert not page.is_visible(".prompt")
    page.keyboard.press("a")
    page.set_viewport_size(SCREEN)
    assert not page.is_visible("#small")
    assert page.evaluate("answers.state.rows.length") == 0
    assert answer(page, 1) == ["A"]


def test_answers_are_posted_before_the_way_back_is_shown(call_bench, small_run, browser, tmp_path):
    """A page for Prolific with an address that fails once; then the participant is sent back."""
    options = [
        "--post-url",
        "https://collect.invalid/data",
        "--datapipe",
        "Exp1",
        "--completion-codes",
        "C1,C2,C3",
    ]
    where = [
        "--private",
        tmp_path / "key",
        "--out",
        tmp_path / "a/p",
        "--output",
        "web",
        "--questions",
        "realism",
    ]
    call_bench("study", "make", small_run, *STUDY, *options, *where)
    posted, visited = [], []

    def collect(route):
        posted.append(json.loads(route.request.post_data))
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        route.fulfill(status=500 if len(posted) == 1 else 201, headers=headers, body="{}")

    context = browser.new_context(viewport=SCREEN)
    context.route("https://collect.invalid/**", collect)
    context.route(
        "https://app.prolific.com/**", lambda route: (visited.append(route.request.url), route.abort())
    )
    page = context.new_page()
    page.set_default_timeout(600_000)
    page.goto(
        f"{(tmp_path / 'a/p/public/web/index.html').as_uri()}?PROLIFIC_PID=abc123&STUDY_ID=x&SESSION_ID=y"
    )
    begin(page)
    given = answer(page)
    page.wait_for_selector("h1:has-text('Thank you')")
    with page.expect_request("https://app.prolific.com/**"):
        press(page, "Finish")
    context.close()
    assert visited == ["https://app.prolific.com/submissions/complete?cc=C1"]
    assert len(posted) == 2
    assert posted[1]["experimentID"] == "Exp1"
    rows = list(csv.DictReader(posted[1]["data"].splitlines()))
    assert [row["answer"] for row in rows] == given
    assert {row["participant"] for row in rows} == {"abc123"}
