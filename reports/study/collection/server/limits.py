"""Limit the rate of requests."""

from __future__ import annotations

MOST_KEYS = 20_000


class Limit:
    """A token bucket for each key: ``burst`` requests at once, ``rate`` requests a second in the long run."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, key: str, now: float) -> float:
        """Count a request at ``now`` seconds; return 0, or the seconds to wait if it exceeds the limit."""
        left, then = self._left.pop(key, (float(self.burst), now))
        left = min(self.burst, left + (now - then) * self.rate)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > MOST_KEYS:
            del self._left[next(iter(self._left))]
        return 0.0 if allowed else (1 - left) / self.rate
