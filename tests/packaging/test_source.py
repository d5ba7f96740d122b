"""Rules about the source tree that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT_NAMES = {"bench", "baselines", "reggan", "datasets", "reports"}

MACHINE_PATHS = ("work", "root", "tmp", "opt", "home/[a-z]+")
INDEXES = (r"pypi\.", "/pypi", "pythonhosted", r"download\.pytorch", r"npmjs\.", r"anaconda\.org", "/simple/")
FORBIDDEN = re.compile(
    rf"""(?<![\w.~}})$/])/(?:{"|".join(MACHINE_PATHS)})/|{"|".join(INDEXES)}""", re.IGNORECASE
)


def imported_modules(source: str) -> list[str]:
    """The absolute names that a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return names


def test_nothing_imports_our_folders_by_their_short_names(tracked):
    # Two names for one file would be two modules, with two registries.
    wrong = [
        f"{path} imports {name}"
        for path in tracked
        if path.suffix == ".py"
        for name in imported_modules((ROOT / path).read_text(encoding="utf-8"))
        if name.split(".")[0] in SHORT_NAMES
    ]
    assert wrong == []


def test_the_test_session_does_not_see_our_folders_as_top_level_modules():
    assert str(ROOT) not in sys.path
    assert "" not in sys.path


def test_no_machine_paths_and_no_package_index_addresses(tracked):
    wrong = []
    for path in tracked:
        content = (ROOT / path).read_bytes()
        if path == Path(__file__).relative_to(ROOT) or b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if match := FORBIDDEN.search(line):
                wrong.append(f"{path}:{number}: {match[0]}")
    assert wrong == []


def test_pins_are_exact_versions_without_addresses():
    files = sorted((ROOT / "constraints").glob("py*.txt"))
    assert [file.name for file in files] == ["py311.txt", "py312.txt", "py313.txt"]
    for file in files:
        pins = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin)] == []


@pytest.mark.parametrize("module", ["torch", "pandas", "numpy", "scipy", "matplotlib"])
def test_help_needs_nothing_heavy(module, loaded_by_help):
    assert module not in loaded_by_help


def test_no_command_needs_anything_heavy_for_its_help():
    program = (
        "import sys, click; from click.testing import CliRunner; from fesbench.cli import cli\n"
        "def walk(group, words):\n"
        "    for name in group.list_commands(None):\n"
        "        command = group.get_command(None, name)\n"
        "        done = CliRunner().invoke(cli, [*words, name, '--help'], catch_exceptions=False)\n"
        "        assert 'Usage:' in done.output, done.output\n"
        "        heavy = {'torch', 'pandas', 'matplotlib', 'duckdb'} & set(sys.modules)\n"
        "        assert not heavy, (*words, name, *heavy)\n"
        "        print(*words, name)\n"
        "        if isinstance(command, click.Group): walk(command, [*words, name])\n"
        "walk(cli, [])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"run", "models list", "study make", "data prepare"} <= set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def loaded_by_help() -> set[str]:
    program = (
        "import sys; from fesbench.cli import main\n"
        "sys.argv = ['bench', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "Usage:" in done.stdout
    return set(done.stderr.split())
