"""``bench completion``, and what a shell is told to complete."""

import pytest
from click.shell_completion import BashComplete

from fesbench.cli import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_bench(call_bench, shell):
    script = call_bench("completion", shell).stdout
    assert f"_BENCH_COMPLETE={shell}_complete" in script
    assert call_bench("completion", "cmd.exe", code=2).stdout == ""


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        (("",), "mod", ["models"]),
        (("run", "--model"), "starg", ["stargan"]),
        (("run", "--metric"), "fss@emb", ["fss@embedded"]),
        (("run", "--data"), "rend", ["rendered"]),
        (("compare",), "mon", ["runs/monday"]),
        (("compare",), "runs/mon", ["runs/monday"]),
    ],
)
def test_names_are_completed(tmp_path, monkeypatch, line, word, expected):
    for name in ("monday", "no-run"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "monday" / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    found = BashComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions([*filter(None, line)], word)
    assert [item.value for item in found] == expected
