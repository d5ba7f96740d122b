"""Generators: their building blocks, the registry, and the harness that runs them on edits."""
