"""The regression layer: the closed form's own weights, applied to each image by its own target."""

import pytest
import torch

from fesbench.core.errors import BenchError, DatasetError
from fesbench.generators.layers import one_hot
from fesbench.reggan import LocalRidge
from fesbench.reggan.layer import RegressionLayer, RegressionOptions, empty_layer, fit_layer

SIZE = 16


def condition(*labels):
    targets = torch.tensor(labels)
    return one_hot(2)(targets, targets)


def as_values(images):
    return images.float() / 127.5 - 1


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("channels", ["same", "all"])
def test_it_predicts_what_the_ridge_predicts(pairs, channels, residual):
    data = pairs()
    layer = fit_layer(data, RegressionOptions(3, 0.5, channels, residual, mirror=False))
    ridge = LocalRidge(3, 0.5, channels, residual).fit(*as_values(data.images).split(12))
    new = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    assert layer.channels == channels
    torch.testing.assert_close(
        layer(new, condition(1, 1)), ridge.predict(new).clamp(-1, 1), atol=1e-5, rtol=0
    )


def test_neutral_targets_keep_the_image_whatever_else_is_in_the_batch(pairs):
    layer = fit_layer(pairs(), RegressionOptions(3))
    new = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    mixed = layer(new, condition(0, 1))
    assert torch.equal(mixed[0], new[0])
    assert not torch.allclose(mixed[1], new[1], atol=0.1)
    torch.testing.assert_close(mixed[1:], layer(new[1:], condition(1)))


def test_it_learns_an_inversion(pairs):
    layer = fit_layer(pairs(people=60), RegressionOptions(1, 1e-3))
    new = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    torch.testing.assert_close(layer(new, condition(1, 1)), -new, atol=1e-2, rtol=0)


def test_mirrored_pairs_make_a_mirrored_map(pairs):
    layer = fit_layer(pairs(), RegressionOptions(3, mirror=True))
    new = torch.rand(1, 3, SIZE, SIZE) * 2 - 1
    there_and_back = layer(new.flip(-1), condition(1)).flip(-1)
    torch.testing.assert_close(there_and_back, layer(new, condition(1)), atol=1e-5, rtol=0)


def test_people_without_a_neutral_face_are_left_out(pairs):
    data = pairs()
    paired = data.paired.clone()
    paired[-1] = False
    fewer = data._replace(paired=paired)
    expected = LocalRidge(3, 1.0, residual=True).fit(
        as_values(data.images[:11]), as_values(data.images[12:23])
    )
    layer = fit_layer(fewer, RegressionOptions(3, mirror=False))
    torch.testing.assert_close(layer.coef[:, 1], expected.coef_.movedim(-1, 0), atol=1e-5, rtol=0)


def test_data_without_pairs_is_refused(pairs):
    data = pairs()
    with pytest.raises(DatasetError, match="pairs"):
        fit_layer(data._replace(paired=torch.zeros_like(data.paired)), RegressionOptions())


def test_it_is_frozen_and_an_empty_one_keeps_everything(pairs):
    layer, empty = fit_layer(pairs(), RegressionOptions(3)), empty_layer(2, SIZE, RegressionOptions(3))
    assert layer.coef.shape == empty.coef.shape
    assert not layer.coef.requires_grad
    new = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    assert torch.equal(empty(new, condition(1, 1)), new)


def test_other_sizes_and_shapes_are_refused(pairs):
    layer = fit_layer(pairs(), RegressionOptions(3))
    with pytest.raises(BenchError, match="16 x 16 pixels, and the images are 16 x 20"):
        layer(torch.zeros(1, 3, 16, 20), condition(1))
    for shape in [(9, 2, 3, 4, 4), (5, 2, 3, 4, 4), (10, 2, 1, 4, 4), (10, 3, 4, 4)]:
        with pytest.raises(BenchError, match="regression weights"):
            RegressionLayer(torch.zeros(shape))
