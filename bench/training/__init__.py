"""Trains generators under one protocol."""
