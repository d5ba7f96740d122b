"""Augmentations: they change what they say, leave the rest, and repeat with their seed."""

import pytest
import torch

from fesbench.training.networks import augmentation


@pytest.fixture
def images():
    """Smooth random images."""
    noise = torch.rand(8, 3, 16, 16, generator=seeded())
    return torch.nn.functional.interpolate(noise, scale_factor=4.0, mode="bicubic").clamp(0, 1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", list(augmentation.DEGRADATIONS))
def test_degradations_grow_with_their_level(kind, images):
    before, degrade = images.clone(), augmentation.DEGRADATIONS[kind]
    changes = [float((degrade(images, level, seeded()) - images).abs().mean()) for level in (0.1, 0.4, 0.8)]
    assert changes[0] < changes[1] < changes[2]
    assert torch.equal(images, before)


def test_blur_keeps_flat_images_and_totals():
    flat = torch.full((1, 3, 32, 32), 0.3)
    torch.testing.assert_close(augmentation.blur(flat, 2.0), flat)
    assert augmentation.blur(flat, 0) is flat


@pytest.mark.parametrize("name", ["first_judge", "second_judge", "identity"])
def test_augmented_batches_stay_in_range_and_repeat_with_their_seed(name, images):
    augment = getattr(augmentation, name)
    first, again, other = (augment(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1


def test_a_share_of_0_changes_nothing_and_of_1_everything(images):
    assert augmentation.some(0.0, torch.zeros_like, images, seeded()) is images
    assert not augmentation.some(1.0, torch.zeros_like, images, seeded()).any()


def test_a_warp_of_no_amount_is_none(images):
    still = augmentation.warp(images, seeded(), turn=0.0, zoom=0.0, shift=0.0)
    torch.testing.assert_close(still, images, atol=1e-4, rtol=0)


def test_mirrored_images_are_those_of_the_batch_flipped(images):
    mirrored = augmentation.mirror(images, seeded())
    kept = [torch.equal(new, old) for new, old in zip(mirrored, images, strict=True)]
    flipped = [torch.equal(new, old.flip(2)) for new, old in zip(mirrored, images, strict=True)]
    assert all(a != b for a, b in zip(kept, flipped, strict=True))
    assert any(kept)
    assert any(flipped)


def test_covered_images_hold_one_grey_square():
    black = torch.zeros(64, 3, 40, 40)
    covered = augmentation.cover(black, seeded(), side=0.25)
    touched = [image for image in covered if image.any()]
    assert 4 <= len(touched) <= 32
    for image in touched:
        assert set(image.unique().tolist()) == {0.0, 0.5}
        assert image[0].count_nonzero() <= 11 * 11


def test_shrinking_removes_detail_and_keeps_the_mean(images):
    small = augmentation.shrink(images, 4.0)
    assert small.var() < images.var()
    assert float(small.mean()) == pytest.approx(float(images.mean()), abs=0.01)


def test_a_better_jpeg_is_closer_to_the_original(images):
    errors = [float((augmentation.jpeg(images, quality) - images).abs().mean()) for quality in (10, 50, 95)]
    assert errors[0] > errors[1] > errors[2]
