import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from fesbench.cli import console as module
from fesbench.cli.console import PLAIN_WIDTH, make_console, shown_progress

TASK = SimpleNamespace(generator="copy", dataset="rendered")


def test_no_terminal_gives_one_width_unless_the_environment_names_another(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console().width == make_console(stderr=True).width == PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "77")
    assert make_console().width == 77


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


def test_commands_make_no_console_of_their_own():
    commands = Path(module.__file__).parent
    makers = [path.name for path in commands.rglob("*.py") if re.search(r"\bConsole\(", path.read_text())]
    assert makers == ["console.py"]
