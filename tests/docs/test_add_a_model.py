"""The docs page 'add a model' is followed to the letter."""

import json
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-model.md"


def test_the_example_is_short_keeps_the_contract_and_gets_a_row(call_bench, tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 30
    (tmp_path / "my_model.py").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    call_bench("check-model", "./my_model.py:Brighten", "--json")
    models = ("--model", "copy", "--model", "./my_model.py:Brighten")
    call_bench("run", "--limit", 1, "--metric", "ecs", *models, "--out", "out")
    rows = json.loads(Path("out/summary.json").read_text())
    assert "brighten" in json.dumps(rows)
