"""Procedural paired faces, NumPy only: identity x action units x scene, in five domains."""

from __future__ import annotations

from .action_units import AU_NUMBERS, EXPRESSIONS, ActionUnits, action_units_of
from .dataset import SPLITS, RenderedDataset, subject_seed
from .face import (
    LANDMARKS,
    RENDERER_VERSION,
    RenderedFace,
    Shot,
    ibug_landmarks_of,
    landmarks_of,
    render,
    render_face,
    render_shot,
)
from .identity import Identity, make_identity
from .scene import DOMAINS, Scene, another_shot, make_scene

__all__ = [
    "AU_NUMBERS",
    "DOMAINS",
    "EXPRESSIONS",
    "LANDMARKS",
    "RENDERER_VERSION",
    "SPLITS",
    "ActionUnits",
    "Identity",
    "RenderedDataset",
    "RenderedFace",
    "Scene",
    "Shot",
    "action_units_of",
    "another_shot",
    "ibug_landmarks_of",
    "landmarks_of",
    "make_identity",
    "make_scene",
    "render",
    "render_face",
    "render_shot",
    "subject_seed",
]
