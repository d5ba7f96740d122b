"""DeepFace's networks in batches against the package itself, run live on the same files and pixels."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from fesbench.core.errors import CheckpointError, WeightsMissing
from fesbench.metrics.networks.deepface import (
    EMOTIONS,
    RECOGNISERS,
    DeepFaceDlib,
    DeepFaceEmotion,
    DeepFaceRecognition,
)
from fesbench.metrics.registry import load_metric

pytest.importorskip("deepface", reason="needs the extra 'paper'")
DLIB = "dlib_face_recognition_resnet_model_v1.dat"
FILES = {
    "Facenet512": "facenet512_weights.pth",
    "ArcFace": "arcface_weights.pth",
    "VGG-Face": "vgg_face_weights.pth",
}


@pytest.fixture(scope="module")
def photos(photos_folder):
    """Four people, neutral and smiling: (8, H, W, 3) uint8, square and so narrow that borders are added."""
    paths = [
        path for name in ("neutral", "happy") for path in sorted((photos_folder / name).glob("*.jpg"))[:4]
    ]
    square = np.stack([np.asarray(Image.open(path).convert("RGB").resize((128, 128))) for path in paths])
    return {"square": square, "narrow": square[:, 10:110, 24:104]}


@pytest.fixture(scope="module")
def network_of(deepface_weights):
    """Recogniser by name, each loaded once."""

    @cache
    def load(model):
        if model == "Dlib":
            return DeepFaceDlib(deepface_weights / DLIB)
        return DeepFaceRecognition(model, deepface_weights / FILES[model])

    return load


def cosine(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("model", ["Facenet512", "ArcFace", "Dlib", "VGG-Face"])
def test_batches_equal_the_package_image_by_image(model, network_of, vgg_face_weights, deepface, photos):
    """Measured: embeddings differ by 7e-6 of the largest value at most, similarities by 5e-7."""
    network = network_of(model)
    options = {"model_name": model, "detector_backend": "skip"}
    some = slice(4, 5) if model == "VGG-Face" else slice(4, 8)  # VGG-Face takes 1.6 s an image
    for smiling, neutral in ((images[some], images[:4][: some.stop - 4]) for images in photos.values()):
        found = [network(images).astype(np.float64) for images in (smiling, neutral)]
        bgr = smiling[..., ::-1]
        wanted = np.array([deepface.represent(image / 255, **options)[0]["embedding"] for image in bgr])
        assert found[0].shape == wanted.shape == (len(smiling), network.card.dimension)
        assert np.abs(found[0] - wanted).max() <= 1e-4 * np.abs(wanted).max()
        answers = [deepface.verify(a, b, **options) for a, b in zip(bgr, neutral[..., ::-1], strict=True)]
        distances = [answer["distance"] for answer in answers]
        np.testing.assert_allclose(1 - cosine(*found), distances, atol=1e-4)


def test_rounded_pixels_of_represent_hardly_move_a_similarity(network_of, deepface, photos):
    """``represent`` of 8-bit pixels rounds after its resize; measured: 1.1e-6 with these weights."""
    images = photos["square"][[0, 4]]
    options = {"model_name": "Facenet512", "detector_backend": "skip"}
    wanted = np.array([deepface.represent(image[..., ::-1], **options)[0]["embedding"] for image in images])
    found = network_of("Facenet512")(images).astype(np.float64)
    np.testing.assert_allclose(cosine(found[:1], found[1:]), cosine(wanted[:1], wanted[1:]), atol=1e-4)


def test_probabilities_equal_those_of_analyze(deepface_weights, deepface, photos):
    network = DeepFaceEmotion(deepface_weights / "facial_expression_model_weights.pth")
    for images in photos.values():
        options = {"actions": ("emotion",), "detector_backend": "skip", "silent": True}
        answers = [deepface.analyze(image[..., ::-1], **options)[0]["emotion"] for image in images]
        assert tuple(answers[0]) == EMOTIONS
        wanted = np.array([list(answer.values()) for answer in answers]) / 100
        np.testing.assert_allclose(network(images), wanted, atol=1e-5)


def test_thresholds_are_those_of_the_package(deepface_weights, monkeypatch):
    from deepface.modules.verification import find_threshold

    monkeypatch.setenv("FESBENCH_WEIGHTS", str(deepface_weights))
    names = {"fss@facenet512": "Facenet512", "fss@arcface": "ArcFace", "fss@deepface-dlib": "Dlib"}
    for identifier, model in names.items():
        verification = load_metric(identifier).verification
        assert verification.measure == "cosine"
        assert 1 - verification.threshold == pytest.approx(find_threshold(model, "cosine"), abs=1e-12)


def test_an_image_is_seen_alike_alone_and_among_others(network_of, photos):
    for network in (network_of("Facenet512"), network_of("Dlib")):
        together = network(photos["square"][:3])
        alone = np.concatenate([network(image[None]) for image in photos["square"][:3]])
        np.testing.assert_allclose(together, alone, atol=1e-5 * np.abs(together).max())


def test_another_network_s_file_is_refused(deepface_weights):
    with pytest.raises(CheckpointError, match="does not fit InceptionResNetV1"):
        DeepFaceRecognition("Facenet512", deepface_weights / "arcface_weights.pth")
    with pytest.raises(WeightsMissing, match=r"nothing\.pth"):
        DeepFaceEmotion(deepface_weights / "nothing.pth")


def test_every_network_is_the_one_that_deepface_would_build():
    from deepface.modules.modeling import AVAILABLE_MODELS

    for name, recogniser in RECOGNISERS.items():
        place = AVAILABLE_MODELS["facial_recognition"][name]["pytorch"]
        assert place.startswith(f"deepface.models.facial_recognition.pytorch.{recogniser.module}.")
