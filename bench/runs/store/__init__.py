"""Stores runs on disk."""
