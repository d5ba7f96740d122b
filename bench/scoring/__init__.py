"""Computes scores of outputs from images and features."""
