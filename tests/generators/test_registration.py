import numpy as np
import pytest
import torch

from fesbench.core.errors import LandmarkError
from fesbench.datasets.images import load_image, resize
from fesbench.datasets.registration import Frame
from fesbench.datasets.registration.frame import COUNT
from fesbench.generators.registration import Registration, locate, pictured, stacked

SIZE = 128


@pytest.fixture(scope="module")
def frame(london_landmarks):
    return Frame(np.mean([face for (_, name), face in london_landmarks.items() if name == "happy"], axis=0))


@pytest.fixture(scope="module")
def faces(london_landmarks):
    """The neutral faces of four people: their names, and their landmarks."""
    names = sorted({name for name, _ in london_landmarks})[:4]
    return names, [london_landmarks[name, "neutral"] for name in names]


@pytest.fixture(scope="module")
def photos(faces, photos_folder):
    loaded = [resize(load_image(photos_folder / "neutral" / f"{name}.jpg"), SIZE) for name in faces[0]]
    return torch.from_numpy(np.stack(loaded)).permute(0, 3, 1, 2).float()


@pytest.fixture(scope="module")
def meshes(frame, faces):
    return stacked([pictured(frame, face) for face in faces[1]])


def centres(size):
    steps = (torch.arange(size) + 0.5) / size
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)


def ramp(size):
    """An image whose two channels are its own coordinates."""
    return centres(size).permute(2, 0, 1)[None]


def dense_map(pixel, mesh, onto, triangles):
    """Where a point of ``mesh`` lies in ``onto``, by the first triangle that holds it; None outside."""
    for a, b, c in triangles:
        weights = np.linalg.solve(np.vstack([mesh[[a, b, c]].T, np.ones(3)]), [*pixel, 1])
        if (weights >= -1e-9).all():
            return weights @ onto[[a, b, c]]
    return None


def test_every_pixel_is_carried_as_its_triangle_is(frame, meshes):
    places = locate(meshes[:1], torch.from_numpy(frame.triangles), 12)
    carried = places.carry(meshes[1:2])[0].numpy()
    before, after = meshes[0].double().numpy(), meshes[1].double().numpy()
    for row, column in np.ndindex(12, 12):
        expected = dense_map(((column + 0.5) / 12, (row + 0.5) / 12), before, after, frame.triangles)
        np.testing.assert_allclose(carried[row, column], expected, atol=1e-4)


@pytest.mark.parametrize("size", [64, 128, 333])
def test_no_pixel_is_left_out_between_triangles(frame, meshes, size):
    places = locate(meshes, torch.from_numpy(frame.triangles), size)
    assert places.inside.all()
    assert (places.carry(meshes) - centres(size)).abs().max() < 1e-4


def test_there_and_back_changes_a_photo_by_less_than_a_grey_level(frame, photos, meshes):
    registration = Registration(frame, SIZE)
    back = registration.from_frame(registration.to_frame(photos, meshes), meshes, SIZE)
    mask = registration.mask.expand(len(photos), 1, -1, -1).contiguous()
    inside = registration.from_frame(mask, meshes, SIZE) > 0.5
    assert ((back - photos).abs() * inside).sum() / (3 * inside.sum()) < 1


def test_landmarks_come_to_lie_where_the_frame_has_them(frame, faces, meshes):
    registered = Registration(frame, SIZE).to_frame(ramp(SIZE).expand(4, -1, -1, -1), meshes)
    pixels = np.floor(frame.shape * SIZE).astype(int)
    for image, face in zip(registered.numpy(), faces[1], strict=True):
        seen = image[:, pixels[:, 1], pixels[:, 0]].T
        assert np.abs(seen - face).max() < 2 / SIZE


def test_nothing_moves_where_nothing_is_to_move(frame, photos, meshes):
    torch.testing.assert_close(
        Registration(frame, SIZE).move(photos, meshes, meshes), photos, atol=0.2, rtol=0
    )


def test_a_landmark_takes_its_pixel_along_and_leaves_the_rest(frame, meshes):
    after = meshes[:1].clone()
    after[0, 30] += torch.tensor([0.02, 0.01])
    image = ramp(SIZE)
    moved = Registration(frame, SIZE).move(image, meshes[:1], after)
    x, y = (after[0, 30] * SIZE).long()
    torch.testing.assert_close(moved[0, :, y, x], meshes[0, 30], atol=1.5 / SIZE, rtol=0)
    changed = (moved - image).abs().amax(dim=1)[0] > 1e-3
    assert 20 < changed.sum() < 0.05 * SIZE**2


def test_a_change_in_the_frame_reaches_the_same_place_of_the_face(frame, meshes):
    registration = Registration(frame, SIZE)
    x, y = (frame.shape[30] * SIZE).astype(int)
    change = torch.zeros(4, 1, SIZE, SIZE)
    change[:, :, y - 1 : y + 2, x - 1 : x + 2] = 1
    moved = registration.move(torch.zeros(4, 1, SIZE, SIZE), meshes, meshes, change)
    for image, mesh in zip(moved[:, 0], meshes, strict=True):
        weights = image / image.sum()
        middle = (weights[..., None] * centres(SIZE)).sum(dim=(0, 1))
        torch.testing.assert_close(middle, mesh[30], atol=1.5 / SIZE, rtol=0)


@pytest.mark.parametrize("shift", [(0.5, 0.0), (-0.45, 0.3), (0.0, -0.4), (2.0, 2.0)])
def test_faces_half_out_of_the_picture_are_moved_where_they_are_in_it(frame, faces, photos, shift):
    """What is left of a shifted face is what the whole face shows there; far away nothing changes."""
    face, offset = faces[1][0], np.array(shift)
    away = stacked([pictured(frame, face + offset)])
    after = away.clone()
    after[:, 48:COUNT] += 0.01
    registration = Registration(frame, SIZE)
    moved = registration.move(photos[:1], away, after)
    assert moved.isfinite().all()
    assert registration.to_frame(photos[:1], away).isfinite().all()
    if shift == (2.0, 2.0):
        torch.testing.assert_close(moved, photos[:1], atol=0.2, rtol=0)


def test_a_face_at_the_border_is_moved_as_in_the_middle(frame, faces, photos):
    face, pixels = faces[1][0], 40
    shift = np.array([pixels / SIZE, 0])
    shifted = torch.roll(photos[:1], pixels, dims=3)
    registration = Registration(frame, SIZE)
    results = []
    for image, landmarks in ((photos[:1], face), (shifted, face + shift)):
        before = stacked([pictured(frame, landmarks)])
        after = before.clone()
        after[:, 48:COUNT] += 0.01
        results.append(registration.move(image, before, after))
    mouth = (face[48:60].min(axis=0) * SIZE).astype(int), (face[48:60].max(axis=0) * SIZE).astype(int)
    (left, top), (right, bottom) = mouth
    torch.testing.assert_close(
        results[1][..., top:bottom, left + pixels : right + pixels],
        results[0][..., top:bottom, left:right],
        atol=0.5,
        rtol=0,
    )


def test_a_batch_gives_what_its_images_give_alone(frame, photos, meshes):
    registration = Registration(frame, 64)
    after = meshes.flip(0)
    together = registration.move(photos, meshes, after)
    alone = torch.cat(
        [registration.move(photos[i : i + 1], meshes[i : i + 1], after[i : i + 1]) for i in range(4)]
    )
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


def test_unknown_landmarks_have_no_mesh(frame):
    with pytest.raises(LandmarkError, match="not known"):
        pictured(frame, np.full((68, 2), np.nan))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same(frame, photos, meshes):
    after = meshes.flip(0)
    here = Registration(frame, SIZE).move(photos, meshes, after)
    there = Registration(frame, SIZE, "cuda").move(photos.cuda(), meshes.cuda(), after.cuda())
    torch.testing.assert_close(there.cpu(), here, atol=0.1, rtol=0)
