"""How busy workers are where one process deals out shards and stores their results: a simulation.

Usage: ``python benchmarks/scheduler_simulation.py [--store 0.05] [--shard 2 20] [--workers 1 16 64 256]``.
As in ``runs.execution.ray``, a free worker is given the next shard, and keeps its result until the one writer
takes it. ``--store`` are seconds that the writer needs for a shard,
``--shard`` seconds that a worker needs, lognormal around them. Prints a Markdown table: the share of the
workers' time that is spent on shards, and edits per second.
"""

import argparse
import heapq

import numpy as np

EDITS = 32
"""Edits of a shard."""


def main() -> None:
    """Simulate each number of workers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=float, default=0.05)
    parser.add_argument("--shard", type=float, nargs="+", default=[2.0, 20.0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64, 256, 1024])
    parser.add_argument("--shards", type=int, default=50, help="Shards for each worker.")
    parser.add_argument("--spread", type=float, default=0.3, help="Standard deviation of the log of seconds.")
    given = parser.parse_args()
    print("| seconds a shard | workers | busy | edits/s |\n|---|---|---|---|")
    for seconds in given.shard:
        for workers in given.workers:
            count = workers * given.shards
            random = np.random.default_rng(0)
            durations = seconds * np.exp(given.spread * random.standard_normal(count) - given.spread**2 / 2)
            end = simulated(durations, workers, given.store)
            busy = durations.sum() / (end * workers)
            print(f"| {seconds:g} | {workers} | {busy:.0%} | {count * EDITS / end:,.0f} |")


def simulated(durations, workers: int, store: float) -> float:
    """Return when the last result is stored; shards are dealt out in order."""
    waiting = iter(durations)
    events = [(duration, number) for number, duration in zip(range(workers), waiting, strict=False)]
    heapq.heapify(events)
    writer = 0.0
    while events:
        made, worker = heapq.heappop(events)
        taken = max(made, writer)
        writer = taken + store
        duration = next(waiting, None)
        if duration is not None:
            heapq.heappush(events, (taken + duration, worker))
    return writer


if __name__ == "__main__":
    main()
