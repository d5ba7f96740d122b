"""Features on disk: the same bytes as without, and nothing that is damaged, foreign or too much."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from fesbench.cli import cli
from fesbench.core.contracts import FeatureExtractor, FeatureExtractorCard
from fesbench.core.errors import BenchError
from fesbench.metrics.ecs import ExpressionConsistency
from fesbench.scoring.feature_cache import FeatureCache, default_cache
from fesbench.scoring.folders import Request, score_folders
from fesbench.scoring.scorer import Scorer

LIMIT = 10**6


class Means(FeatureExtractor):
    """Counts how often it is asked."""

    def __init__(self, digest="ab", name="means"):
        self.card = FeatureExtractorCard(name, "test", digest, "none", 3, labels=("happy", "sad", "angry"))
        self.asked = 0

    def features(self, images):
        self.asked += 1
        return images.float().mean(dim=(2, 3)) / 7


def scorer_of(network, folder, limit=LIMIT):
    cache = FeatureCache(folder, limit, "cpu")
    return Scorer([ExpressionConsistency(network, "test")], [], 8, cache=cache)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)


def kept(folder):
    return sorted(path for path in folder.glob("*/*"))


def test_features_are_computed_once_and_the_same_bytes_come_back(images, tmp_path):
    network = Means()
    plain = Scorer([ExpressionConsistency(network, "test")], [], 8).features(images)["means"]
    network.asked = 0
    first, second = (scorer_of(network, tmp_path).features(images)["means"] for _ in range(2))
    assert network.asked == 2
    assert plain.tobytes() == first.tobytes() == second.tobytes()
    scorer_of(network, tmp_path).features(images[:32])
    assert network.asked == 2
    scorer_of(network, tmp_path).features(images[1:33])
    assert network.asked == 3


@pytest.mark.parametrize("harm", [lambda data: data[:-4], lambda data: b"", lambda data: data[:-1] + b"?"])
def test_a_damaged_entry_is_computed_again(images, tmp_path, harm):
    network = Means()
    whole = scorer_of(network, tmp_path).features(images[:4])["means"]
    (path,) = kept(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(harm(sound))
    assert scorer_of(network, tmp_path).features(images[:4])["means"].tobytes() == whole.tobytes()
    assert (network.asked, path.read_bytes()) == (2, sound)


def test_other_weights_and_other_threads_find_nothing(images, tmp_path):
    scorer_of(Means("ab"), tmp_path).features(images)
    other = Means("cd")
    scorer_of(other, tmp_path).features(images)
    assert other.asked == 2
    threads, again = torch.get_num_threads(), Means("ab")
    torch.set_num_threads(threads + 1)
    try:
        scorer_of(again, tmp_path).features(images)
    finally:
        torch.set_num_threads(threads)
    assert again.asked == 2


def test_a_network_that_nothing_identifies_is_asked_each_time(images, tmp_path):
    network = Means(digest="")
    for _ in range(2):
        scorer_of(network, tmp_path).features(images[:4])
    assert (network.asked, kept(tmp_path)) == (2, [])


def test_the_folder_stays_within_its_limit(images, tmp_path):
    network, limit = Means(), 4 * (32 + 3 * 4)
    scorer = scorer_of(network, tmp_path, limit)
    for image in images:
        scorer.features(image[None])
    assert sum(path.stat().st_size for path in kept(tmp_path)) <= limit
    scorer.features(images[-1:])
    assert network.asked == len(images)


def test_a_folder_that_cannot_be_written_costs_no_result(images, tmp_path):
    (tmp_path / "file").touch()
    network = Means()
    found = scorer_of(network, tmp_path / "file").features(images)["means"]
    assert found.shape == (40, 3)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_limit_comes_from_the_environment(home, monkeypatch):
    monkeypatch.setenv("FESBENCH_CACHE_GB", "0.5")
    assert default_cache("cpu").files.limit == 5 * 10**8
    monkeypatch.setenv("FESBENCH_CACHE_GB", "0")
    assert default_cache("cpu") is None
    monkeypatch.setenv("FESBENCH_CACHE_GB", "much")
    with pytest.raises(BenchError, match=r"FESBENCH_CACHE_GB is 'much'"):
        default_cache("cpu")


def folder_of(folder, names, seed):
    folder.mkdir()
    pixels = np.random.default_rng(seed).integers(0, 256, (len(names), 6, 6, 3), np.uint8)
    for name, small in zip(names, pixels, strict=True):
        Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(folder / name)
    return folder


def test_scores_are_the_same_with_a_filled_an_empty_and_no_cache(home, tmp_path, monkeypatch):
    names = [f"s{i}" for i in range(6)]
    made = [f"{name}--{target}.png" for name in names for target in ("happy", "sad", "angry")]
    request = Request(
        folder_of(tmp_path / "images", made, 0),
        folder_of(tmp_path / "sources", [f"{name}.png" for name in names], 1),
        folder_of(tmp_path / "real", [f"{i}.png" for i in range(16)], 2),
        metrics=("fss", "fid"),
    )
    with_empty, with_filled = score_folders(request), score_folders(request)
    monkeypatch.setenv("FESBENCH_CACHE_GB", "0")
    without = score_folders(request)
    for found in (with_filled, without):
        pd.testing.assert_frame_equal(found.rows, with_empty.rows, check_exact=True)
        pd.testing.assert_frame_equal(found.cells, with_empty.cells, check_exact=True)
        assert json.dumps(found.to_dict()) == json.dumps(with_empty.to_dict())
    shown = json.loads(CliRunner().invoke(cli, ["cache", "size", "--json"]).stdout)
    assert shown["kept"]["features"]["files"] == len(kept(home / "cache" / "features")) > 0
    assert CliRunner().invoke(cli, ["cache", "clear"]).exit_code == 0
    assert not (home / "cache" / "features").exists()


def test_half_written_files_of_other_processes_are_left_alone(images, tmp_path):
    limit = 4 * (32 + 3 * 4)
    scorer = scorer_of(Means(), tmp_path, limit)
    scorer.features(images[:1])
    (entry,) = kept(tmp_path)
    unfinished = entry.with_name(".tmp-1-other")
    unfinished.write_bytes(bytes(limit))
    for image in images:
        scorer.features(image[None])
    assert unfinished.exists()
