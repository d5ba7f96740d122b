import re
from pathlib import Path

from fesbench.cli import console as module
from fesbench.cli.console import PLAIN_WIDTH, make_console


def test_no_terminal_gives_one_width_unless_the_environment_names_another(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console().width == make_console(stderr=True).width == PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "77")
    assert make_console().width == 77


def test_commands_make_no_console_of_their_own():
    commands = Path(module.__file__).parent
    makers = [path.name for path in commands.rglob("*.py") if re.search(r"\bConsole\(", path.read_text())]
    assert makers == ["console.py"]
