from __future__ import annotations

import json
import multiprocessing
import pickle
from pathlib import Path

import pytest

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.folders.folder import FolderDataset, FolderSpec
from fesbench.datasets.registry import load_dataset, register, registrations, unregister


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def photos(make_image, tmp_path) -> Path:
    for i in range(6):
        make_image(f"photos/neutral/{i}.png")
        make_image(f"photos/sad/{i}.png")
    return tmp_path / "photos"


def test_a_registered_folder_is_found_by_name(photos):
    register(FolderSpec("mine", photos, domain="portrait", seed=3))
    dataset = load_dataset("mine", "all")
    assert (dataset.name, dataset.domains, len(dataset.samples())) == ("mine", ("portrait",), 12)
    assert registrations()["mine"] == FolderSpec("mine", photos, "expression-folders", "portrait", None, 3)
    unregister("mine")
    assert registrations() == {}
    assert photos.is_dir()


def test_domains_are_lower_case_and_none_is_a_mean(photos):
    register(FolderSpec("mine", photos, domain=" Statue "))
    assert load_dataset("mine", "all").domains == ("statue",)
    for domain in ("ood", "ALL"):
        with pytest.raises(DatasetError, match=f"no domain can be called '{domain.lower()}'"):
            register(FolderSpec("other", photos, domain=domain))
        with pytest.raises(DatasetError, match=f"--domain of .*'{domain.lower()}'"):
            FolderDataset(FolderSpec("other", photos, domain=domain))


def test_a_folder_needs_no_registration(photos):
    assert load_dataset(photos, "all").digest == load_dataset(str(photos), "all").digest
    assert load_dataset(photos, "all").name == "photos"


def test_relative_paths_are_kept_absolute(photos, monkeypatch, tmp_path):
    monkeypatch.chdir(photos)
    register(FolderSpec("mine", Path("../photos")))
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mine", "all").samples()


def test_unknown_names_answer_with_the_nearest(photos):
    register(FolderSpec("london", photos))
    with pytest.raises(UnknownName, match=r"Did you mean london.*Known: london, ood-real, rendered"):
        load_dataset("lodnon")
    with pytest.raises(UnknownName, match="Did you mean rendered"):
        load_dataset("renderd")
    with pytest.raises(DatasetError, match="not a folder"):
        load_dataset("photos/none")
    with pytest.raises(UnknownName, match="Did you mean london"):
        unregister("londn")


@pytest.mark.parametrize("name", ["rendered", "a/b", "..", "", "x" * 70, "naïve", "a b"])
def test_names_that_cannot_be_given(photos, name):
    with pytest.raises(DatasetError, match="name"):
        register(FolderSpec(name, photos))


def test_nothing_is_registered_twice_or_empty(photos, tmp_path):
    register(FolderSpec("mine", photos))
    with pytest.raises(DatasetError, match="bench data remove mine"):
        register(FolderSpec("mine", photos))
    (tmp_path / "void" / "happy").mkdir(parents=True)
    (tmp_path / "void" / "happy" / "1.png").touch()
    with pytest.raises(DatasetError, match=r"no usable image.*\n  happy/1\.png: the file is empty"):
        register(FolderSpec("void", tmp_path / "void"))
    assert list(registrations()) == ["mine"]


def test_a_damaged_file_says_what_to_do(home):
    home.mkdir()
    (home / "datasets.json").write_text("{")
    with pytest.raises(DatasetError, match=r"datasets\.json is damaged"):
        load_dataset("mine")


def test_registering_at_the_same_time_loses_nothing(photos):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=register, args=(FolderSpec(f"set{i}", photos),)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(registrations()) == [f"set{i}" for i in range(4)]


def test_the_file_is_plain_json(photos, home):
    register(FolderSpec("mine", photos))
    content = json.loads((home / "datasets.json").read_text())
    assert content["datasets"]["mine"]["path"] == str(photos)


def test_samples_can_be_sent_to_other_processes(photos):
    sample = load_dataset(photos, "all").samples()[0]
    assert pickle.loads(pickle.dumps(sample)).load().shape == (8, 8, 3)


def test_an_installed_plugin_is_found(tmp_path, monkeypatch):
    (tmp_path / "plugged.py").write_text(
        "from fesbench.core.contracts import Dataset\n"
        "class Plugged(Dataset):\n"
        "    name, expressions, digest = 'plugged', ('neutral', 'sad'), '0' * 64\n"
        "    def __init__(self, split): self.split = split\n"
        "    def samples(self): return []\n"
    )
    info = tmp_path / "plugged-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fesbench.datasets]\nplugged = plugged:Plugged\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_dataset("plugged", "val").split == "val"


def test_patterns_of_earlier_versions_keep_their_meaning(home, photos):
    register(FolderSpec("mine", photos))
    file = home / "datasets.json"
    entry = {"path": str(photos), "layout": "cfee", "domain": "studio", "pattern": None, "seed": 0}
    file.write_text(json.dumps({"version": 1, "datasets": {"old": entry}}))
    assert registrations()["old"] == FolderSpec("old", photos, "pattern", pattern="{subject}_{expression}")
