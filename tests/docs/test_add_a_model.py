"""The docs page 'add a model' is followed to the letter."""

import json
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-model.md"


def bench(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "fesbench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_is_short_keeps_the_contract_and_gets_a_row(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 30
    (tmp_path / "my_model.py").write_text(example, encoding="utf-8")
    checked = bench(tmp_path, "check-model", "./my_model.py:Brighten", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    arguments = ["--limit", "1", "--metric", "ecs", "--model", "copy", "--model", "./my_model.py:Brighten"]
    done = bench(tmp_path, "run", *arguments, "--out", "out")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "brighten" in json.dumps(rows)
