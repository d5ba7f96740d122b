"""How progress is shown, and what listeners are told."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from fesbench.runs import progress as module
from fesbench.runs.progress import shown_progress

TASK = SimpleNamespace(generator="copy", dataset="rendered")


def printed(terminal, failed=0):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with shown_progress(console) as listener:
        listener.begin(3, 96)
        for number in range(3):
            lost = failed if number == 1 else 0
            listener.done(SimpleNamespace(task=TASK, edits=32, failed=lost))
    return console.file.getvalue()


def test_a_file_gets_few_plain_lines_and_no_animation():
    assert printed(False) == "3 shards to do, 96 edits\n3 of 3 shards, about 0 s left\n"
    assert "\x1b[" in printed(True)


@pytest.mark.parametrize("terminal", [True, False])
def test_lost_edits_are_told_at_once(terminal):
    assert "copy: 5 of 32 edits have no output" in printed(terminal, failed=5)


def test_a_long_run_tells_now_and_then_what_is_left(monkeypatch):
    clock = iter([0.0, 0.0, 10.0, 25.0, 30.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    lines = printed(False).splitlines()
    assert lines[1] == "2 of 3 shards, about 12 s left"
    assert len(lines) == 3


def test_long_stages_tell_now_and_then_which_step_they_are_at(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 25.0, 40.0, 100.0, 150.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    console = Console(file=io.StringIO(), force_terminal=False, width=100)
    with shown_progress(console) as listener:
        listener.stage("scores of sets", 3)
        for name in ("first", "second", "third"):
            listener.step(name)
        listener.stage("figures")
        listener.step("dots")
    lines = ["scores of sets …", "scores of sets: 2 of 3, second", "figures …", "figures: 1, dots"]
    assert console.file.getvalue().splitlines() == lines


def test_a_bar_names_the_step(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with shown_progress(console) as listener:
        listener.stage("scores of sets", 3)
        listener.step("first")
        listener.step("second")
    assert "second" in console.file.getvalue()
    assert "1/3" in console.file.getvalue()
