import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fesbench.core.contracts import Batch, Edit, FeatureExtractor, FeatureExtractorCard, Sample
from fesbench.metrics.networks import base, embedded


class GivenFeatures(FeatureExtractor):
    """A network that stands in the card's place; its features are given with the batch."""

    def __init__(self, dimension=2, labels=()):
        self.card = FeatureExtractorCard("given", "test", "", "none", dimension, labels=tuple(labels))

    def features(self, images):
        return torch.zeros(len(images), self.card.dimension)


@pytest.fixture
def given() -> Callable[..., FeatureExtractor]:
    return GivenFeatures


def _edit(target, subject="s1", truth=True):
    def image():
        return np.zeros((4, 4, 3), np.uint8)

    source = Sample(f"{subject}-neutral", subject, "neutral", "studio", image)
    return Edit(
        source, target, Sample(f"{subject}-{target}", subject, target, "studio", image) if truth else None
    )


@pytest.fixture
def edit() -> Callable[..., Edit]:
    return _edit


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    """A batch of edits to the given targets, with features or pixels where given."""

    def make(targets, features=None, outputs=None, sources=None, truths=None, masks=None):
        count = len(targets)
        blank = np.zeros((count, 4, 4, 3), np.uint8)
        arrays = {role: np.asarray(values, np.float32) for role, values in (features or {}).items()}
        return Batch(
            [_edit(target, f"s{index}") for index, target in enumerate(targets)],
            blank if outputs is None else outputs,
            blank if sources is None else sources,
            [None] * count if truths is None else truths,
            [None] * count if masks is None else masks,
            {"given": arrays},
        )

    return make


def mixed(key, shape, gain=2.0):
    """Values by the rule 'mix' of the parity vectors: full rank, told by the key alone."""
    count = int(np.prod(shape))
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + zlib.crc32(key.encode())).astype(np.uint32)
    x ^= x >> 16
    x *= np.uint32(0x7FEB352D)
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    x ^= x >> 16
    v = (np.sqrt(3) * (x / 2**31 - 1)).reshape(shape)
    if len(shape) >= 2:
        v = v * np.sqrt(gain / (count / shape[0]))
    elif key.endswith("running_var"):
        v = 1 + 0.5 * np.abs(v)
    elif key.endswith(".weight"):
        v = 1 + 0.1 * v
    else:
        v = 0.05 * v
    return torch.from_numpy(v.astype(np.float32))


def filled(state, prefix="", convolution_gain=2.0):
    """A state_dict with the names and shapes of ``state``, filled by the rule."""
    return {
        prefix + name: mixed(prefix + name, tuple(value.shape), convolution_gain if value.ndim == 4 else 2.0)
        if value.is_floating_point()
        else torch.zeros(())
        for name, value in state.items()
    }


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory) -> Path:
    """A file like pytorch-fid's, with other weights."""
    package = pytest.importorskip("pytorch_fid.inception", reason="needs the extra 'paper'")
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        seen = {}
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: seen.update(self.state_dict()))
        patch.setattr(package, "load_state_dict_from_url", lambda *_, **__: {})
        package.fid_inception_v3()
    path = tmp_path_factory.mktemp("inception") / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(filled(seen, convolution_gain=3.0), path)
    return path


@pytest.fixture(scope="session")
def qualiclip_file(tmp_path_factory) -> Path:
    """A file like the authors' release, with other weights, and a text tower that does not matter."""
    resnet = pytest.importorskip("open_clip.modified_resnet", reason="needs the extra 'paper'")
    with torch.device("meta"):
        visual = resnet.ModifiedResNet([3, 4, 6, 3], output_dim=1024, heads=32).state_dict()
    state = {f"clip_model.{name}": value for name, value in filled(visual, "visual.").items()}
    prompts = mixed("prompts_features", (14 * 1024,)).reshape(14, 1024)
    state["prompts_features"] = torch.nn.functional.normalize(prompts, dim=1)
    state["clip_model.logit_scale"] = torch.tensor(100.0).log()
    state["clip_model.ln_final.weight"] = torch.ones(512)
    path = tmp_path_factory.mktemp("qualiclip") / "qualiclip.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def parity_images():
    """The three images of the parity vectors by name: integer arithmetic, (H, W, 3) uint8."""

    def grid(height, width):
        return np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")

    y, x, c = grid(128, 128)
    xor = ((7 * x + 29 * c) ^ (13 * y)) + (x * y) // 16
    y, x, c = grid(224, 224)
    ramp = np.clip((255 * x) // 223 + 40 * c + 64 * ((x // 28 + y // 28) % 2) - y // 3, 0, 255)
    y, x, c = grid(256, 384)
    mix = ((x - 190) ** 2 + (y - 120) ** 2) // (60 + 20 * c) + 17 * ((5 * x + 3 * y + c) % 7)
    images = {"xor128": xor, "ramp224": ramp, "mix256x384": mix}
    return {name: (values % 256).astype(np.uint8) for name, values in images.items()}


@pytest.fixture
def nothing_loaded():
    """No network of an earlier test is in memory."""
    base.load_once.cache_clear()
    embedded.load.cache_clear()
