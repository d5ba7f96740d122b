"""The refinement: where it starts, what its options change, and that every attention type is really used."""

import numpy as np
import pytest
import torch

from fesbench.core.errors import BenchError
from fesbench.reggan.attention import ATTENTION_TYPES
from fesbench.reggan.refinement import OPENNESS, Refinement, RefinementOptions, _light

CONDITION = torch.eye(3)[:2]


def images(size=16):
    return torch.rand(2, 2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_it_starts_without_correction_and_with_an_even_mask():
    correction = Refinement(3, 4, RefinementOptions())(*images(), CONDITION)
    assert torch.equal(correction.colour, torch.zeros(2, 3, 16, 16))
    torch.testing.assert_close(correction.mask, torch.full((2, 1, 16, 16), OPENNESS).sigmoid())


def test_a_sum_has_no_mask_to_learn():
    refinement = Refinement(3, 4, RefinementOptions(composition="sum"))
    assert refinement.head.out_channels == 3
    assert torch.equal(refinement(*images(), CONDITION).mask, torch.ones(2, 1, 16, 16))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_depth_counts_halvings(depth):
    refinement = Refinement(3, 4, RefinementOptions(depth=depth, blocks=1))
    assert refinement(*images(), CONDITION).colour.shape == (2, 3, 16, 16)
    assert refinement.blocks[0].main[0].in_channels == 4 * 2**depth


@pytest.mark.parametrize("kind", ATTENTION_TYPES)
def test_without_an_attention_type_its_weights_are_gone(kind):
    rest = tuple(name for name in ATTENTION_TYPES if name != kind)
    names = Refinement(3, 4, RefinementOptions(attention=rest)).state_dict()
    whole = Refinement(3, 4, RefinementOptions()).state_dict()
    gone = {name for name in whole if f"{kind}." in name}
    assert gone
    assert names.keys() == whole.keys() - gone


def test_every_weight_matters():
    torch.manual_seed(0)
    refinement = Refinement(3, 8, RefinementOptions(blocks=1))
    torch.nn.init.normal_(refinement.head.weight, std=0.1)
    torch.nn.init.ones_(refinement.position.strength)
    correction = refinement(*images(), CONDITION)
    (correction.colour.sum() + correction.mask.sum()).backward()
    dead = [
        name for name, weight in refinement.named_parameters() if weight.grad is None or not weight.grad.any()
    ]
    assert dead == []


def test_unknown_options_are_refused():
    with pytest.raises(BenchError, match="'channel'; choose from gate, spatial, position"):
        RefinementOptions(attention=("channel",))
    with pytest.raises(BenchError, match="count from 0"):
        RefinementOptions(blocks=-1)


def test_a_duller_and_darker_photo_gets_the_same_correction_as_dull():
    torch.manual_seed(0)
    refinement = Refinement(3, 8, RefinementOptions(blocks=1))
    torch.nn.init.normal_(refinement.head.weight, std=0.1)
    photo, intermediate = images()
    bright = refinement(photo, intermediate, CONDITION)
    dull = refinement(0.4 * photo - 0.3, 0.4 * intermediate - 0.3, CONDITION)
    torch.testing.assert_close(dull.colour, 0.4 * bright.colour, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(dull.mask, bright.mask, atol=1e-4, rtol=1e-3)


def test_the_label_matters_everywhere():
    torch.manual_seed(0)
    refinement = Refinement(3, 8, RefinementOptions(blocks=1))
    torch.nn.init.normal_(refinement.head.weight, std=0.1)
    photo, intermediate = images(32)
    first, second = (refinement(photo, intermediate, torch.eye(3)[[k, k]]).colour for k in (0, 1))
    assert (first - second)[..., 12:20, 12:20].abs().amax((1, 2, 3)).min() > 1e-3


def test_an_image_without_contrast_gives_numbers():
    flat = torch.full((2, 3, 16, 16), 0.5)
    assert torch.isfinite(Refinement(3, 4, RefinementOptions())(flat, flat, CONDITION).colour).all()


def test_light_is_that_of_the_whole_image_so_that_colours_are_seen():
    """By channel, a red and a blue face would look alike to the network."""
    pixels = np.random.default_rng(0).normal([0.5, 0.0, -0.4], [0.05, 0.1, 0.2], (2, 16, 16, 3))
    seen = _light(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    for found, expected in zip(seen, (pixels.mean((1, 2, 3)), pixels.std((1, 2, 3))), strict=True):
        assert found.shape == (2, 1, 1, 1)
        np.testing.assert_allclose(found.flatten(), expected, rtol=1e-12)
