"""The four metrics of the paper against the programs of their authors, on the same images and weights.

pytorch-fid's own functions, QualiCLIP as pyiqa computes it (at the authors' temperature) and DeepFace's
``verify`` and ``analyze``, one image or pair at a time as those programs do, beside ours, in one process.
Outputs are compared beside the times. Printed as Markdown, for docs/speed.md: seconds of the processor, which
other jobs on the machine move little, and ratios by these and by the wall clock.

``make bench-peers`` installs the extra ``paper`` and ``peers.txt`` into an environment of their own, and runs
this on rendered faces; ``make bench-peers FACES=folder`` on at least 64 photos of faces, which DeepFace's
detector finds as it would those of a paper. Weights are filled by a seeded rule: no time depends on them.

Usage: ``OMP_NUM_THREADS=2 python benchmarks/metrics_against_peers.py FACES [--images 200]``
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import nn

T = TypeVar("T")
Pairs = list[tuple[Path, Path]]

TARGETS = ("happy", "sad", "angry", "surprised", "fearful")
MODELS = 7
SIDE = 128
FILLING = Path(__file__).resolve().parents[1] / "tests" / "metrics" / "networks" / "conftest.py"


class Seconds(NamedTuple):
    processor: float
    wall: float

    def __add__(self, other):
        return Seconds(self.processor + other.processor, self.wall + other.wall)

    def times(self, factor):
        return Seconds(self.processor * factor, self.wall * factor)


def timed(work: Callable[[], T]) -> tuple[T, Seconds]:
    processor, wall = time.process_time(), time.perf_counter()
    found = work()
    return found, Seconds(time.process_time() - processor, time.perf_counter() - wall)


def row(name: str, peer: Seconds, ours: Seconds, difference: str = "") -> None:
    ratios = peer.processor / ours.processor, peer.wall / ours.wall
    print(
        f"| {name} | {peer.processor:.3g} | {ours.processor:.3g} | {ratios[0]:.3g} | {ratios[1]:.3g} | "
        f"{difference} |",
        flush=True,
    )


# Images and weights


def make_images(faces: Path, folder: Path, count: int) -> None:
    """Outputs of two models, their sources, and as many references: crops of photos."""
    photos = sorted(path for path in faces.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    people = -(-count // len(TARGETS))
    names = [f"s{i:03}--{target}" for i in range(people) for target in TARGETS][:count]
    for number, model in enumerate(("first", "second")):
        for i, name in enumerate(names):
            crop(photos[i // 5 % len(photos)], 5 * number + i % 5, folder / model / f"{name}.png")
    for i in range(people):
        crop(photos[i % len(photos)], 10, folder / "sources" / f"s{i:03}.png")
    for i in range(count):
        crop(photos[-1 - i % 40], 11 + i // 40, folder / "real" / f"{i:03}.png")


def crop(photo: Path, border: int, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(photo) as image:
        edges = (2 * border, 2 * border, image.width - 2 * border, image.height - 2 * border)
        image.convert("RGB").crop(edges).resize((SIDE, SIDE)).save(path)


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("filling", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_weights(folder: Path) -> None:
    """Files of the right names and shapes, for us and, with links, for DeepFace."""
    from deepface.models.demography.pytorch import Emotion
    from deepface.models.facial_recognition.pytorch import Facenet
    from pyiqa.archs.clip_model import CLIP
    from pytorch_fid import inception

    with (
        patch.object(inception, "load_state_dict_from_url", return_value={}),
        patch.object(nn.Module, "load_state_dict"),
    ):
        trunk = inception.fid_inception_v3()
    fill = module_at(FILLING)._fill
    clip = CLIP(1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12).float()
    prompts = torch.randn(14, 1024, generator=torch.Generator().manual_seed(0))
    quality = {f"clip_model.{name}": value for name, value in fill(clip).items()}
    quality["clip_model.logit_scale"] = torch.tensor(100.0).log()
    quality["prompts_features"] = nn.functional.normalize(prompts, dim=1)
    states = {
        "pt_inception-2015-12-05-6726825d.pth": fill(trunk),
        "qualiclip.pth": quality,
        "facenet512_weights.pth": fill(Facenet.InceptionResNetV1(512)),
        "facial_expression_model_weights.pth": fill(Emotion.EmotionModel()),
    }
    (folder / "paper").mkdir()
    (folder / ".deepface" / "weights").mkdir(parents=True)
    for name, state in states.items():
        torch.save(state, folder / "paper" / name)
        (folder / ".deepface" / "weights" / name).symlink_to(folder / "paper" / name)


# The peers


@dataclass
class Peers:
    """The programs of others, loaded."""

    weights: Path
    inception: nn.Module = field(init=False)
    quality: nn.Module = field(init=False)

    def __post_init__(self):
        from pyiqa.archs import clip_model, qualiclip_arch
        from pytorch_fid import inception

        state = torch.load(self.weights / "paper" / "pt_inception-2015-12-05-6726825d.pth")
        with patch.object(inception, "load_state_dict_from_url", return_value=state):
            self.inception = inception.InceptionV3([3]).eval()
        clip = clip_model.CLIP(1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12).float().eval()
        file = self.weights / "paper" / "qualiclip.pth"
        with (
            patch.object(qualiclip_arch, "load", return_value=clip),
            patch.object(qualiclip_arch, "load_file_from_url", return_value=file),
        ):
            self.quality = qualiclip_arch.QualiCLIP("qualiclip", temperature=1).eval()

    def features(self, files: list[Path]) -> np.ndarray:
        from pytorch_fid.fid_score import get_activations

        return get_activations(files, self.inception, batch_size=50, num_workers=0)

    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        from pytorch_fid.fid_score import calculate_frechet_distance

        moments = [moment for x in (a, b) for moment in (x.mean(axis=0), np.cov(x, rowvar=False))]
        return float(calculate_frechet_distance(*moments))

    def qualities(self, files: list[Path]) -> np.ndarray:
        from torchvision.transforms.functional import to_tensor

        with torch.no_grad():
            return np.array([self.quality(to_tensor(Image.open(path))[None]).item() for path in files])

    def similarities(self, pairs: Pairs, detector: str) -> np.ndarray:
        from deepface import DeepFace

        options = {"model_name": "Facenet512", "detector_backend": detector, "enforce_detection": False}
        return np.array([1 - DeepFace.verify(str(a), str(b), **options)["distance"] for a, b in pairs])

    def expressions(self, files: list[Path], detector: str) -> np.ndarray:
        from deepface import DeepFace

        options = {"actions": ("emotion",), "detector_backend": detector, "enforce_detection": False}
        found = [DeepFace.analyze(str(path), silent=True, **options)[0]["emotion"] for path in files]
        return np.array([list(emotion.values()) for emotion in found]) / 100


# Ours


def pixels(files: list[Path]) -> np.ndarray:
    from fesbench.datasets.images import load_image

    return np.stack([load_image(path) for path in files])


def our_similarities(network, outputs: list[Path], sources: list[Path]) -> np.ndarray:
    known = dict(zip(sources, network(pixels(sources)), strict=True))
    made = network(pixels(outputs))
    beside = np.stack([known[source_of(path)] for path in outputs])
    return (made * beside).sum(1) / np.linalg.norm(made, axis=1) / np.linalg.norm(beside, axis=1)


def source_of(output: Path) -> Path:
    return output.parents[1] / "sources" / f"{output.stem.partition('--')[0]}.png"


def request(folder: Path, model: str, backend: str):
    from fesbench.scoring.folders import Request

    metrics = ("ecs", "fss", "qualiclip", "fid")
    return Request(folder / model, folder / "sources", folder / "real", metrics=metrics, backend=backend)


# What is compared


def compare(folder: Path, peers: Peers) -> None:
    """Step by step, then the whole job."""
    first, sources, real = (sorted((folder / n).iterdir()) for n in ("first", "sources", "real"))
    pairs = [(path, source_of(path)) for path in first]
    warm_up(peers, first[:1], pairs[:1])
    each = steps(peers, first, sources, pairs)
    theirs, reference = timed(lambda: peers.features(real))
    found, root = timed(lambda: peers.distance(each.features, theirs))
    from fesbench.metrics.frechet import frechet_distance

    ours, quick = timed(lambda: frechet_distance(each.features, theirs))
    row("Fréchet distance", root, quick, f"{abs(ours / found - 1):.1e} relative")
    for backend in ("paper", "paper-bf16"):
        whole_job(folder, each.model + root, reference, backend)


class Steps(NamedTuple):
    """pytorch-fid's features of the outputs, and what the peers need for one model besides the distance."""

    features: np.ndarray
    model: Seconds


def warm_up(peers: Peers, files: list[Path], pairs: Pairs) -> None:
    peers.qualities(files)
    for detector in ("skip", "opencv"):
        peers.similarities(pairs, detector)
        peers.expressions(files, detector)


def steps(peers: Peers, outputs: list[Path], sources: list[Path], pairs: Pairs) -> Steps:
    from fesbench.metrics.networks.deepface import DeepFaceEmotion, DeepFaceRecognition
    from fesbench.metrics.networks.inception import InceptionFeatures
    from fesbench.metrics.qualiclip import QualiCLIP

    place = peers.weights / "paper"
    inception = InceptionFeatures(place / "pt_inception-2015-12-05-6726825d.pth", "")
    quality = QualiCLIP(place / "qualiclip.pth")
    identity = DeepFaceRecognition("Facenet512", place / "facenet512_weights.pth")
    emotion = DeepFaceEmotion(place / "facial_expression_model_weights.pth")

    theirs, peer = timed(lambda: peers.features(outputs))
    ours, time_ = timed(lambda: inception(pixels(outputs)))
    relative = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    row("Inception features", peer, time_, f"{relative.max():.1e} relative")
    features, total = theirs, peer

    theirs, peer = timed(lambda: peers.qualities(outputs))
    ours, time_ = timed(lambda: quality(pixels(outputs)))
    row("QualiCLIP", peer, time_, f"{np.abs(ours - theirs).max():.1e}")
    total += peer

    ours, time_ = timed(lambda: our_similarities(identity, outputs, sources))
    theirs, peer = timed(lambda: peers.similarities(pairs, "skip"))
    row("FSS, DeepFace without detector", peer, time_, f"{np.abs(ours - theirs).max():.1e}")
    _, peer = timed(lambda: peers.similarities(pairs, "opencv"))
    row("FSS, DeepFace as it comes", peer, time_, "aligned anew, so not the same pixels")
    total += peer

    ours, time_ = timed(lambda: emotion(pixels(outputs)))
    theirs, peer = timed(lambda: peers.expressions(outputs, "skip"))
    row("ECS, DeepFace without detector", peer, time_, f"{np.abs(ours - theirs).max():.1e}")
    _, peer = timed(lambda: peers.expressions(outputs, "opencv"))
    row("ECS, DeepFace as it comes", peer, time_, "aligned anew, so not the same pixels")
    return Steps(features, total + peer)


def whole_job(folder: Path, model: Seconds, reference: Seconds, backend: str) -> None:
    """One model from nothing, a further one, and the same again; networks are loaded, as the peers' are."""
    from fesbench.metrics.registry import load_metrics
    from fesbench.scoring.folders import score_folders

    os.environ["FESBENCH_HOME"] = str(folder.parent / f"home-{backend}")
    load_metrics(request(folder, "first", backend).metrics, backend)
    exact, cold = timed(lambda: score_folders(request(folder, "first", backend)))
    _, further = timed(lambda: score_folders(request(folder, "second", backend)))
    again, repeated = timed(lambda: score_folders(request(folder, "first", backend)))
    same = "same numbers" if again.to_dict() == exact.to_dict() else "OTHER NUMBERS"
    seven = (cold + further.times(MODELS - 1)).times(1 / MODELS)
    row(f"all four, one model ({backend})", model + reference, cold)
    row(f"all four, the same again ({backend})", model + reference, repeated, same)
    row(f"all four, per model of seven ({backend})", model + reference, seven)
    saved = model + reference.times(1 / MODELS)
    row(f"the same, peer with saved statistics ({backend})", saved, seven)
    values = exact.cells.set_index("metric")["value"]
    print(f"<!-- {', '.join(f'{name} {values[name]:.5g}' for name in values.index)} -->")


def memory(folder: Path, count: int) -> Iterator[tuple[int, float]]:
    """Peak memory in MB of ``bench score`` on a quarter of the images, and on all."""
    for number in (count // 4, count):
        small = folder.parent / f"images-{number}"
        small.mkdir()
        for path in sorted((folder / "first").iterdir())[:number]:
            shutil.copy(path, small)
        command = [sys.executable, "-m", "fesbench", "score", "--images", small, "--backend", "paper"]
        command += ["--sources", folder / "sources", "--metric", "ecs,fss,qualiclip", "--json"]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"FESBENCH_CACHE_GB": "0"})
        yield number, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("faces", type=Path, help="a folder with photos of faces")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, weights = Path(scratch, "images"), Path(scratch, "weights")
        weights.mkdir()
        make_images(options.faces, folder, options.images)
        os.environ |= {
            "FESBENCH_WEIGHTS": str(weights),
            "FESBENCH_OTHER_WEIGHTS": "1",
            "DEEPFACE_HOME": str(weights),
            "DEEPFACE_BACKEND_ENGINE": "pytorch",
        }
        make_weights(weights)
        print(f"{options.images} images of {SIDE} x {SIDE}, {torch.get_num_threads()} threads\n")
        print("| step | peer, s | ours, s | ratio | by wall clock | largest difference |")
        print("|---|---|---|---|---|---|")
        compare(folder, Peers(weights))
        for number, megabytes in memory(folder, options.images):
            print(f"\npeak memory, {number} images: {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
