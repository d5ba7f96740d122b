"""``bench data prepare`` on photos whose eyes are known."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image as Pillow

from fesbench.cli import cli
from fesbench.core.errors import CheckpointError, DatasetError, WeightsMissing
from fesbench.datasets.images import load_image
from fesbench.datasets.preparation.alignment import crop_to_photo, eye_targets
from fesbench.datasets.preparation.detection import load_eye_finder
from fesbench.datasets.preparation.prepare import plan_outputs


def bench(*arguments: object, weights: Path) -> Result:
    return CliRunner(env={"FESBENCH_WEIGHTS": str(weights)}).invoke(cli, ["data", *map(str, arguments)])


def true_eyes(london: Path) -> dict[str, np.ndarray]:
    """``expression/id`` to the (2, 2) means of the six landmarks around each eye."""
    with (london / "landmarks.csv").open() as stream:
        rows = list(csv.reader(stream))[1:]
    points = {f"{row[1]}/{row[0]}": np.array(row[2:], float).reshape(68, 2) for row in rows}
    return {name: np.stack([p[36:42].mean(axis=0), p[42:48].mean(axis=0)]) for name, p in points.items()}


def distort(
    photo: Pillow.Image, eyes: np.ndarray, rng: np.random.Generator
) -> tuple[Pillow.Image, np.ndarray]:
    """The photo turned, scaled and padded, and where its eyes went."""
    angle, scale = np.radians(rng.uniform(-25, 25)), rng.uniform(0.7, 2.2)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    width, height = rng.integers(650, 900, 2)
    offset = np.array([width, height]) / 2 + rng.uniform(-40, 40, 2) - linear @ [128, 128]
    inverse = np.linalg.inv(linear)
    shift = 0.5 - inverse @ (offset + 0.5)  # Pillow's pixel centres lie at one half
    coefficients = (*inverse[0], shift[0], *inverse[1], shift[1])
    turned = photo.transform(
        (int(width), int(height)),
        Pillow.Transform.AFFINE,
        coefficients,
        Pillow.Resampling.BICUBIC,
        fillcolor=(99, 120, 90),
    )
    return turned, eyes @ linear.T + offset


@pytest.fixture(scope="module")
def prepared(photos_folder, weights_with_predictor, tmp_path_factory):
    """Distorted London photos and what became of them: source, crops, true eyes, the result."""
    root = tmp_path_factory.mktemp("photos")
    raw, crops = root / "raw", root / "crops"
    rng = np.random.default_rng(1)
    eyes = {}
    for name, points in true_eyes(photos_folder).items():
        photo, eyes[name] = distort(Pillow.open(photos_folder / f"{name}.jpg"), points, rng)
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        photo.save(raw / f"{name}.jpg", quality=95)
    Pillow.effect_noise((300, 300), 40).save(raw / "noise.png")
    (raw / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (raw / "phone.heic").write_bytes(b"heic")
    return raw, crops, eyes, bench("prepare", raw, crops, "--size", 128, weights=weights_with_predictor)


def report(crops: Path) -> dict[str, dict[str, str]]:
    with (crops / "prepare.csv").open(newline="") as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


def test_eyes_are_found_within_three_per_cent_of_their_distance(prepared):
    _, crops, eyes, _ = prepared
    errors = []
    for name, points in eyes.items():
        row = report(crops)[f"{name}.jpg"]
        found = np.array([[row["left_x"], row["left_y"]], [row["right_x"], row["right_y"]]], float)
        distance = np.linalg.norm(points[1] - points[0])
        errors.append(np.linalg.norm(found - points, axis=1).max() / distance)
        inverse = np.linalg.inv(np.vstack([crop_to_photo(found, 128), [0, 0, 1]]))
        there = points @ inverse[:2, :2].T + inverse[:2, 2]
        np.testing.assert_allclose(there, eye_targets(128), atol=0.05 * 128 * 0.28)
    assert len(errors) == 24
    assert np.median(errors) < 0.015
    assert np.mean(np.array(errors) < 0.03) >= 0.95


def test_crops_keep_their_folders_and_have_the_size(prepared):
    _, crops, eyes, _ = prepared
    assert {str(p.relative_to(crops).with_suffix("")) for p in crops.rglob("*.png")} == set(eyes)
    assert {load_image(path).shape for path in crops.rglob("*.png")} == {(128, 128, 3)}


def test_photos_without_a_crop_are_listed_with_reasons(prepared):
    _, crops, _, process = prepared
    assert process.exit_code == 1
    failed = {path: row["reason"] for path, row in report(crops).items() if row["status"] == "failed"}
    assert failed.keys() == {"noise.png", "broken.jpg", "phone.heic"}
    assert failed["noise.png"] == "no face was found"
    for path in failed:
        assert path in process.stderr
    assert process.stdout == ""


def test_started_again_it_makes_only_what_is_missing(prepared, weights_with_predictor):
    raw, crops, eyes, _ = prepared
    before = report(crops)
    stamps = {path: path.stat().st_mtime_ns for path in crops.rglob("*.png")}
    gone, other = sorted(stamps)[:2]
    gone.unlink()
    Pillow.new("RGB", (64, 64)).save(other)
    process = bench("prepare", raw, crops, "--size", 128, weights=weights_with_predictor)
    assert f"2 aligned, {len(eyes) - 2} there already" in process.stderr
    assert [path for path, stamp in sorted(stamps.items()) if path.stat().st_mtime_ns != stamp] == [
        gone,
        other,
    ]
    assert report(crops) == before


def test_the_predictor_is_asked_for_by_name(tmp_path):
    pytest.importorskip("dlib", reason="needs dlib (fesbench[prepare])")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
        with pytest.raises(WeightsMissing, match="bench weights fetch portable"):
            load_eye_finder()
        (tmp_path / "portable").mkdir()
        for content in (b"half", bytes(9_150_489)):
            (tmp_path / "portable" / "shape_predictor_5_face_landmarks.dat").write_bytes(content)
            with pytest.raises(CheckpointError, match=r"sha256.*bench weights fetch portable"):
                load_eye_finder()


def test_the_predictor_may_lie_in_the_weights_folder_itself(weights_with_predictor, tmp_path, monkeypatch):
    name = "shape_predictor_5_face_landmarks.dat"
    shutil.copyfile(weights_with_predictor / "portable" / name, tmp_path / name)
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    assert load_eye_finder().find(np.zeros((64, 64, 3), np.uint8)) is None


def test_crops_never_share_a_name(tmp_path, make_image):
    for name in ("a.png", "a.bmp", "b/A.png", "c.png"):
        make_image(name)
    outputs, _ = plan_outputs(tmp_path, tmp_path / "b")
    assert outputs == {"a.png": "a.png.png", "a.bmp": "a.bmp.png", "c.png": "c.png"}
    with pytest.raises(DatasetError, match="another folder"):
        plan_outputs(tmp_path, tmp_path)
