import json

import numpy as np
import pytest
import torch

from fesbench.core.errors import CheckpointError
from fesbench.metrics.networks.qualiclip import QualiClipNetwork, SizeFreePool
from fesbench.metrics.qualiclip import PyiqaQualiCLIP, QualiCLIP, positive_share
from fesbench.testing.metrics import check_metric

open_clip = pytest.importorskip("open_clip", reason="needs the extra 'paper'")


@pytest.fixture(scope="module")
def network(qualiclip_file):
    return QualiClipNetwork(qualiclip_file)


def test_equal_to_the_official_scores(network, parity_images, parity_folder):
    expected = json.loads((parity_folder / "qualiclip_official.json").read_text("utf-8"))
    scores = QualiCLIP(network)(list(parity_images.values()))
    assert (scores.shape, scores.dtype) == ((3,), np.float64)
    for name, score in zip(parity_images, scores, strict=True):
        assert score == pytest.approx(expected[f"mix/{name}"]["score"], abs=1e-5)


def test_equal_to_the_official_features_and_cosines(network, parity_images, parity_folder):
    with np.load(parity_folder / "qualiclip_official_features.npz") as expected:
        for name, image in parity_images.items():
            pixels = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
            features, wanted = (
                network.image_features(pixels)[0].numpy(),
                expected[f"mix__{name}__image_features"],
            )
            assert np.linalg.norm(features - wanted) < 1e-5 * np.linalg.norm(wanted)
            np.testing.assert_allclose(network([image])[0], expected[f"mix__{name}__cos"], atol=1e-6)


def test_equal_to_pyiqa_under_its_own_name_only(network, parity_images, parity_folder):
    expected = json.loads((parity_folder / "qualiclip_pyiqa.json").read_text("utf-8"))
    metric = PyiqaQualiCLIP(network)
    assert metric.card.id == "qualiclip@pyiqa"
    for name, score in zip(parity_images, metric(list(parity_images.values())), strict=True):
        assert score == pytest.approx(expected[f"mix/{name}/qualiclip"], abs=1e-5)


def test_an_image_scores_alike_alone_and_among_others(network, parity_images):
    image = parity_images["xor128"]
    images = [image, image[::-1], image[:, ::-1], image.transpose(1, 0, 2), 255 - image]
    metric = QualiCLIP(network)
    alone = np.concatenate([metric([part]) for part in images])
    np.testing.assert_allclose(metric(images), alone, atol=4e-6)
    assert np.ptp(alone) > 1e-3


def test_the_pool_is_open_clips_where_its_positional_embedding_is_zero():
    torch.manual_seed(0)
    theirs = open_clip.modified_resnet.AttentionPool2d(3, 128, 2, 16).eval()
    theirs.positional_embedding.data.zero_()
    x = torch.randn(2, 128, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(SizeFreePool(theirs)(x), theirs(x))


def test_both_scores_keep_the_contract(network):
    for metric in (QualiCLIP(network), PyiqaQualiCLIP(network)):
        assert all(finding.problem is None for finding in check_metric(metric))


def test_the_card_warns_of_the_licence(network):
    assert "non-commercial" in network.card.licence


def test_the_formula_by_hand():
    cosines = np.zeros((1, 14), np.float32)
    cosines[0, 0], cosines[0, 3] = np.log(3) / 100, 1.0
    assert positive_share(cosines, 100.0)[0] == pytest.approx((0.75 + 0.0 + 5 * 0.5) / 7, abs=1e-7)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("prompts_features"), "prompts_features"),
        (lambda state: state.update(prompts_features=torch.zeros(13, 1024)), r"\(13, 1024\)"),
        (lambda state: state.pop("clip_model.visual.conv1.weight"), "missing keys: conv1.weight"),
        (lambda state: state.pop("clip_model.logit_scale"), "logit_scale"),
    ],
    ids=["no prompts", "thirteen prompts", "no first layer", "no scale"],
)
def test_a_file_that_is_not_the_release_is_refused(qualiclip_file, tmp_path, change, says):
    state = torch.load(qualiclip_file, weights_only=True, mmap=True)
    change(state)
    path = tmp_path / "changed.pth"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=says):
        QualiClipNetwork(path)
