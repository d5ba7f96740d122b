"""What a reviewer does with a finished run."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

CONTROLS = ["--model", "copy", "--model", "truth", "--model", "masked-regression"]


@pytest.fixture(scope="module")
def run(bench, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "small"
    bench("run", *CONTROLS, "--limit", 2, "--metric", "ecs", "--metric", "fss", "--out", out)
    return out


@pytest.fixture
def copied(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copied"))


def checks(bench, folder: Path, *options: object, code: int) -> dict[str, dict]:
    done = bench("verify", folder, "--json", *options, code=code)
    return {check["what"]: check for check in json.loads(done.stdout)}


def test_an_untouched_run_verifies(bench, run):
    found = checks(bench, run, "--all", code=0)
    assert {check["outcome"] for check in found.values()} == {"ok"}
    assert sum("from its outputs" in what for what in found) == 3
    assert subprocess.run(["sha256sum", "--check", "--quiet", "sha256sums.txt"], cwd=run).returncode == 0


def test_an_altered_image_shows_in_digests_and_in_scores(bench, copied):
    path = next((copied / "outputs" / "masked-regression").rglob("*.png"))
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    found = checks(bench, copied, "--all", code=1)
    assert found[f"file {path.relative_to(copied)}"]["detail"].startswith("altered")
    rescored = found["scores of masked-regression on rendered, all shards, from its outputs"]
    assert rescored["outcome"] == "mismatch"
    assert path.stem in rescored["detail"]
    # even where the list of digests was made anew, the scores give it away
    (copied / "sha256sums.txt").unlink()
    again = checks(bench, copied, "--all", code=1)
    assert again["files"]["outcome"] == "not checked"
    assert again["scores of masked-regression on rendered, all shards, from its outputs"] == rescored


def test_a_smaller_run_is_compared_on_the_edits_it_shares(bench, run, tmp_path):
    other = tmp_path / "one"
    metric = ["--metric", "fss", "--resolution", 64]
    bench("run", "--model", "copy", "--model", "truth", "--limit", 1, *metric, "--out", other)
    content = json.loads(bench("compare", run, other, "--json").stdout)
    rows = pd.DataFrame(content["changes"]).query("metric == 'fss@embedded' and domain == 'all'")
    assert rows["n_common"].tolist() == [30, 30]
    truth = rows.set_index("generator").loc["truth"]
    shared = set(pd.read_parquet(other / "scores.parquet")["edit"])
    expected = [mean_of_truth(folder, shared) for folder in (run, other)]
    assert [truth["before"], truth["after"]] == pytest.approx(expected)
    assert truth["difference"] == pytest.approx(expected[1] - expected[0])
    why = {(cell["metric"], cell["generator"]): cell["why"] for cell in content["changed_cells"]}
    assert "spec resolution: 128 → 64" in why["fss@embedded", "truth"]
    assert content["only_before"] == 30 * 2 + 60


def mean_of_truth(folder: Path, edits: set[str]) -> float:
    """The plain mean over domains on some edits."""
    scores = pd.read_parquet(folder / "scores.parquet")
    rows = scores.query("metric == 'fss@embedded' and generator == 'truth' and edit in @edits")
    return float(rows.groupby("domain")["value"].mean().mean())


def test_claims_say_first_what_they_are_about(bench, run, tmp_path):
    text = bench("claims", run).stdout
    assert text.startswith("These verdicts concern our analogue")
    assert text.count("not testable") >= 7
    mine = tmp_path / "mine.yaml"
    claims = [
        {"text": "the floor", "model": "masked-regression", "metric": "ecs", "better_than": "copy"},
        {"text": "named", "model": "masked-regression", "metric": "ecs@embedded", "better_than": "copy",
         "data": "rendered"},
        {"text": "wrong", "model": "masked-regression", "metric": "fss@embedded", "better_than": "copy",
         "data": "rendered"},
    ]  # fmt: skip
    mine.write_text(yaml.safe_dump({"claims": claims}))
    found = json.loads(bench("claims", run, "--claims", mine, "--json").stdout)["findings"]
    assert [item["verdict"] for item in found] == ["not testable", "agrees", "disagrees"]
    assert found[0]["orientation"] == "agrees"


def test_a_sound_installation_is_found_so(bench):
    found = {item["what"]: item for item in json.loads(bench("doctor", "--json").stdout)}
    assert found["torch"]["state"] == "ok"
    assert found["embedded metrics"]["found"] == "7 can be computed"
    assert any(name.startswith("disk of") for name in found)


@pytest.mark.parametrize(
    ("packages", "modules", "problem", "remedy"),
    [
        ({"scipy": "1.18.0", "pytorch_fid": "0.3.0"}, {}, "scipy with pytorch-fid", "scipy<1.18"),
        (
            {"torchvision": "0.1"},
            {
                "torchvision/__init__.py": "",
                "torchvision/ops.py": "def nms(*a):\n    raise RuntimeError('no nms')",
            },
            "torchvision with torch",
            "torchvision",
        ),
    ],
)
def test_known_problems_are_found_with_a_remedy(bench_process, tmp_path, packages, modules, problem, remedy):
    for name, version in packages.items():
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for name, text in modules.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = bench_process("doctor", "--json", code=1, PYTHONPATH=str(tmp_path))
    (symptom,) = (item for item in json.loads(done.stdout) if item["what"] == problem)
    assert symptom["state"] == "broken"
    assert remedy in symptom["remedy"]
