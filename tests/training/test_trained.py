"""Several trainings of one model in one run: found in their folder, scored each, shown as their mean."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fesbench
from fesbench.core.errors import SpecError
from fesbench.runs.results import RunResults
from fesbench.training.trained import trained_models

TINY = {"width": 4, "discriminator_width": 4, "batch_size": 4, "precision": "float32"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A folder of four subjects to train on and three to test, each neutral (dark) and happy (bright)."""
    folder = tmp_path_factory.mktemp("photos")
    rows = ["path,subject,expression,split"]
    for subject in range(7):
        for expression, grey in (("neutral", 60), ("happy", 200)):
            pixels = np.random.default_rng(subject).normal(grey, 8, (40, 32, 3)).clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"s{subject}-{expression}.png")
            split = "train" if subject < 4 else "test"
            rows.append(f"s{subject}-{expression}.png,s{subject},{expression},{split}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def trainings(photos, tmp_path_factory) -> Path:
    """The folder of two trainings of StarGAN."""
    out = tmp_path_factory.mktemp("trainings")
    fesbench.train("stargan", str(photos), config=TINY, resolution=32, steps=1, seed=(0, 1), out=out)
    return out


@pytest.fixture(scope="module")
def run(photos, trainings, tmp_path_factory, call_bench) -> Path:
    """A run of both trainings, a closed form and a control."""
    out = tmp_path_factory.mktemp("runs") / "run"
    models = ["--trainings", trainings, "--model", "reggan-regression", "--model", "copy"]
    call_bench(
        "run", *models, "--data", photos, "--metric", "ecs", "--metric", "fidelity", "--backend", "embedded",
        "--resolution", 32, "--out", out, "--workers", 0,
    )  # fmt: skip
    return out


def test_each_training_in_a_folder_is_a_model(trainings):
    found = trained_models(trainings)
    assert sorted(found) == ["stargan.seed-0", "stargan.seed-1"]
    assert all(path.name == "stargan.safetensors" for path in found.values())


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"no training in .* has made weights"):
        trained_models(tmp_path)


def test_two_trainings_with_one_seed_are_refused(trainings, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).symlink_to(next(trainings.glob("*-seed-0")))
    with pytest.raises(SpecError, match=r"are both stargan\.seed-0"):
        trained_models(tmp_path)


def test_folds_are_one_model(photos, tmp_path):
    fesbench.train("stargan", str(photos), config=TINY, resolution=32, steps=1, folds=2, out=tmp_path)
    (found,) = trained_models(tmp_path).items()
    assert found == ("stargan.seed-0", tmp_path / "stargan.folds.json")


def test_trainings_are_scored_each_and_summarised_together(run):
    results = RunResults.open(run)
    assert set(results.record.models) == {"stargan.seed-0", "stargan.seed-1", "reggan-regression", "copy"}
    assert results.trainings.counts == {"reggan-regression": 1, "copy": 1, "stargan": 2}
    each = results.cells.set_index(["metric", "domain", "generator"])["value"]
    means = results.over_trainings.cells.set_index(["metric", "domain", "generator"])
    for metric, domain in means.index.droplevel("generator").unique():
        expected = np.mean([each[metric, domain, f"stargan.seed-{seed}"] for seed in (0, 1)])
        assert means.loc[(metric, domain, "stargan"), "value"] == pytest.approx(expected)
        assert means.loc[(metric, domain, "copy"), "value"] == each[metric, domain, "copy"]
    pairs = results.over_trainings.differences[["generator", "versus"]].drop_duplicates()
    assert {frozenset(pair) for pair in pairs.to_numpy().tolist()} == {
        frozenset(pair) for pair in itertools.combinations(("reggan-regression", "copy", "stargan"), 2)
    }


def test_the_main_table_has_a_row_for_the_model_and_says_what_it_is(run):
    table = (run / "report" / "table.csv").read_text()
    assert "StarGAN" in table
    assert "seed-" not in table
    assert "Trainings behind a row: stargan 2" in (run / "report" / "table.md").read_text()


def test_a_report_shows_each_training_too(run, tmp_path, call_bench):
    call_bench("report", run, "--format", "csv,html", "--out", tmp_path)
    text = (tmp_path / "tables" / "trainings.csv").read_text()
    assert "StarGAN (seed-0)" in text
    assert "StarGAN (seed-1)" in text
    assert "Each training" in (tmp_path / "html" / "index.html").read_text()


def test_the_record_names_the_model_of_a_training(run):
    models = json.loads((run / "run.json").read_text())["models"]
    (entry,) = models["stargan.seed-1"].values()
    assert entry["card"]["training_of"] == "stargan"
    assert entry["card"]["title"] == "StarGAN (seed-1)"


def test_a_model_beside_its_own_trainings_is_refused(trainings, photos, call_bench):
    done = call_bench(
        "run", "--trainings", trainings, "--model", "stargan", "--data", photos, "--dry-run", code=2
    )
    assert "stargan.seed-0 is a training of stargan, which is among the models as well" in done.stderr


def test_all_models_leave_out_the_shipped_weights_of_what_was_trained(trainings, photos, call_bench):
    options = ("--data", photos, "--dry-run", "--json")
    done = call_bench("run", "--trainings", trainings, "--model", "all", *options)
    models = json.loads(done.stdout)["spec"]["models"]
    assert {"stargan.seed-0", "stargan.seed-1", "sargan"} <= set(models)
    assert "stargan" not in models


def test_a_training_needs_its_checkpoint():
    with pytest.raises(SpecError, match=r"give its weights with --checkpoint stargan\.seed-1=FILE"):
        fesbench.load_generator("stargan.seed-1")
