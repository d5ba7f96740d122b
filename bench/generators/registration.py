"""Registration of faces: pixels moved between a picture and the common frame, by piecewise-affine warps.

All faces share one triangulation (``datasets.registration.Frame``). A warp finds the triangle of every pixel
of its result and reads the source at the same place of the same triangle. Everything is computed on the
device of the images, for a whole batch at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from fesbench.datasets.registration import Frame
from fesbench.datasets.registration.frame import Points

Mode = Literal["bilinear", "bicubic"]

TOLERANCE = 1e-3
"""Pixels by which a triangle reaches over its edges, so that rounding leaves no gap between two."""


class Places(NamedTuple):
    """The place of each pixel in a mesh.

    Attributes:
        corners: (B, R, R, 3) int64, vertices of its triangle; 0 outside the mesh.
        weights: (B, R, R, 3) float32, its barycentric coordinates.
        inside: (B, R, R) bool, whether it lies in the mesh.
    """

    corners: Tensor
    weights: Tensor
    inside: Tensor

    def carry(self, vertices: Tensor) -> Tensor:
        """Return where the pixels lie when the vertices move to (B, V, 2): (B, R, R, 2)."""
        batch = torch.arange(len(vertices), device=vertices.device)[:, None, None]
        first, second, third = (
            vertices[batch, self.corners[..., corner]] * self.weights[..., corner, None]
            for corner in range(3)
        )
        return first.add_(second).add_(third)


class Registration:
    """Takes faces to a frame and back.

    Args:
        frame: Shape and triangulation.
        size: Side in pixels of the frame's picture.
        device: A torch device.
    """

    def __init__(self, frame: Frame, size: int, device: str = "cpu") -> None:
        self.frame, self.size = frame, size
        self.triangles = torch.from_numpy(frame.triangles).to(device)
        self.vertices = torch.from_numpy(frame.vertices).float()[None].to(device)
        self.mask = torch.from_numpy(frame.mask(size)).to(device)

    @cached_property
    def _places(self) -> Places:
        return locate(self.vertices, self.triangles, self.size)

    def to_frame(self, images: Tensor, meshes: Tensor) -> Tensor:
        """Return the faces in the frame: (B, C, size, size).

        Args:
            images: (B, C, R, R) float32; larger ones than the frame are reduced first.
            meshes: (B, V, 2) float32, the faces in their pictures; see ``pictured``.
        """
        if images.shape[-1] > self.size:
            images = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        count = len(images)
        places = Places(*(part.expand(count, *part.shape[1:]) for part in self._places))
        return sample(images, places.carry(meshes), "bicubic")

    def from_frame(self, images: Tensor, meshes: Tensor, size: int) -> Tensor:
        """Return images of the frame as they lie in pictures of ``size`` pixels, 0 outside the mesh.

        Args:
            images: (B, C, size of the frame, size of the frame) float32.
            meshes: (B, V, 2) float32, the faces in their pictures.
            size: Side of the pictures.
        """
        return self._unregistered(images, locate(meshes, self.triangles, size), "bicubic")

    def move(self, images: Tensor, before: Tensor, after: Tensor, change: Tensor | None = None) -> Tensor:
        """Return images with their faces moved, and with a change that is given in the frame added.

        Args:
            images: (B, C, R, R) float32.
            before: (B, V, 2) float32, the meshes of the faces.
            after: (B, V, 2) float32, where their vertices go. Pixels outside these meshes stay.
            change: (B, C, size, size) float32, smooth, or None.
        """
        places = locate(after, self.triangles, images.shape[-1])
        origin = torch.where(places.inside[..., None], places.carry(before), _centres(images))
        moved = sample(images, origin, "bicubic")
        return moved if change is None else moved + self._unregistered(change, places, "bilinear")

    def _unregistered(self, images: Tensor, places: Places, mode: Mode) -> Tensor:
        origin = places.carry(self.vertices.expand(len(images), -1, -1))
        return sample(images, origin, mode) * places.inside[:, None]


def pictured(frame: Frame, landmarks: Points) -> Points:
    """Return the mesh of a face in its picture: (V, 2).

    Raises:
        LandmarkError: the landmarks are not known, not those of a face, or cross each other.
    """
    pose = frame.pose(landmarks)
    return pose.place(frame.mesh(pose.normalise(landmarks)))


def stacked(meshes: Sequence[Points], device: str | torch.device = "cpu") -> Tensor:
    """Return meshes as one tensor: (B, V, 2) float32."""
    return torch.from_numpy(np.stack(meshes)).float().to(device)


def sample(images: Tensor, places: Tensor, mode: Mode) -> Tensor:
    """Return the values of (B, C, H, W) images at (B, R, R, 2) places; beyond its border an image goes on."""
    return grid_sample(images, places * 2 - 1, mode=mode, padding_mode="border", align_corners=False)


def _centres(images: Tensor) -> Tensor:
    """Return the place of each pixel of square images: (R, R, 2)."""
    size = images.shape[-1]
    centres = (torch.arange(size, device=images.device, dtype=images.dtype) + 0.5) / size
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1)


def locate(vertices: Tensor, triangles: Tensor, size: int) -> Places:
    """Return the place of each pixel of ``size`` x ``size`` images in meshes.

    Every triangle lists the rows that it crosses, every row the pixels between two edges; of triangles that
    share a pixel, on an edge or in a fold, the first in order has it.

    Args:
        vertices: (B, V, 2) float32, in sides of the image.
        triangles: (T, 3) int64, of positive area.
        size: Side of the images in pixels.
    """
    planes = _edge_planes(vertices.double() * size - 0.5, triangles)
    owner, row = _rows(vertices * size - 0.5, triangles, size)
    first, last = _intervals(planes.flatten(0, 1)[owner], row, size)
    line, column = _expanded(first, last)
    count = len(triangles)
    pixel = (owner[line] // count * size + row[line]) * size + column
    found = torch.full((len(vertices) * size * size,), count, device=vertices.device)
    found.scatter_reduce_(0, pixel, owner[line] % count, "amin")
    return _placed(found.reshape(len(vertices), size, size), planes, triangles)


def _edge_planes(points: Tensor, triangles: Tensor) -> Tensor:
    """Return barycentric coordinates as functions of the pixel: (B, T, 3, 3), factors of x, y and 1."""
    a, b, c = (points[:, triangles[:, corner]] for corner in range(3))
    planes = []
    for p, q in ((b, c), (c, a), (a, b)):
        across, down = p[..., 1] - q[..., 1], q[..., 0] - p[..., 0]
        planes.append(torch.stack([across, down, -(across * p[..., 0] + down * p[..., 1])], dim=-1))
    area = sum(plane[..., 2] for plane in planes)
    return torch.stack(planes, dim=-2) / torch.as_tensor(area)[..., None, None]


def _rows(points: Tensor, triangles: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the rows of pixels that each of B x T triangles crosses: triangle and row, (N,) each."""
    heights = points[:, triangles, 1].flatten(0, 1)
    first = (heights.amin(dim=1) - TOLERANCE).ceil().clamp(min=0).long()
    last = (heights.amax(dim=1) + TOLERANCE).floor().clamp(max=size - 1).long()
    return _expanded(first, last)


def _intervals(planes: Tensor, row: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the first and last pixel of each row inside a triangle with (N, 3, 3) ``planes``."""
    slope, rest = planes[..., 0], planes[..., 1] * row[:, None] + planes[..., 2]
    flat = slope.abs() < 1e-12
    crossing = -rest / slope.masked_fill(flat, 1)
    low = crossing.masked_fill(flat | (slope < 0), -1.0).amax(dim=1)
    high = crossing.masked_fill(flat | (slope > 0), float(size)).amin(dim=1)
    missed = (flat & (rest < -TOLERANCE)).any(dim=1)
    first = (low - TOLERANCE).ceil().clamp(min=0).long()
    last = (high + TOLERANCE).floor().clamp(max=size - 1).long().masked_fill(missed, -1)
    return first, last


def _expanded(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Return every whole number from ``first`` to ``last``, (N,) each, after the index of its interval."""
    counts = (last - first + 1).clamp(min=0)
    owner = torch.repeat_interleave(torch.arange(len(first), device=first.device), counts)
    before = counts.cumsum(0) - counts
    return owner, first[owner] + torch.arange(len(owner), device=first.device) - before[owner]


def _placed(found: Tensor, planes: Tensor, triangles: Tensor) -> Places:
    """Return corners and weights of each pixel from the index of its triangle, T outside the mesh."""
    inside = found < len(triangles)
    found = found.masked_fill(~inside, 0)
    y, x = (
        torch.arange(side, device=found.device, dtype=planes.dtype).reshape(shape)
        for side, shape in ((found.shape[1], (-1, 1, 1)), (found.shape[2], (1, -1, 1)))
    )
    batch = torch.arange(len(found), device=found.device)[:, None, None]
    plane = planes[batch, found]
    weights = plane[..., 0] * x + plane[..., 1] * y + plane[..., 2]
    return Places(triangles[found], weights.float(), inside)
