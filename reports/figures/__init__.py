"""Figures for papers: vector PDF and PNG, the same bytes for the same input."""
