"""What happens when parts of a run change between two calls."""

import json
import shutil
from importlib.resources import files

import numpy as np
import pandas as pd
from PIL import Image

GAN = """
import torch
from fesbench import Generator, GeneratorCard

class GAN(Generator):
    card = GeneratorCard(name="mine", title="Mine", control={control})

    def synthesize(self, images, source, target):
        {body}
"""


def run(out, *more: object) -> tuple[object, ...]:
    return ("run", "--limit", 1, "--metric", "ecs", "--workers", 0, "--out", out, *more)


def plug_in(folder, body: str, control: bool = False) -> str:
    (folder / "mine.py").write_text(GAN.format(body=body, control=control))
    return f"{folder / 'mine.py'}:GAN"


def test_a_model_file_that_changed_is_noticed(bench, tmp_path):
    out, model = tmp_path / "run", plug_in(tmp_path, "return -images")
    bench(*run(out, "--model", model))
    old = json.loads((out / "identities.json").read_text())["models"][model]["source"]
    plug_in(tmp_path, "return images * 0.5")
    for more in (("--model", model), ("--model", "copy")):
        error = bench(*run(out, *more), code=2).stderr
        assert "mine.py" in error
        assert old in error
        assert "--out" in error
    plug_in(tmp_path, "return -images")
    assert "nothing left to do" in bench(*run(out, "--model", model)).stderr


def test_a_model_file_that_never_answered_may_be_mended(bench, tmp_path):
    out, model = tmp_path / "run", plug_in(tmp_path, "raise RuntimeError('a bug')")
    bench(*run(out, "--model", model), code=1)
    assert (out / "failures.jsonl").read_text().count("a bug") == 30
    plug_in(tmp_path, "return -images")
    bench(*run(out, "--model", model))
    assert (out / "failures.jsonl").read_text() == ""


def test_failures_of_a_model_that_calls_itself_a_control_are_told(bench, tmp_path):
    model = plug_in(tmp_path, "raise RuntimeError('a bug')", control=True)
    bench(*run(tmp_path / "run", "--model", model, "--model", "copy"), code=1)
    assert json.loads((tmp_path / "run/run.json").read_text())["failed"] == 30


def test_checkpoints_are_added_by_model_and_known_by_content(bench, tmp_path):
    shipped, mine, out = files("fesbench.baselines") / "shipped", tmp_path / "mine", tmp_path / "run"
    for suffix in (".safetensors", ".json"):
        shutil.copy(str(shipped / f"stargan{suffix}"), f"{mine}{suffix}")
    given = ("--checkpoint", f"stargan={mine}.safetensors")
    bench(*run(out, "--model", "copy"))
    bench(*run(out, "--model", "stargan", *given))
    assert "nothing left to do" in bench(*run(out, "--model", "stargan")).stderr
    card = json.loads((tmp_path / "mine.json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps(card | {"training": {"other": 1}}))
    assert "card of its checkpoint" in bench(*run(out, "--model", "stargan"), code=2).stderr


def test_a_checkpoint_for_results_of_other_weights_is_refused(bench, tmp_path):
    shipped, out = files("fesbench.baselines") / "shipped/stargan.safetensors", tmp_path / "run"
    bench(*run(out, "--model", "stargan"))
    before = (out / "run.json").read_bytes()
    error = bench(*run(out, "--model", "stargan", "--checkpoint", f"stargan={shipped}"), code=2).stderr
    assert "model stargan is no longer what the results" in error
    assert (out / "run.json").read_bytes() == before
    error = bench(*run(out, "--model", "copy", "--checkpoint", f"stargan={shipped}"), code=2).stderr
    assert "not among the models" in error


def test_outputs_may_be_added_but_not_changed(bench, tmp_path):
    out, theirs = tmp_path / "run", tmp_path / "theirs"
    bench("data", "export-edits", "rendered", tmp_path / "edits", "--limit", 1)
    edits = list(pd.read_csv(tmp_path / "edits/manifest.csv")["edit"])
    theirs.mkdir()
    (theirs / "card.json").write_text('{"name": "their-gan", "title": "Their GAN"}')
    grey = Image.fromarray(np.full((64, 64, 3), 99, np.uint8))
    for edit in edits[1:]:
        grey.save(theirs / f"{edit}.png")
    second = tmp_path / "second"
    shutil.copytree(theirs, second)
    (second / "card.json").write_text('{"name": "second"}')
    grey.save(second / f"{edits[0]}.png")
    models = ("--model", f"outputs:{theirs}", "--model", f"outputs:{second}")
    assert "Their GAN" in bench(*run(out, *models), code=1).stdout
    grey.save(theirs / f"{edits[0]}.png")
    bench(*run(out, *models))
    assert (out / "failures.jsonl").read_text() == ""
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(second / f"{edits[3]}.png")
    error = bench(*run(out, *models), code=2).stderr
    assert f"{edits[3]}.png" in error
    assert "--out" in error


METRICS = """
import numpy as np
from fesbench import ImageMetric, MetricCard, Network, NetworkCard

class Eye(Network):
    card = NetworkCard("eye", "mine", "{digest}", "none", 3)

    def features(self, images):
        return images.float().mean((2, 3)).cpu()

class Brightness(ImageMetric):
    card = MetricCard("brightness", "Brightness", "higher", 0, 255, "level", "Mean level.", ("brightness",))
    networks = (Eye(),)

    def score(self, batch):
        {body}
"""
SCORE = 'return {"brightness": batch.features["eye"]["output"].mean(axis=1).astype(float)}'


def install(site, body: str, digest: str = "1" * 64) -> None:
    (site / "bright-1.0.dist-info").mkdir(parents=True, exist_ok=True)
    (site / "bright.py").write_text(METRICS.replace("{digest}", digest).replace("{body}", body))
    (site / "bright-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: bright\nVersion: 1.0\n")
    (site / "bright-1.0.dist-info/entry_points.txt").write_text(
        "[fesbench.metrics]\nbrightness = bright:Brightness\n"
    )


def test_an_installed_metric_that_changed_is_noticed_and_a_failed_one_may_be_mended(bench_process, tmp_path):
    site, out = tmp_path / "site", tmp_path / "run"
    call = run(out, "--model", "copy", "--metric", "brightness")
    path = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    install(site, "raise ValueError('half a metric')")
    bench_process(*call, code=1, **path)
    assert "half a metric" in (out / "failures.jsonl").read_text()
    install(site, SCORE)
    bench_process(*call, **path)
    scores = pd.read_parquet(out / "scores.parquet")
    assert scores.loc[scores["metric"] == "brightness", "value"].between(1, 254).all()
    install(site, SCORE, digest="2" * 64)
    assert "bright.py of the metric brightness" in bench_process(*call, code=2, **path).stderr


def test_a_plan_is_data_too(bench, tmp_path):
    plan = json.loads(bench(*run(tmp_path / "run", "--model", "copy", "--dry-run", "--json")).stdout)
    assert plan["datasets"][0]["edits"] == 30
    assert plan["spec"]["models"] == ["copy"]
    assert plan["complete"] is False
    assert not (tmp_path / "run").exists()


def test_a_folder_with_an_odd_name_has_one_safe_name(bench, tmp_path):
    folder = tmp_path / "Ünsere Bilder (2)"
    for expression in ("neutral", "happy"):
        (folder / expression).mkdir(parents=True)
        for subject in range(3):
            level = 40 + 60 * subject + 20 * (expression == "happy")
            pixels = np.full((40, 40, 3), level, np.uint8)
            Image.fromarray(pixels).save(folder / expression / f"{subject}.png")
    call = ("run", "--model", "copy", "--metric", "ecs", "--workers", 0)
    bench(*call, "--data", folder, "--out", tmp_path / "run")
    (stored,) = (tmp_path / "run/outputs/copy").iterdir()
    assert stored.name.isascii()
    assert " " not in stored.name
    assert list(json.loads((tmp_path / "run/run.json").read_text())["datasets"]) == [stored.name]
    assert set(pd.read_parquet(tmp_path / "run/scores.parquet")["dataset"]) == {stored.name}
    bench(*call, "--data", f"{folder}/neutral/..", "--out", tmp_path / "run")
    assert list(json.loads((tmp_path / "run/run.json").read_text())["datasets"]) == [stored.name]


DATA = """
import numpy as np
from fesbench import Dataset, Sample

class Odd(Dataset):
    name, expressions, digest = "my data/1", ("neutral", "happy"), "{digest}"

    def __init__(self, split):
        self.split = split

    def samples(self):
        return [self.sample(s, e) for s in range(4) for e in self.expressions]

    def sample(self, subject, expression):
        def load():
            if (subject, expression) in ((0, "neutral"), (1, "happy")):
                raise LookupError("the tape is torn")
            return np.full((40, 40, 3), 50 * subject, np.uint8)
        return Sample(f"../../../../{{subject}}/{{expression}}", str(subject), expression, "studio", load)
"""


def test_a_data_set_of_odd_code_cannot_stop_a_run_or_leave_its_folder(bench_process, tmp_path):
    site, out, model = tmp_path / "site", tmp_path / "deep/deeper/run", plug_in(tmp_path, "return images")
    (site / "odd-1.0.dist-info").mkdir(parents=True)
    (site / "odd.py").write_text(DATA.format(digest="0" * 64))
    (site / "odd-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (site / "odd-1.0.dist-info/entry_points.txt").write_text("[fesbench.datasets]\nodd = odd:Odd\n")
    path = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    call = (
        "run",
        "--data",
        "odd",
        "--model",
        model,
        "--model",
        "truth",
        "--metric",
        "ecs",
        "--metric",
        "fss",
    )
    bench_process(*call, "--workers", 0, "--out", out, code=1, **path)
    failures = pd.read_json(out / "failures.jsonl", lines=True)
    assert len(failures) == 1
    assert "LookupError: the tape is torn" in failures["reason"][0]
    inside = list((out / "outputs/mine").rglob("*.png"))
    assert len(inside) == 3
    assert {path.parent.parent for path in inside} == {out / "outputs/mine"}
    assert {path.name for path in tmp_path.iterdir()} == {"site", "deep", "mine.py"}
