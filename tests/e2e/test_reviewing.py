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

from fesbench.generators.registry import GENERATORS
from fesbench.metrics.registry import METRICS

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


def test_altered_scores_show_against_parts_and_summary(bench, copied):
    path = copied / "scores.parquet"
    scores = pd.read_parquet(path)
    better = (scores["generator"] == "masked-regression") & (scores["metric"] == "fss@embedded")
    scores.loc[better, "value"] += 0.01
    scores.to_parquet(path)
    found = checks(bench, copied, code=1)
    wrong = {what for what, check in found.items() if check["outcome"] == "mismatch"}
    assert wrong == {
        "file scores.parquet",
        "scores.parquet against the parts of its shards",
        "summary.json against scores.parquet",
    }


def test_an_unfinished_or_foreign_folder_is_told(bench, copied, tmp_path):
    assert "no run.json" in bench("verify", tmp_path, code=2).stderr
    (copied / "summary.json").unlink()
    assert "summary.json is missing" in bench("compare", copied, copied, code=2).stderr


def test_a_run_agrees_with_itself(bench, run):
    content = json.loads(bench("compare", run, run, "--json").stdout)
    assert content["changed_cells"] == content["causes"] == []
    assert {row["difference"] for row in content["changes"]} == {0.0}
    assert "no score of a shared edit differs" in bench("compare", run, run).stdout


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


def test_sql_over_two_runs(bench, run, copied):
    sql = (
        "SELECT run, generator, avg(value) AS value, count(*) AS n FROM scores "
        "WHERE metric = 'fss@embedded' GROUP BY ALL ORDER BY ALL"
    )
    rows = json.loads(bench("query", sql, run, copied, "--json").stdout)
    scores = pd.read_parquet(run / "scores.parquet").query("metric == 'fss@embedded'")
    expected = scores.groupby("generator")["value"].mean()
    assert [row["run"] for row in rows] == ["copied"] * 3 + ["small"] * 3
    for row in rows:
        assert row["value"] == pytest.approx(expected[row["generator"]])
        assert row["n"] == 60
    text = bench("query", "SELECT 1 AS a, '=cmd' AS b, NULL AS c FROM summary LIMIT 1", run, "--csv").stdout
    assert text == "a,b,c\n1,'=cmd,\n"
    assert bench("query", "FROM failures", run, "--json").stdout.strip() == "[]"
    assert "given twice" in bench("query", sql, run, run, code=2).stderr


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "EXPLAIN ANALYZE COPY scores TO '{folder}/out.csv'",
        "COPY scores TO '{folder}/out.csv'",
        "ATTACH '{folder}/new.db'",
        "SET enable_external_access = true",
        "SELECT 1; DROP TABLE scores",
        "FROM rows",
    ],
)
def test_sql_reaches_nothing_else(bench, run, tmp_path, sql):
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nxyzzy\n")
    done = bench("query", sql.format(secret=secret, folder=tmp_path), run, code=2)
    assert "xyzzy" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == [secret]


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


def test_a_model_card_has_the_sections_and_the_numbers_of_the_run(bench, run):
    text = bench("models", "show", "masked-regression", "--card", "--run", run).stdout
    _, front, body = text.split("---\n", 2)
    (entry,) = yaml.safe_load(front)["model-index"]
    measured = {item["name"]: item["value"] for item in entry["results"][0]["metrics"]}
    scores = pd.read_parquet(run / "scores.parquet").query("metric == 'fss@embedded' and domain == 'studio'")
    expected = scores[scores["generator"] == "masked-regression"]["value"].mean()
    assert measured["FSS@embedded, studio"] == pytest.approx(expected)
    assert sections(body) == [
        "Model details", "Intended use", "Out-of-scope use", "Factors", "Metrics", "Training data",
        "Evaluation data", "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
        "Citation",
    ]  # fmt: skip
    assert (
        "no results of stargan" in bench("models", "show", "stargan", "--card", "--run", run, code=2).stderr
    )


def test_a_model_card_shows_the_training_record_of_its_weights(bench):
    text = bench("models", "show", "stargan", "--card").stdout
    assert "- steps: " in text
    assert "- images: 1400" in text
    assert "@inproceedings{choi2018stargan" in text


def sections(markdown: str) -> list[str]:
    return [line.removeprefix("## ") for line in markdown.splitlines() if line.startswith("## ")]


def test_a_data_card_names_people_and_licence(bench, run, tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("p1_neutral", "p1_happy", "p2_neutral", "p2_happy"):
        Image.new("RGB", (64, 64), "gray").save(folder / f"{name}.png")
    (folder / "LICENSE-<b>.txt").write_text("-")
    bench("data", "add", "cfee", folder, "--layout", "cfee")
    text = bench("data", "show", "cfee", "--card").stdout
    assert "research agreement" in text
    assert "may not be redistributed" in text
    assert "Real people" in text
    assert "&lt;b&gt;" in text
    assert "@article{du2014compound" in text
    assert sections(text) == [
        "Motivation", "Composition", "Collection process", "People in the images", "Preprocessing", "Uses",
        "Distribution and licence", "Maintenance", "Measured results", "Citation",
    ]  # fmt: skip
    rendered = bench("data", "show", "rendered", "--card", "--run", run).stdout
    assert "No real people" in rendered
    assert "| Masked regression |" in rendered
    bench("data", "remove", "cfee")


def test_bibtex_of_every_registered_model_and_metric(bench):
    models = [name for name in GENERATORS.names() if name not in ("copy", "truth")]
    metrics = METRICS.names()
    text = bench("cite", *models, *metrics, "london", "cfee", "rendered", "fesbench").stdout
    keys = [line.partition("{")[2].rstrip(",") for line in text.splitlines() if line.startswith("@")]
    assert len(keys) == len(set(keys))
    assert text.count("{") == text.count("}")
    assert "Did you mean stargan" in bench("cite", "starga", code=2).stderr
    assert "nothing to cite" in bench("cite", "copy", code=2).stderr


def test_a_model_of_ones_own_is_cited_by_its_card(bench, tmp_path):
    source = tmp_path / "own.py"
    source.write_text(
        "from fesbench import Generator, GeneratorCard\n"
        "class Mine(Generator):\n"
        "    card = GeneratorCard(name='my model', title='Mine & yours', year=2026,\n"
        "        citation='Me, \\\\input{x} 50%')\n"
        "    def synthesize(self, images, source, target):\n"
        "        return images.clone()\n"
    )
    text = bench("cite", f"{source}:Mine").stdout
    assert text.startswith("@misc{mymodel,\n  title = {Mine \\& yours},\n  year = {2026},")
    assert "note = {Me, inputx 50\\%}" in text


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
