"""Runs: specification, plan, execution, storage and results."""
