"""A small run in memory, and studies made from it."""

import numpy as np
import pytest

from fesbench.reports.study.design.build import Request, build
from fesbench.reports.study.material import Candidate, Material

DOMAINS = ("studio", "statue")
TARGETS = ("happy", "sad", "angry")


class Synthetic(Material):
    """Noise for pictures, smoother for some models than for others, as real outputs are."""

    def __init__(
        self, models=3, subjects=4, truths=True, anchors=("copy", "truth"), size=16, shots=1, shown="neutral"
    ):
        self.run, self.size = "secretrun", size
        self.models = tuple(f"modelname{place}" for place in range(models))
        self.anchors = anchors
        self.titles = {name: f"Title of {name}" for name in self.models + anchors}
        self.left_out, self.layouts = {}, {"setname": ""}
        self.candidates = [
            Candidate(
                dataset="setname",
                domain=domain,
                subject=f"subject{person}",
                expression=target,
                edit=f"{domain}-{person}-{shot}--{target}",
                source=f"{domain}-{person}-{shot}",
                source_expression=shown,
                has_truth=truths,
            )
            for domain in DOMAINS
            for person in range(subjects)
            for shot in range(shots)
            for target in TARGETS
        ]

    def output(self, candidate, model):
        return self._noise(f"{candidate.edit}{model}", (*self.models, *self.anchors).index(model) * 30)

    def source(self, candidate):
        return self._noise(candidate.source, 0)

    def truth(self, candidate):
        assert candidate.has_truth
        return self._noise(f"truth{candidate.edit}", 0)

    def _noise(self, name, flat):
        rng = np.random.default_rng(list(name.encode()))
        return rng.integers(flat, 255, (self.size, self.size, 3)).astype(np.uint8)


def make_request(**changes):
    fields = {
        "design": "best-of-n",
        "questions": ("expression", "identity", "realism"),
        "items": 6,
        "participants": 6,
        "seed": 3,
        "secret": b"0123456789abcdef",
        "focus": "modelname0",
        "outputs": ("print", "mturk", "qualtrics", "gforms", "potato"),
    }
    return Request(**fields | changes)


@pytest.fixture(scope="session")
def synthetic():
    return Synthetic


@pytest.fixture(scope="session")
def request_of():
    return make_request


@pytest.fixture(scope="session")
def material():
    return Synthetic()


@pytest.fixture(scope="session")
def made(material):
    return build(material, make_request())
