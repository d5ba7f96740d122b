"""RegGAN: closed-form local ridge regression, then refinement (arXiv 2603.15648; our reading)."""

from .regression import LocalRidge

__all__ = ["LocalRidge"]
