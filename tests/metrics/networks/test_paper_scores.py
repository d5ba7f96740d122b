"""``bench score --backend paper`` with filled weights, against the peers run on the same files."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from fesbench.metrics.qualiclip import QualiCLIP

COUNT = 16
PEOPLE = 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory, photos_folder):
    """Smiles as outputs of neutral photos, and other photos as reference; each also mirrored."""
    root = tmp_path_factory.mktemp("folders")
    names = sorted(path.name for path in (photos_folder / "happy").glob("*.jpg"))
    of_references = [("happy", name) for name in names[PEOPLE:]] + [
        ("neutral", name) for name in names[PEOPLE:]
    ]
    wanted = {
        "sources": [(photos_folder / "neutral" / name, f"{name[:-4]}{{}}.png") for name in names[:PEOPLE]],
        "images": [
            (photos_folder / "happy" / name, f"{name[:-4]}{{}}--happy.png") for name in names[:PEOPLE]
        ],
        "real": [
            (photos_folder / kind / name, f"{name[:-4]}-{kind}{{}}.png") for kind, name in of_references
        ],
    }
    for folder, files in wanted.items():
        (root / folder).mkdir()
        for path, name in files:
            image = Image.open(path).convert("RGB").resize((128, 128))
            image.save(root / folder / name.format("a"))
            ImageOps.mirror(image).save(root / folder / name.format("b"))
        assert len(list((root / folder).iterdir())) == COUNT
    return root


@pytest.fixture(scope="module")
def scores(call_bench, folders, deepface_weights, inception_file, qualiclip_file, tmp_path_factory):
    """What the command prints: five metrics of the paper, from one folder of weight files."""
    weights = tmp_path_factory.mktemp("W") / "paper"
    weights.mkdir()
    for name in ("facenet512_weights.pth", "facial_expression_model_weights.pth"):
        shutil.copy(deepface_weights / name, weights)
    for file in (inception_file, qualiclip_file):
        shutil.copy(file, weights)
    images = (
        "--images",
        folders / "images",
        "--sources",
        folders / "sources",
        "--reference",
        folders / "real",
    )
    metrics = ("--metric", "ecs,fss,qualiclip,fid,kid", "--backend", "paper", "--weights-dir", weights.parent)
    done = call_bench("score", *images, *metrics, "--json")
    return json.loads(done.stdout)


def value(scores, metric):
    return next(cell["value"] for cell in scores["scores"] if cell["metric"] == metric)


def stack(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


def test_fss_is_the_mean_of_deepface_s_verify(scores, folders, deepface):
    pairs = zip(stack(folders / "images")[..., ::-1], stack(folders / "sources")[..., ::-1], strict=True)
    options = {"model_name": "Facenet512", "detector_backend": "skip"}
    answers = [deepface.verify(image, source, **options) for image, source in pairs]
    similarity = np.mean([1 - answer["distance"] for answer in answers])
    assert value(scores, "fss@facenet512") == pytest.approx(similarity, abs=1e-4)
    verified = np.mean([answer["verified"] for answer in answers])
    assert value(scores, "fss.verified@facenet512") == verified


def test_ecs_is_the_share_of_deepface_s_analyze(scores, folders, deepface):
    options = {"actions": ("emotion",), "detector_backend": "skip", "silent": True}
    answers = [deepface.analyze(i, **options)[0] for i in stack(folders / "images")[..., ::-1]]
    assert value(scores, "ecs@deepface-emotion") == np.mean(
        [a["dominant_emotion"] == "happy" for a in answers]
    )
    chances = np.mean([answer["emotion"]["happy"] / 100 for answer in answers])
    assert value(scores, "ecs.probability@deepface-emotion") == pytest.approx(chances, abs=1e-5)


def test_fid_is_pytorch_fid_s(scores, folders, inception_file, monkeypatch):
    from pytorch_fid import fid_score, inception

    state = torch.load(inception_file, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    network = inception.InceptionV3([3])
    features = [
        fid_score.get_activations(sorted((folders / name).iterdir()), network, COUNT, num_workers=0)
        for name in ("images", "real")
    ]
    (mean_a, a), (mean_b, b) = ((f.mean(0), f - f.mean(0)) for f in features)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    squared = ((mean_a - mean_b) ** 2).sum() + ((a**2).sum() + (b**2).sum() - 2 * cross) / (COUNT - 1)
    assert value(scores, "fid@inception-2015") == pytest.approx(squared, rel=1e-4)


def test_qualiclip_is_that_of_the_same_files(scores, folders, qualiclip_file):
    found = QualiCLIP(qualiclip_file)(stack(folders / "images"))
    assert value(scores, "qualiclip") == pytest.approx(float(np.mean(found)), abs=1e-5)


def test_weights_that_are_not_the_published_ones_are_told(scores):
    assert any("is not the published pt_inception" in warning for warning in scores["warnings"])
    assert {card["backend"] for card in scores["networks"].values()} == {"deepface", "paper"}
