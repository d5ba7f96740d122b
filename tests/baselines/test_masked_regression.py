import json
from functools import partial

import numpy as np
import pytest
import torch

from fesbench.baselines.masked_regression import MaskedRegression, stretch
from fesbench.core.contracts import Dataset, Sample
from fesbench.reggan import LocalRidge
from fesbench.testing.generators import check_generator


@pytest.fixture(scope="module")
def reference(parity_folder):
    arrays = dict(np.load(parity_folder / "mr_ref_12x32.npz"))
    return arrays, json.loads((parity_folder / "mr_ref_12x32.json").read_text())


class Pairs(Dataset):
    """(N, 3, H, W) uint8 neutral and happy photos, one pair per subject."""

    name, split, digest = "pairs", "train", "none"
    expressions = ("neutral", "happy")

    def __init__(self, neutral, happy):
        self.shots = [
            Sample(f"{i}-{name}", str(i), name, "studio", partial(np.moveaxis, image, 0, -1))
            for name, images in (("neutral", neutral), ("happy", happy))
            for i, image in enumerate(images)
        ]

    def samples(self):
        return self.shots


def stretched(images):
    return stretch(torch.from_numpy(images).double())


def test_the_layer_gives_the_official_weights_and_predictions(reference):
    arrays, facts = reference
    a, b = stretched(arrays["A_u8"]), stretched(arrays["B_u8"])
    ridge = LocalRidge(facts["r"], facts["lamda"]).fit(a, b)
    official = np.moveaxis(arrays["weights_official"], 2, 0)
    stored = ridge.coef_.numpy().astype(np.float32)
    np.testing.assert_allclose(stored, official, atol=6e-8, rtol=0)  # float32, as they were kept
    predicted = ridge.predict(a)
    np.testing.assert_allclose(predicted, arrays["pred_train_official"], atol=5e-4, rtol=0)  # float16
    for statistic, value in {
        "max_abs_weight": ridge.coef_.abs().max(),
        "pred_mean": predicted.mean(),
        "pred_std": predicted.std(correction=0),
        "pred_min": predicted.min(),
        "pred_max": predicted.max(),
    }.items():
        assert float(value) == pytest.approx(facts[statistic], abs=1e-9), statistic


@pytest.mark.parametrize(("channels", "name"), [("same", "per_channel"), ("all", "cross")])
def test_training_error_is_the_reference_one(reference, channels, name):
    arrays, facts = reference
    a, b = stretched(arrays["A_u8"]), stretched(arrays["B_u8"])
    error = (LocalRidge(3, 0.4, channels).fit(a, b).predict(a) - b).square().mean()
    assert float(error) == pytest.approx(facts["train_mse"][name], abs=1e-9)


def test_the_generator_gives_the_official_pictures(reference):
    arrays, _ = reference
    model = MaskedRegression()
    model.fit(Pairs(arrays["A_u8"], arrays["B_u8"]), None, 0)
    labels = torch.zeros(12, dtype=torch.int64)
    images = torch.from_numpy(arrays["A_u8"]).float() / 127.5 - 1
    outputs = model.synthesize(images, labels - 1, labels)
    low, high = (extreme(images.numpy(), axis=(1, 2, 3), keepdims=True) for extreme in (np.min, np.max))
    official = arrays["pred_train_official"].astype(np.float64) * (high - low) + low
    np.testing.assert_allclose(outputs, official.clip(-1, 1), atol=1e-3, rtol=0)


def test_constant_images_divide_by_nothing():
    rng = np.random.default_rng(0)
    neutral, happy = rng.integers(0, 256, (2, 8, 3, 9, 9), dtype=np.uint8)
    neutral[0], happy[1] = 77, 0
    model = MaskedRegression()
    model.fit(Pairs(neutral, happy), None, 0)
    grey = torch.zeros(1, 3, 9, 9)
    assert model.synthesize(grey, torch.tensor([-1]), torch.tensor([0])).isfinite().all()
    assert stretch(grey).abs().max() == 0


def test_brightness_and_contrast_of_the_input_are_those_of_the_output():
    rng = np.random.default_rng(0)
    model = MaskedRegression()
    model.fit(Pairs(*rng.integers(0, 256, (2, 8, 3, 9, 9), dtype=np.uint8)), None, 0)
    image, label = torch.rand(1, 3, 9, 9) * 0.4 - 0.2, torch.tensor([0])
    duller = model.synthesize(0.5 * image + 0.3, label, label)
    assert duller.abs().max() < 1
    torch.testing.assert_close(duller, 0.5 * model.synthesize(image, label, label) + 0.3, atol=1e-5, rtol=0)


def test_conforms_to_the_contract():
    model = MaskedRegression()
    rng = np.random.default_rng(0)
    model.fit(Pairs(*rng.integers(0, 256, (2, 8, 3, 16, 16), dtype=np.uint8)), None, 0)
    check_generator(model)
