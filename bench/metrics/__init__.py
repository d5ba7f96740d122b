"""Metrics and their feature extractors."""

from __future__ import annotations

from ..core.exports import lazy_exports

_PUBLIC = {
    "FeatureStatistics": ".frechet",
    "InceptionFeatures": ".networks.inception",
    "QualiCLIP": ".qualiclip",
    "frechet_distance": ".frechet",
    "kernel_distance": ".kid",
    "read_statistics": ".frechet",
    "write_statistics": ".frechet",
}

__all__ = [*_PUBLIC]
__getattr__, __dir__ = lazy_exports(__name__, _PUBLIC)
