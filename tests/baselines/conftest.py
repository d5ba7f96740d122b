"""The official networks' reference outputs, and weights filled by the rule that they were made with."""

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch

PARITY = 1e-4


def splitmix(key, count):
    """The values in [-1, 1) of rule splitmix-v2 for one tensor."""
    seed = np.uint64(zlib.crc32(key.encode()) << 32)
    with np.errstate(over="ignore"):
        z = seed + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)) / 2**23 - 1


@dataclass(frozen=True)
class Reference:
    """One official network: its description and what it gives for the reference images."""

    folder: Path
    name: str

    @cached_property
    def description(self):
        return json.loads((self.folder / f"{self.name}.v2.json").read_text())

    @property
    def condition(self):
        return torch.tensor(self.description["condition"])

    @property
    def images(self):
        i, j, c = np.arange(128)[:, None], np.arange(128), np.arange(3)[:, None, None]
        waves = [np.sin(0.05 * i + 0.07 * j + c), np.cos(0.06 * i - 0.03 * j + 0.5 * c)]
        return torch.from_numpy(np.stack(waves).astype(np.float32))

    def state(self):
        """The official state_dict, filled by rule splitmix-v2."""
        state = {}
        for key, shape in self.description["state_dict"]:
            values = splitmix(key, int(np.prod(shape))).reshape(shape)
            if key.endswith("num_batches_tracked"):
                values = np.zeros(())
            elif len(shape) > 1:
                fan_in = values.size / shape[1 if key in self.description["transposed_conv_keys"] else 0]
                values = values * np.sqrt(6 / fan_in)
            elif key.endswith("running_var"):
                values = 1 + 0.5 * abs(values)
            elif key.endswith(".weight"):
                values = 1 + 0.1 * values
            else:
                values = 0.05 * values
            state[key] = torch.from_numpy(np.asarray(values, np.float32))
        return state

    def check(self, found, mode, output):
        """Assert that ``found``, a tensor, is the official output of that name in that mode."""
        expected = self.description["outputs"][mode][output]
        found = found.detach().numpy()
        assert list(found.shape) == expected["shape"]
        sampled = found.ravel()[expected["sample_index_flat"]]
        np.testing.assert_allclose(sampled, expected["sample_value"], atol=PARITY, rtol=0)
        assert found.mean() == pytest.approx(expected["mean"], abs=PARITY)
        files = [self.folder / f"{self.name}.v2{part}.npz" for part in (f".{mode}", "")]
        stored = {f"{mode}__{output}": np.load(file) for file in files if file.exists()}
        for key, whole in stored.items():
            if key in whole:
                np.testing.assert_allclose(found, whole[key], atol=2e-3, rtol=0)


@pytest.fixture(scope="module")
def reference(parity_folder):
    """``reference("stargan_G")`` gives the reference of that name."""
    return lambda name: Reference(parity_folder, name)
