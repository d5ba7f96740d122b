"""Generators: the baselines, the controls, and anyone's own."""
