"""Contracts, errors, and what every other part of the suite is built on."""
