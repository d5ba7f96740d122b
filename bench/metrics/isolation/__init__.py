"""Metrics of other people's code in processes of their own, so that whatever they do ends no run."""
