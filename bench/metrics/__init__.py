"""Metrics and the networks they look through."""
