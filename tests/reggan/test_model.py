from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from fesbench.core.contracts import Dataset, Sample
from fesbench.core.errors import BenchError, CheckpointError, DatasetError, UnsupportedEdit
from fesbench.reggan import LocalRidge, paired
from fesbench.reggan.model import RegressionStage
from fesbench.testing.generators import check_generator

SIZE = 12


class Photos(Dataset):
    """Random photos of subjects; ``missing`` (subject, expression) were not taken. Counts what is loaded."""

    name, split, digest = "photos", "train", "none"
    expressions = ("neutral", "angry", "happy", "sad")

    def __init__(self, subjects=9, size=SIZE, missing=()):
        self.size, self.loaded = size, Counter()
        self.shots = [
            Sample(f"{s}-{e}", str(s), e, "studio", partial(self.photo, s, e))
            for s in range(subjects)
            for e in self.expressions
            if (s, e) not in missing
        ]

    def samples(self):
        return self.shots

    def photo(self, subject, expression):
        self.loaded[subject, expression] += 1
        rng = np.random.default_rng([subject, self.expressions.index(expression)])
        return rng.integers(0, 256, (self.size, self.size, 3), dtype=np.uint8)


def as_tensor(photos, expression, subjects):
    images = [torch.from_numpy(photos.photo(s, expression)).permute(2, 0, 1) for s in subjects]
    return torch.stack(images).double() / 127.5 - 1


def fitted(photos, **settings):
    model = RegressionStage(**settings)
    model.fit(photos, None, 0)
    return model


def synthesize(model, images, label):
    targets = torch.full((len(images),), label)
    return model.synthesize(images, torch.full_like(targets, -1), targets)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("channels", ["same", "all"])
def test_every_expression_is_the_local_ridge_of_its_pairs(residual, channels):
    photos = Photos(missing={(2, "happy"), (5, "sad"), (6, "neutral")})
    model = fitted(photos, receptive_field=3, alpha=1.0, residual=residual, channels=channels)
    assert model.card.expressions == ("angry", "happy", "sad")
    new = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    for label, (name, gone) in enumerate({"angry": {6}, "happy": {2, 6}, "sad": {5, 6}}.items()):
        subjects = [s for s in range(9) if s not in gone]
        ridge = LocalRidge(3, 1.0, channels, residual)
        ridge.fit(as_tensor(photos, "neutral", subjects), as_tensor(photos, name, subjects))
        expected = ridge.predict(new.double()).clamp(-1, 1).float()
        torch.testing.assert_close(synthesize(model, new, label), expected, atol=1e-5, rtol=0)


def test_batches_of_a_fit_make_no_difference(monkeypatch):
    whole = fitted(Photos()).state()["weights"]
    monkeypatch.setattr(paired, "BATCH_BYTES", 8 * 3 * SIZE**2 * 4 * 2)
    np.testing.assert_allclose(fitted(Photos()).state()["weights"], whole, atol=1e-6)


def test_each_image_is_loaded_once():
    photos = Photos(missing={(2, "happy")})
    fitted(photos, resolution=SIZE)
    assert set(photos.loaded.values()) == {1}


def test_the_card_says_what_the_model_learned_from():
    photos = Photos()
    card = fitted(photos, receptive_field=5).card
    assert card.trained_on == "photos train, 9 subjects"
    assert card.resolution == SIZE
    assert card.parameters == 3 * 26 * 3 * SIZE**2
    assert RegressionStage.card.expressions == ()


def test_conforms_to_the_contract():
    check_generator(fitted(Photos()))


def test_images_of_another_size_are_resized():
    model = fitted(Photos(size=20), resolution=10)
    assert model.card.resolution == 10
    assert synthesize(model, torch.zeros(1, 3, 10, 10), 0).shape == (1, 3, 10, 10)


def test_state_goes_through_a_file(tmp_path):
    model, restored = fitted(Photos()), RegressionStage()
    save_file({name: np.ascontiguousarray(array) for name, array in model.state().items()}, tmp_path / "m")
    restored.load_state(load_file(tmp_path / "m"))
    assert restored.card == model.card
    new = torch.rand(3, 3, SIZE, SIZE) * 2 - 1
    assert torch.equal(synthesize(restored, new, 1), synthesize(model, new, 1))


@pytest.mark.parametrize(
    "broken",
    [
        lambda state: {},
        lambda state: state | {"weights": state["weights"][:, :5]},
        lambda state: state | {"weights": state["weights"][:2]},
        lambda state: state | {"weights": state["weights"][0]},
        lambda state: state | {"about": state["about"][:4]},
        lambda state: state | {"about": np.frombuffer(b"[1, 2]", np.uint8)},
        lambda state: state | {"about": np.frombuffer(b'[[1, 2, 3], ""]', np.uint8)},
    ],
)
def test_a_state_of_something_else_is_refused(broken):
    with pytest.raises(CheckpointError, match="fit it again"):
        RegressionStage().load_state(broken(fitted(Photos()).state()))


def test_wrong_use_is_told_what_is_wrong():
    with pytest.raises(BenchError, match="not fitted"):
        synthesize(RegressionStage(), torch.zeros(1, 3, SIZE, SIZE), 0)
    with pytest.raises(DatasetError, match="photos"):
        fitted(Photos(missing={(s, "neutral") for s in range(9)}))
    model = fitted(Photos())
    with pytest.raises(UnsupportedEdit, match="not 3"):
        synthesize(model, torch.zeros(1, 3, SIZE, SIZE), 3)
    with pytest.raises(UnsupportedEdit, match="not -1"):
        synthesize(model, torch.zeros(1, 3, SIZE, SIZE), -1)
    with pytest.raises(BenchError, match="must be"):
        synthesize(model, torch.zeros(1, 3, SIZE, SIZE + 1), 0)
    with pytest.raises(BenchError, match="odd"):
        RegressionStage(receptive_field=2)
