"""The commands of the documentation: those marked to be run are run, page by page."""

import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).parents[2] / "docs"
RUN, NOT_RUN, PAGE = "<!-- run -->", "<!-- not run: ", "<!-- commands on this page are not run by tests: "
BLOCK = re.compile(r"(?P<before>[^\n]*)\n```(?P<language>[^\n]*)\n(?P<code>.*?)\n```", re.DOTALL)
LANGUAGES = ("sh", "python", "")
FIRST_WORDS = ("bench", "python", "pip", "make", "torchrun")
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


class Block(NamedTuple):
    mark: str
    language: str
    code: str


def blocks(page):
    found = [Block(*match.groups()) for match in BLOCK.finditer((DOCS / page).read_text(encoding="utf-8"))]
    commands = [block for block in found if block.language in LANGUAGES]
    return [block for block in commands if block.language or block.code.startswith(FIRST_WORDS)]


def commands(code):
    """Yield the words of each ``bench`` command of a block."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "bench", line
            yield words[1:]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_run_or_marked_as_not(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    marked = [block.mark.startswith((RUN, NOT_RUN)) for block in blocks(page)]
    assert all(marked) or PAGE in text
    assert sum(block.mark.startswith(RUN) for block in blocks(page)) == text.count(RUN)


@pytest.mark.parametrize("page", [page for page in PAGES if RUN in (DOCS / page).read_text(encoding="utf-8")])
def test_commands_work_as_written(page, call_bench, new_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FESBENCH_HOME", str(new_home()))
    names = {}
    for block in blocks(page):
        if block.mark.startswith(RUN) and block.language == "python":
            exec(compile(block.code, page, "exec"), names)
        elif block.mark.startswith(RUN):
            for words in commands(block.code):
                call_bench(*words, **os.environ)
