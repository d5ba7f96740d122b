"""The baselines: published models of facial-expression synthesis."""
