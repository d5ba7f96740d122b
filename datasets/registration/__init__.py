"""Landmarks of faces, and the frame that registration brings them to: NumPy alone.

``fesbench.generators.registration`` moves the pixels.
"""

from __future__ import annotations

from .finding import find_landmarks, landmarks_of
from .frame import Frame, normalised_shapes

__all__ = ["Frame", "find_landmarks", "landmarks_of", "normalised_shapes"]
