"""Metrics and data sets of installed packages: whatever they do, only their own scores are lost."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from fesbench.core.errors import DatasetError
from fesbench.datasets import registry
from fesbench.datasets.registry import load_dataset

PEOPLE = 8

PLAIN = """
import os, signal, sys, time
from fesbench import Dataset, ImageMetric, MetricCard

def card(name):
    return MetricCard(name, name, "higher", 0.0, 255.0, "grey levels", "How bright.", columns=(name,))

class Odd(ImageMetric):
    card = card("odd")

    def score(self, batch):
        print("this is no JSON")
        found = [self.one(image, edit) for image, edit in zip(batch.outputs, batch.edits)]
        batch.outputs[:] = batch.sources[:] = 0
        batch.edits.clear()
        os.chdir("/")
        return {"odd": found}

    def one(self, image, edit):
        number = int(edit.source.subject)
        if number == 0:
            raise ValueError("not this one")
        if number == 1:
            os._exit(0)
        if number == 2:
            time.sleep(1000)
        if number == 3:
            raise MemoryError
        if number == 4:
            sys.exit(0)
        if number == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return image.mean() if number == 7 else float("nan")

    def reason(self, edit, column):
        return "six is not scored" if edit.source.subject == "6" else ""

class Never(ImageMetric):
    card = card("never")

    def __init__(self):
        os._exit(0)

    def score(self, batch):
        return {}

class Data(Dataset):
    name, expressions, digest = "data", ("neutral", "happy"), "0" * 64

    def __init__(self, split):
        {"train": lambda: os._exit(0), "val": lambda: time.sleep(1000), "test": lambda: sys.exit(0)}[split]()

    def samples(self):
        return []
"""
NETWORKS = """
import os, sys
import numpy as np
from bad import card
from fesbench import FeatureExtractor, FeatureExtractorCard, ImageMetric, MetricCard, SetMetric
from fesbench.metrics.fss import FaceSimilarity
from fesbench.metrics.verification import Verification

class Network(FeatureExtractor):
    card = FeatureExtractorCard("lost", "plugin", "", "none", 2)

    def features(self, images):
        sys.exit(0)

class Lost(ImageMetric):
    card, networks = card("lost"), (Network(),)

    def score(self, batch):
        return {"lost": np.zeros(len(batch.edits))}

class LostSet(SetMetric):
    card, network = card("lost-set"), Network()

    def compute(self, outputs, references):
        return 1.0

class Corners(FeatureExtractor):
    card = FeatureExtractorCard("corners", "plugin", "", "none", 3)
    verification = Verification("cosine", 0.5, 0.0, 1.0, "made up")

    def features(self, images):
        return images[:, :, 0, 0].float()

def similar():
    return FaceSimilarity(Corners(), "corners")

class Set(SetMetric):
    card, network = card("set"), Corners()

    def compute(self, outputs, references):
        if len(outputs) < 16:
            os._exit(0)
        return float(abs(outputs.mean() - references.mean()))
"""
METRICS = {
    "odd": "bad:Odd",
    "never": "bad:Never",
    "lost": "bad_networks:Lost",
    "lost-set": "bad_networks:LostSet",
    "set": "bad_networks:Set",
    "fss@corners": "bad_networks:similar",
}

REASONS = {
    0: "not scored: ValueError: not this one",
    1: "not scored: its process ended with exit code 0",
    2: "not scored: no answer within 10 s (see --timeout)",
    3: "not scored: MemoryError without a message",
    4: "not scored: SystemExit: 0",
    5: "not scored: its process ended by SIGKILL",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder on the path with a package of metrics and a data set."""
    site = tmp_path_factory.mktemp("site")
    (site / "bad.py").write_text(PLAIN)
    (site / "bad_networks.py").write_text(NETWORKS)
    (site / "bad-1.0.dist-info").mkdir()
    (site / "bad-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    metrics = "".join(f"{name} = {target}\n" for name, target in METRICS.items())
    entries = f"[fesbench.metrics]\n{metrics}[fesbench.datasets]\ndata = bad:Data\n"
    (site / "bad-1.0.dist-info/entry_points.txt").write_text(entries)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield site


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=range(PEOPLE), happy=range(PEOPLE))


def test_a_bad_metric_loses_its_own_scores_only(call_bench, installed, faces, tmp_path):
    common = ("run", "--model", "copy", "--data", faces, "--resolution", 32, "--workers", 0, "--json")
    call_bench(*common, "--metric", "fidelity", "--out", tmp_path / "alone")
    bad = [f"--metric={name}" for name in ("odd", "never", "fidelity")]
    done = call_bench(*common, *bad, "--timeout", 10, "--out", tmp_path / "both", code=1)
    assert json.loads(done.stdout)["cells"]
    assert Path.cwd() != Path("/")
    record = json.loads((tmp_path / "both/run.json").read_text())
    assert "its process ended with exit code 0" in record["unavailable"]["never"]
    scores = pd.read_parquet(tmp_path / "both/scores.parquet")
    odd = scores[scores["metric"] == "odd"].set_index("subject")
    assert {int(subject): reason for subject, reason in odd["reason"].dropna().items()} == REASONS | {
        6: "six is not scored"
    }
    assert odd.loc["7", "value"] > 100
    alone = pd.read_parquet(tmp_path / "alone/scores.parquet")
    own = scores[scores["metric"] != "odd"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)


def test_images_are_scored_whatever_some_metrics_do(call_bench, installed, random_faces, tmp_path):
    photos = random_faces(tmp_path / "photos", neutral=range(16), real=range(16))
    (tmp_path / "made").mkdir()
    for path in (photos / "neutral").iterdir():
        os.link(path, tmp_path / "made" / f"{path.stem}--happy.png")
    folders = ("--images", tmp_path / "made", "--sources", photos / "neutral", "--reference", photos / "real")
    metrics = [f"--metric={name}" for name in ("lost-set", "set", "lost", "fss@corners")]
    found = json.loads(call_bench("score", *folders, *metrics, "--json").stdout)
    cells = {row["metric"]: row for row in found["scores"]}
    assert cells["fss@corners"]["value"] == pytest.approx(1)
    assert found["face_levels"]["fss@corners"]["subjects"] == 16  # only the suite's own class has levels
    assert cells["lost"]["reason"] == "not scored: lost: SystemExit: 0"
    assert cells["lost-set"]["reason"] == "not scored: lost failed on images"
    assert cells["set"]["reason"] == "not scored: its process ended with exit code 0"


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ("train", "its process ended with exit code 0"),
        ("val", "it is not loaded after 1 s"),
        ("test", "SystemExit: 0"),
    ],
)
def test_a_data_set_that_cannot_be_loaded_is_an_error(split, reason, installed, monkeypatch):
    if split == "val":
        monkeypatch.setattr(registry, "TRIAL_SECONDS", 1)
    with pytest.raises(DatasetError, match=f"the installed data set 'data' cannot be loaded: {reason}"):
        load_dataset("data", split)
