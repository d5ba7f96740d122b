"""The search for eyes and the crops made from them, with a detector that finds white dots."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from fesbench.cli import cli
from fesbench.cli import data as command
from fesbench.core.errors import DatasetError
from fesbench.datasets.images import load_image
from fesbench.datasets.preparation.detection import EyeFinder, eye_centres
from fesbench.datasets.preparation.prepare import plan_outputs, prepare, write_report

EYES = np.array([[130.0, 120.0], [190.0, 120.0]])
LEVEL = 10
"""Degrees up to which the detector finds a pair of dots."""


class Box:
    def __init__(self, points: np.ndarray) -> None:
        (self._left, self._top), (self._right, self._bottom) = points.min(0) - 20, points.max(0) + 20

    def left(self) -> float:
        return self._left

    def top(self) -> float:
        return self._top

    def right(self) -> float:
        return self._right

    def bottom(self) -> float:
        return self._bottom

    def area(self) -> float:
        return (self._right - self._left) * (self._bottom - self._top)


def dots(image: np.ndarray) -> np.ndarray | None:
    """The centres of the dots left and right of their middle: (2, 2); None where nothing is white."""
    rows, columns = np.nonzero(image[..., 0] > 128)
    if not len(columns):
        return None
    halves = [columns < columns.mean(), columns >= columns.mean()]
    return np.array([[columns[half].mean(), rows[half].mean()] for half in halves])


def detect(image: np.ndarray, upsampling: int) -> list[Box]:
    points = dots(image)
    if points is None:
        return []
    across, down = points[1] - points[0]
    return [Box(points)] if abs(np.degrees(np.arctan2(down, across))) < LEVEL else []


def predict(image: np.ndarray, box: Box) -> SimpleNamespace:
    """The four eye corners in the order of dlib: those of the eye on the right come first."""
    left, right = dots(image)
    corners = [right, right, left, left]
    return SimpleNamespace(part=lambda index: SimpleNamespace(x=corners[index][0], y=corners[index][1]))


FINDER = EyeFinder(detect, predict)


def photo(eyes: np.ndarray | None = EYES) -> np.ndarray:
    """A dark (240, 320) photo, with white dots 4 pixels wide where the eyes are."""
    y, x = np.mgrid[:240, :320]
    image = np.full((240, 320, 3), 10, np.uint8)
    for across, down in eyes if eyes is not None else ():
        image[(x - across) ** 2 + (y - down) ** 2 <= 16] = 255
    return image


def turned(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (EYES - EYES.mean(0)) @ matrix.T + EYES.mean(0)


@pytest.mark.parametrize("degrees", [0, 5, 28, -28, 55, -55])
def test_eyes_of_turned_faces_are_reported_in_pixels_of_the_photo(degrees):
    eyes = turned(degrees)
    face = FINDER.find(photo(eyes))
    assert face.found == 1
    np.testing.assert_allclose(face.eyes, eye_centres(eyes), atol=0.7)


def test_a_photo_without_a_face_has_none():
    assert FINDER.find(photo(None)) is None


def test_the_larger_and_more_central_face_is_taken():
    boxes = [Box(EYES / 4), Box(EYES)]
    chosen = []
    finder = EyeFinder(lambda *_: boxes, lambda image, box: chosen.append(box) or predict(image, box))
    assert finder.find(photo()).found == 2
    assert chosen == [boxes[1]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    (folder / "happy").mkdir(parents=True)
    Pillow.fromarray(photo()).save(folder / "happy" / "a.png")
    Pillow.fromarray(photo(turned(28))).save(folder / "b.png")
    Pillow.fromarray(photo(None)).save(folder / "dark.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "phone.heic").write_bytes(b"heic")
    return folder


def report(crops: Path) -> dict[str, dict[str, str]]:
    with (crops / "prepare.csv").open(newline="") as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


def test_every_photo_has_a_crop_or_a_reason(photos, tmp_path):
    crops = tmp_path / "crops"
    outputs, listing = plan_outputs(photos, crops)
    outcomes = list(prepare(photos, crops, outputs, 64, FINDER))
    write_report(crops, outcomes, listing.problems)
    rows = report(crops)
    assert {path: row["status"] for path, row in rows.items()} == {
        "b.png": "done",
        "broken.jpg": "failed",
        "dark.png": "failed",
        "happy/a.png": "done",
        "phone.heic": "failed",
    }
    assert rows["dark.png"]["reason"] == "no face was found"
    assert (rows["happy/a.png"]["faces"], rows["dark.png"]["faces"]) == ("1", "")
    left, right = dots(load_image(crops / "happy" / "a.png"))
    np.testing.assert_allclose([left[1], right[1]], 64 * 0.4, atol=1)
    assert not (crops / "dark.png").exists()


def test_crops_of_another_size_are_made_again_and_others_are_kept(photos, tmp_path):
    crops = tmp_path / "crops"
    outputs, _ = plan_outputs(photos, crops)
    write_report(crops, list(prepare(photos, crops, outputs, 64, FINDER)), [])
    first = report(crops)
    Pillow.new("RGB", (32, 32)).save(crops / "b.png")
    outcomes = list(prepare(photos, crops, outputs, 64, FINDER))
    assert {item.path for item in outcomes if item.status == "skipped"} == {"happy/a.png"}
    write_report(crops, outcomes, [])
    assert report(crops)["happy/a.png"] == first["happy/a.png"]


def test_an_unreadable_report_is_replaced(photos, tmp_path):
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "prepare.csv").write_bytes(b"\xff\xfe\xff")
    outputs, _ = plan_outputs(photos, crops)
    write_report(crops, list(prepare(photos, crops, outputs, 64, FINDER)), [])
    assert report(crops)["happy/a.png"]["status"] == "done"


def prepared(photos: Path, crops: Path) -> dict[str, str]:
    """Align what is missing; return photo to status."""
    outputs, listing = plan_outputs(photos, crops)
    outcomes = list(prepare(photos, crops, outputs, 64, FINDER))
    write_report(crops, outcomes, listing.problems)
    return {item.path: item.status for item in outcomes}


def crops_listed(crops: Path) -> set[str]:
    return {path for path, row in report(crops).items() if row["status"] == "done"}


def test_replaced_added_and_removed_photos_leave_nothing_stale(photos, tmp_path):
    crops = tmp_path / "crops"
    prepared(photos, crops)
    first = (crops / "b.png").read_bytes()
    Pillow.fromarray(photo(turned(8))).save(photos / "b.png")
    Pillow.fromarray(photo()).save(photos / "added.png")
    assert prepared(photos, crops) == {
        "added.png": "done",
        "b.png": "done",
        "broken.jpg": "failed",
        "dark.png": "failed",
        "happy/a.png": "skipped",
    }
    assert (crops / "b.png").read_bytes() != first
    Pillow.fromarray(photo(None)).save(photos / "b.png")
    (photos / "added.png").unlink()
    Pillow.fromarray(photo()).save(photos / "happy" / "a.bmp")
    prepared(photos, crops)
    made = {path.relative_to(crops).as_posix() for path in crops.rglob("*.png")}
    assert made == {"happy/a.png.png", "happy/a.bmp.png"}
    assert crops_listed(crops) == {"happy/a.png", "happy/a.bmp"}


def test_photos_of_another_folder_are_added(photos, tmp_path):
    crops, other = tmp_path / "crops", tmp_path / "other"
    prepared(photos, crops)
    other.mkdir()
    Pillow.fromarray(photo()).save(other / "new.png")
    prepared(other, crops)
    assert (crops / "b.png").is_file()
    assert crops_listed(crops) == {"new.png", "b.png", "happy/a.png"}


def test_what_was_aligned_before_a_kill_is_known(photos, tmp_path):
    crops = tmp_path / "crops"
    outputs, _ = plan_outputs(photos, crops)
    killed = prepare(photos, crops, outputs, 64, FINDER)
    next(killed)
    first = report(crops)["b.png"]
    killed.close()
    assert first["status"] == "done"
    with (crops / "prepare.csv").open("a") as stream:
        stream.write("happy/a.png,done,,1,13")  # the line that was being written
    assert prepared(photos, crops)["b.png"] == "skipped"
    assert report(crops)["b.png"] == first
    assert report(crops)["happy/a.png"]["status"] == "done"


def test_a_report_cannot_remove_files_elsewhere(photos, tmp_path):
    crops = tmp_path / "crops"
    prepared(photos, crops)
    mine = tmp_path / "mine.png"
    mine.touch()
    with (crops / "prepare.csv").open("a") as stream:
        stream.write("gone.png,done,,1,0,0,0,0,0,0,../mine.png\n")
    prepared(photos, crops)
    assert "gone.png" not in report(crops)
    assert mine.is_file()


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpg", "a.jpg.png"),
        ("a.jpg", "a.bmp", "a.jpg.png"),
        ("a.jpg", "A.JPG", "a.jpg.png"),
        ("a.jpg", "a.bmp", "a.jpg.png", "a.jpg.png.png", "b/a.jpg"),
    ],
)
def test_no_two_photos_share_a_crop(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    outputs, _ = plan_outputs(tmp_path, tmp_path / "crops")
    assert len({crop.casefold() for crop in outputs.values()}) == len(outputs) == len(names)


def test_the_command_reports_what_has_no_crop(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "load_eye_finder", lambda: FINDER)
    arguments = ["data", "prepare", str(photos), str(tmp_path / "crops"), "--size", "64"]
    first = CliRunner().invoke(cli, arguments)
    assert (first.exit_code, first.stdout) == (1, "")
    assert "2 aligned, 0 there already" in first.stderr
    assert "1 × no face was found: dark.png" in first.stderr
    for name in ("broken.jpg", "dark.png", "phone.heic"):
        (photos / name).unlink()
    second = CliRunner().invoke(cli, arguments)
    assert second.exit_code == 0
    assert "0 aligned, 2 there already" in second.stderr


def test_crops_cannot_replace_their_photos(photos):
    with pytest.raises(DatasetError, match="choose another folder"):
        plan_outputs(photos, photos)
