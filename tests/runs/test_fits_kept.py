"""Fits in the cache: used again for the same settings only, and never of a part of the pairs."""

import numpy as np
import pytest
import torch

from fesbench.core.contracts import ClosedForm, GeneratorCard
from fesbench.datasets.folders.folder import folder_dataset
from fesbench.datasets.loading import ImageLoader
from fesbench.runs.fitting import PairLoader, fit


class Prior(ClosedForm):
    """Remembers on how many pairs it was fitted, and whether it was now."""

    def __init__(self, prior):
        self.card = GeneratorCard("prior", "Prior", supervision="paired")
        self.prior, self.pairs, self.fitted = prior, -1, False

    def fit(self, train, val, seed):
        self.pairs, self.fitted = len(train.pairs()), True

    def synthesize(self, images, source, target):
        return images

    def state(self):
        return {"pairs": np.array(self.pairs)}

    def load_state(self, state):
        self.pairs = int(state["pairs"])


@pytest.fixture
def faces(tmp_path, random_faces, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))
    return random_faces(tmp_path / "faces", neutral=range(4), happy=range(4))


def fitted(prior, folder):
    train = folder_dataset(folder, "all")
    return fit(lambda: Prior(prior), train, 0, PairLoader(ImageLoader(0), 32)).model


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, lambda array: {"of": [array, None]}])
def test_priors_that_differ_in_one_number_are_fitted_apart(faces, kind):
    plain = np.zeros(4096)
    other = plain.copy()
    other[2000] = 9
    assert fitted(kind(plain), faces).fitted
    assert not fitted(kind(plain), faces).fitted
    assert fitted(kind(other), faces).fitted


def test_a_setting_of_a_type_that_is_not_known_is_fitted_each_time(faces):
    assert fitted(object(), faces).fitted
    assert fitted(object(), faces).fitted


def test_a_fit_without_some_pairs_is_told_and_not_kept(faces, monkeypatch, caplog):
    from fesbench.datasets.folders import folder

    load = folder.load_image

    def failing(path):
        if path.name == "2.png":
            raise OSError(116, "Stale file handle")
        return load(path)

    folder_dataset(faces, "all").samples()  # looked at while the disk is healthy
    monkeypatch.setattr(folder, "load_image", failing)
    assert fitted(0.0, faces).pairs == 3
    assert "without 1 of 4 pairs of faces" in caplog.text
    monkeypatch.undo()
    whole = fitted(0.0, faces)
    assert (whole.fitted, whole.pairs) == (True, 4)
