"""Run by test_devices under torchrun: train several models, some of which fail in one of the processes only.

Arguments: the data set's folder, the output folder, and names of the classes below. Each process writes what
it trained, and what failed, to RANK.json in the output folder.
"""

import json
import os
import sys
from pathlib import Path

import torch

import fesbench
from fesbench.baselines.stargan import StarGAN
from fesbench.core.errors import BenchError
from fesbench.generators.registry import GENERATORS

RANK = os.environ["RANK"]
SETTINGS = {"width": 4, "discriminator_width": 4, "batch_size": 4, "precision": "float32"}


class Sound(StarGAN):
    """Fails in no process."""


class FailsToStart(StarGAN):
    """The second process cannot make its networks."""

    @staticmethod
    def objective(data, settings):
        if RANK == "1":
            raise BenchError("no memory left")
        return StarGAN.objective(data, settings)


class FailsToSave(StarGAN):
    """The first process, the only one that saves, cannot make the generator that it saves."""

    def __init__(self, *arguments):
        raise RuntimeError("no space left")


class FailsInAStep(StarGAN):
    """The second process fails while the first waits for its gradients."""

    @staticmethod
    def objective(data, settings):
        objective = StarGAN.objective(data, settings)
        if RANK == "1":
            objective.generator_terms = None
        return objective


def main(data, out, *names):
    torch.set_num_threads(1)
    GENERATORS.builtin = {name: f"__main__:{name}" for name in names}
    result = fesbench.train("all", data, config=SETTINGS, resolution=32, steps=2, out=out)
    trained = [training.model for training in result.trainings]
    Path(out, f"{RANK}.json").write_text(json.dumps([trained, dict(result.failures)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
