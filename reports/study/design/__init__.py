"""Design a study: items, trials, counterbalancing, checks and power."""
