"""Synthesis by every network at its authors' size, against running it as they do: one image at a time.

    python benchmarks/inference.py
    python benchmarks/inference.py --device cuda --model stargan

Networks have fresh weights at 128 pixels and width 64 (RegGAN fits its regression to a few rendered faces);
speed does not depend on the weights. Each network runs in a process of its own, its ways of computing take
turns, and the best round counts. Prints a Markdown table: operations in one image (a multiplication and an
addition are two), images per second one at a time, in the batches of `bench run` in float32, compiled and in
bfloat16, the ratios, the largest difference on the scale [-1, 1], and the peak of memory over all of it.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import get_args

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fesbench.core.contracts import Inference
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.selection import limit_subjects
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.registry import GENERATORS
from fesbench.generators.synthesis import batch_size, set_inference
from fesbench.generators.training_data import TrainingImages, load_images

SETTINGS = Settings(resolution=128, width=64)
COUNT = 16
"""Images in a pass."""
MODELS = ("reggan", "stargan", "ganimation", "stgan", "usgan", "sargan", "degan", "attgan", "ganmut")

Pass = Callable[[], Tensor]


def main() -> None:
    """Measure one model after the other and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", action="append", choices=MODELS, help="only this one; repeatable")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    titles = ["one at a time", *(f"{name}, batches" for name in get_args(Inference))]
    print(
        "| network | parameters | operations |",
        " | ".join(titles),
        "| difference compiled, bfloat16 | memory |",
    )
    print("|---|---|---|" + "---|" * (len(titles) + 2))
    context = multiprocessing.get_context("spawn")
    for name in args.model or MODELS:
        with ProcessPoolExecutor(1, mp_context=context) as process:
            print(process.submit(measure, name, args.device, args.rounds).result(), flush=True)


def measure(name: str, device: str, rounds: int) -> str:
    """The table's line of one model."""
    generator = full_size(name).to(device)
    images = torch.rand(COUNT, 3, 128, 128, device=device) * 2 - 1
    labels = torch.arange(COUNT, device=device) % len(generator.card.expressions)
    passes = {"one": one_at_a_time(generator, images, labels)}
    passes |= {way: in_batches(generator, way, images, labels) for way in get_args(Inference)}
    expected = passes["float32"]()
    apart = {way: float((passes[way]() - expected).abs().max()) for way in passes}
    seconds = {way: [] for way in passes}
    for _ in range(rounds):
        for way, run in passes.items():
            seconds[way].append(timed(run, device))
    speed = {way: COUNT / min(times) for way, times in seconds.items()}
    with FlopCounterMode(display=False) as counter:
        passes["one"]()
    operations = f"{counter.get_total_flops() / COUNT / 1e9:.1f} G"
    cells = [generator.card.title, f"{generator.card.parameters:,}", operations, f"{speed['one']:.1f}/s"]
    cells += [f"{speed[way]:.1f}/s, {speed[way] / speed['one']:.1f} ×" for way in get_args(Inference)]
    cells += [f"{apart['compiled']:.0e}, {apart['bfloat16']:.0e}", memory(device)]
    return f"| {' | '.join(cells)} |"


def full_size(name: str) -> NeuralGenerator:
    """The generator at 128 pixels and width 64."""
    found = GENERATORS.load(name)
    data = few_faces()
    torch.manual_seed(0)
    network = found.objective(data, SETTINGS).generator
    return found(network, data.expressions, SETTINGS.resolution)


def few_faces() -> TrainingImages:
    """A handful of subjects, enough for a regression to be fitted."""
    return load_images(limit_subjects(load_dataset("rendered", "train"), 4, seed=0), SETTINGS.resolution)


def one_at_a_time(generator: NeuralGenerator, images: Tensor, labels: Tensor) -> Pass:
    """As the authors' test scripts do: no gradients, batches of one."""

    def run() -> Tensor:
        with torch.no_grad():
            conditions = generator.condition(torch.zeros_like(labels), labels)
            pairs = zip(images.split(1), conditions.split(1), strict=True)
            return torch.cat([generator.network(*pair) for pair in pairs]).clamp(-1, 1)

    return run


def in_batches(generator: NeuralGenerator, inference: Inference, images: Tensor, labels: Tensor) -> Pass:
    """As ``bench run --inference`` does."""
    generator = copy.deepcopy(generator)
    set_inference(generator, inference)

    size = batch_size(images.device.type)

    def run() -> Tensor:
        with torch.inference_mode():
            pairs = zip(images.split(size), labels.split(size), strict=True)
            return torch.cat([generator.synthesize(part, torch.zeros_like(to), to) for part, to in pairs])

    return run


def timed(run: Pass, device: str) -> float:
    """Seconds of one pass, with what a GPU still has to do."""
    start = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def memory(device: str) -> str:
    """The peak so far: of the GPU's tensors, or of the process."""
    if device.startswith("cuda"):
        return f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"


if __name__ == "__main__":
    main()
