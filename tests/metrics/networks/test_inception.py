import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from fesbench.core.errors import BenchError, CheckpointError, WeightsMissing
from fesbench.metrics.networks.inception import InceptionFeatures

package = pytest.importorskip("pytorch_fid", reason="needs the extra 'paper'")


@pytest.fixture(scope="module")
def network(inception_file):
    return InceptionFeatures(inception_file, sha256="")


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_equal_to_the_features_of_the_peer(network, parity_images, parity_folder):
    found = network(list(parity_images.values()))
    assert (found.shape, found.dtype) == ((3, 2048), np.float32)
    with np.load(parity_folder / "inception_features.npz") as expected:
        for name, features in zip(parity_images, found, strict=True):
            assert relative(features, expected[f"{name}__2048"]) < 2e-6  # the peer here: 1.1e-6


def test_equal_to_pytorch_fid_run_on_the_same_files(network, inception_file, tmp_path, monkeypatch):
    """Its own reading, batching and network; folding and the layout of memory cost less than 1e-6."""
    from pytorch_fid import fid_score, inception

    images = np.random.default_rng(0).integers(0, 256, (3, 64, 48, 3), np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        PillowImage.fromarray(image).save(path)
    state = torch.load(inception_file, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    expected = fid_score.get_activations(paths, inception.InceptionV3([3]), batch_size=3, num_workers=0)
    assert relative(network(images), expected) < 1e-6


def test_an_image_is_seen_alike_alone_and_among_others_of_any_size(network, parity_images):
    images = [parity_images["ramp224"], parity_images["xor128"], parity_images["ramp224"][::-1].copy()]
    together = network(images)
    for image, features in zip(images, together, strict=True):
        assert relative(network([image])[0], features) < 1e-6


def test_the_package_is_left_as_it_was(network):
    from pytorch_fid import inception

    assert inception.load_state_dict_from_url.__name__ == "load_state_dict_from_url"
    assert not any(parameter.requires_grad for parameter in network.module.parameters())


def test_the_card_tells_file_and_preprocessing(network, inception_file):
    from fesbench.core.files import file_digest

    assert network.card.digest == file_digest(inception_file)
    assert "299" in network.card.preprocessing


def test_another_file_than_the_published_one_is_refused(inception_file, tmp_path):
    with pytest.raises(CheckpointError, match="not 6726825d"):
        InceptionFeatures(inception_file)
    with pytest.raises(WeightsMissing, match=r"none\.pth"):
        InceptionFeatures(tmp_path / "none.pth")
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "small.pth")
    with pytest.raises(CheckpointError, match="does not fit pytorch-fid"):
        InceptionFeatures(tmp_path / "small.pth", sha256="")


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["grey", "float", "with alpha", "empty"],
)
def test_what_is_no_rgb_image_is_refused(network, image):
    with pytest.raises(BenchError, match="image 1 is"):
        network([np.zeros((8, 8, 3), np.uint8), image])
