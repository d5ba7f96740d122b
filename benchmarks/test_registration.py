"""The warp of registered faces, and the model that is made of it, on one core.

pytest benchmarks/test_registration.py
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fesbench.datasets.registration import Frame
from fesbench.datasets.rendered import RenderedDataset, Shot, ibug_landmarks_of
from fesbench.generators.registration import Registration, locate, pictured, stacked
from fesbench.reggan.registered import RegisteredRegression

pytest.importorskip("pytest_benchmark")

SIZE = 128


@pytest.fixture(autouse=True)
def _one_core():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def faces():
    """Eight neutral faces in a mean frame: images, meshes, and the meshes of their smiles."""
    shots = [[Shot(i, name, "studio", i, SIZE) for i in range(8)] for name in ("neutral", "happy")]
    neutral, happy = ([ibug_landmarks_of(shot).astype(float) for shot in row] for row in shots)
    frame = Frame(np.mean(happy, axis=0))
    before, after = (stacked([pictured(frame, face) for face in row]) for row in (neutral, happy))
    return Registration(frame, SIZE), torch.rand(8, 3, SIZE, SIZE), before, after


def test_locate_the_pixels_of_a_mesh(benchmark, faces):
    registration, _, before, _ = faces
    assert benchmark(lambda: locate(before[:1], registration.triangles, SIZE)).inside.any()


def test_warp_to_the_frame(benchmark, faces):
    registration, images, before, _ = faces
    assert benchmark(lambda: registration.to_frame(images[:1], before[:1])).isfinite().all()


def test_move_a_photo(benchmark, faces):
    registration, images, before, after = faces
    moved = benchmark(lambda: registration.move(images[:1], before[:1], after[:1]))
    assert moved.isfinite().all()


def test_move_a_photo_and_change_its_texture(benchmark, faces):
    registration, images, before, after = faces
    change = torch.rand(1, 3, SIZE, SIZE)
    moved = benchmark(lambda: registration.move(images[:1], before[:1], after[:1], change))
    assert moved.isfinite().all()


def test_edit_eight_images_with_known_landmarks(benchmark):
    model = RegisteredRegression()
    model.fit(RenderedDataset("train", subjects=10), None, 0)
    samples = RenderedDataset(subjects=8, domains=["studio"]).samples()[::7]
    images = torch.from_numpy(np.stack([x.load() for x in samples])).permute(0, 3, 1, 2) / 127.5 - 1
    landmarks = torch.from_numpy(np.stack([x.load_landmarks() for x in samples if x.load_landmarks]))
    labels = torch.arange(8) % 6
    assert benchmark(lambda: model.synthesize(images, labels, labels, landmarks)).isfinite().all()
