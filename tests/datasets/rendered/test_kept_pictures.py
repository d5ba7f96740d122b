"""Rendered pictures on disk: the same as rendered anew, and rendered again where they are lost or damaged."""

import pytest

from fesbench.datasets.rendered import RenderedDataset, Shot, kept_pictures, render_shot
from fesbench.datasets.rendered.kept_pictures import picture_of

SHOT = Shot(3, "happy", "studio", scene_seed=3, size=67)  # 67 * 67 is no multiple of 8


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path))
    picture_of.cache_clear()
    return tmp_path


@pytest.fixture
def rendered(monkeypatch):
    """The shots that were rendered since the start of the test."""
    shots = []
    monkeypatch.setattr(kept_pictures, "render_shot", lambda shot: (shots.append(shot), render_shot(shot))[1])
    return shots


def again(shot=SHOT):
    picture_of.cache_clear()
    return picture_of(shot)


def files(home):
    return list((home / "cache" / "rendered").glob("*/*"))


def assert_is_that_of(picture, shot):
    face = render_shot(shot)
    assert (picture.image == face.image).all()
    assert (picture.mask == face.mask).all()
    assert (picture.image.dtype, picture.mask.dtype) == (face.image.dtype, face.mask.dtype)


def test_a_picture_is_rendered_once_and_comes_back_the_same(home, rendered):
    for _ in range(3):
        assert_is_that_of(again(), SHOT)
    assert (rendered, len(files(home))) == ([SHOT], 1)


def test_shots_that_differ_in_anything_are_kept_apart(home, rendered):
    others = [
        SHOT,
        Shot(4, "happy", "studio", scene_seed=3, size=67),
        Shot(3, "sad", "studio", scene_seed=3, size=67),
        Shot(3, "happy", "statue", scene_seed=3, size=67),
        Shot(3, "happy", "studio", scene_seed=4, size=67),
        Shot(3, "happy", "studio", scene_seed=3, size=66),
        Shot(3, "happy", "studio", scene_seed=3, size=67, intensity=0.5),
        Shot(3, "happy", "studio", scene_seed=3, size=67, sitting=1),
    ]
    for _ in range(2):
        for shot in others:
            assert_is_that_of(again(shot), shot)
    assert rendered == others


@pytest.mark.parametrize("harm", [lambda data: data[:-1], lambda data: b"", lambda data: data[:-1] + b"\x80"])
def test_a_damaged_file_is_made_again(home, rendered, harm):
    again()
    (path,) = files(home)
    sound = path.read_bytes()
    path.write_bytes(harm(sound))
    assert_is_that_of(again(), SHOT)
    assert path.read_bytes() == sound


def test_nothing_is_kept_where_the_limit_is_0(home, rendered, monkeypatch):
    monkeypatch.setenv("FESBENCH_CACHE_GB", "0")
    again(), again()
    assert (rendered, files(home)) == ([SHOT, SHOT], [])


def test_a_home_that_cannot_be_written_costs_no_picture(home, rendered):
    (home / "cache").touch()
    assert_is_that_of(again(), SHOT)
    assert_is_that_of(again(), SHOT)
    assert rendered == [SHOT, SHOT]


def test_samples_give_the_kept_picture_as_their_own(home, rendered):
    sample = RenderedDataset("test", ("studio",), 1, size=64).samples()[0]
    image, mask = sample.load(), sample.load_mask()
    image[:], mask[:] = 0, False
    assert sample.load().any()
    assert sample.load_mask().any()
    assert len(rendered) == 1
