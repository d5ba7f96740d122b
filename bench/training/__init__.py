"""Train generators under one protocol, and networks for metrics."""
