"""Run by test_devices, alone and by torchrun: the same few steps, whose weights each process then saves."""

import sys
from pathlib import Path

import torch

from fesbench.baselines.stargan import StarGANNetwork
from fesbench.generators.discriminator import StarGANDiscriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot
from fesbench.generators.losses import gradient_penalty
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import TrainingImages
from fesbench.training.trainer import Trainer

SETTINGS = Settings(resolution=32, width=4, discriminator_width=4, batch_size=4, n_critic=2)


class Determined(LabelObjective):
    """StarGAN's terms for targets and mixing weights that no chance decides, so that a mean is a mean."""

    def discriminator_terms(self, batch, random):
        fakes = self.generate(batch.images, batch.labels, 1 - batch.labels).detach()
        realness, predictions = self.discriminator(batch.images)
        penalty = gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, batch.images, random)
        return {
            "d_real": self.discriminator(fakes)[0].mean() - realness.mean(),
            "d_class": self.class_loss(predictions, batch.labels),
            "d_penalty": penalty,
        }

    def generator_terms(self, batch, random):
        fakes = self.generate(batch.images, batch.labels, 1 - batch.labels)
        realness, predictions = self.discriminator(fakes)
        return {"g_fake": -realness.mean(), "g_class": self.class_loss(predictions, 1 - batch.labels)}


def images():
    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator())
    rows = torch.arange(12)
    return TrainingImages(pixels, rows % 2, rows // 2, rows // 2 * 2, rows >= 0, ("neutral", "happy"), ())


def main(folder):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = StarGANNetwork(2, 4, 1), StarGANDiscriminator(32, 2, 4, 3)
    trainer = Trainer(Determined(*networks, one_hot(2), SETTINGS), images(), SETTINGS)
    losses = [trainer.advance() for _ in range(4)]
    rank = trainer.fabric.global_rank
    torch.save({"losses": losses, "weights": trainer.objective.state_dict()}, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
