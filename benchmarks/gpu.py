"""Time every shipped generator and metric network on a GPU.

make gpu        # the tests marked gpu, then this table into docs/gpu.md; about ten minutes on one GPU
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pages import write_page

import fesbench
from fesbench.core.environment import versions
from fesbench.generators.registry import GENERATORS
from fesbench.metrics.registry import load_metrics

PAGE = Path(__file__).parents[1] / "docs" / "gpu.md"
START = "<!-- measured -->"
BATCH, SIZE, REPEATS = 32, 128, 10


def seconds(work: Callable[[], object], device: str) -> float:
    """Return the median seconds of a call, warm."""
    work()
    taken = []
    for _ in range(REPEATS if device != "cpu" else 2):
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def generator_rows(device: str) -> list[str]:
    """Return a row for each shipped generator with a network: images per second, and memory."""
    rows = []
    for name in GENERATORS.names():
        try:
            model = fesbench.load_generator(name).to(device)
        except fesbench.BenchError:
            continue  # has no weights here
        if not model.card.parameters:
            continue
        side = model.card.resolution or SIZE
        images = torch.rand(BATCH, 3, side, side, device=device) * 2 - 1
        labels = torch.zeros(BATCH, dtype=torch.int64, device=device)
        with torch.inference_mode():
            taken = seconds(lambda model=model, i=images, t=labels: model.synthesize(i, t, t), device)
        rows.append(f"| {name} | generator, {side} px | {BATCH / taken:.0f} images/s |")
    return rows


def network_rows(device: str, backend: str) -> list[str]:
    """Return a row for each metric network of a backend that is there."""
    metrics, _ = load_metrics(("ecs", "fss", "quality", "fid"), backend)
    networks = {n.card.name: n for m in metrics for n in (getattr(m, "networks", ()) or (m.network,))}
    images = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8)
    rows = []
    for name, network in networks.items():
        network.to(device)
        taken = seconds(lambda network=network: network.features(images.to(device)), device)
        rows.append(f"| {name} | metric network, {SIZE} px | {BATCH / taken:.0f} images/s |")
    return rows


def main() -> None:
    """Write the table into docs/gpu.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backend", default="embedded")
    options = parser.parse_args()
    rows = [*generator_rows(options.device), *network_rows(options.device, options.backend)]
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    head = [f"{name}, torch {versions()['torch']}, batches of {BATCH}", "", "| | | |", "|---|---|---|"]
    text = PAGE.read_text(encoding="utf-8").partition(START)[0]
    write_page(PAGE, text + START + "\n\n" + "\n".join([*head, *rows]) + "\n")


if __name__ == "__main__":
    main()
