"""Run by test_devices, in its process and by torchrun: the same few steps, whose weights each then saves."""

import sys
from pathlib import Path

import torch

from fesbench.baselines.stargan import StarGANNetwork
from fesbench.generators.discriminator import StarGANDiscriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import TrainingImages
from fesbench.training.trainer import Trainer

SETTINGS = Settings(resolution=32, width=4, discriminator_width=4, batch_size=4, n_critic=2)


def images():
    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator())
    rows = torch.arange(12)
    return TrainingImages(pixels, rows % 2, rows // 2, rows // 2 * 2, rows >= 0, ("neutral", "happy"), ())


def main(folder):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = StarGANNetwork(2, 4, 1), StarGANDiscriminator(32, 2, 4, 3)
    trainer = Trainer(LabelObjective(*networks, one_hot(2), SETTINGS), images(), SETTINGS)
    losses = [trainer.advance() for _ in range(4)]
    rank = trainer.fabric.global_rank
    torch.save({"losses": losses, "weights": trainer.objective.state_dict()}, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
