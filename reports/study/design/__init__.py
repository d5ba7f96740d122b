"""Designs human studies: trials, counterbalancing, checks and power."""
