"""What each part of registered RegGAN earns: on London in folds, and on rendered faces whose truth is known.

London must be registered (docs/london.md) and the portable weights fetched. On rendered faces models are
fitted on studio people of the train split, and edit people of the test split. Writes its tables into
docs/registered.md:

    python benchmarks/registration_ablation.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pages import write_table

from fesbench.baselines.masked_regression import MaskedRegression
from fesbench.core.contracts import (
    Batch,
    ClosedForm,
    Dataset,
    Edit,
    Failure,
    FeatureExtractor,
    Image,
    Synthesizer,
)
from fesbench.core.errors import LandmarkError
from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader, load_ahead
from fesbench.datasets.registration import find_landmarks
from fesbench.datasets.registration.frame import eye_centres
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.rendered import RenderedDataset
from fesbench.datasets.selection import folds
from fesbench.generators.registered_inputs import RegisteredInputs, RegisteredPairs, mean_frame
from fesbench.generators.registration import Registration
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.metrics.fidelity import Fidelity
from fesbench.metrics.registry import load_metric
from fesbench.reggan.model import RegressionStage
from fesbench.reggan.registered import RegisteredRegression
from fesbench.runs.fitting import Preloaded

PAGE = Path(__file__).parents[1] / "docs" / "registered.md"
SIZE, FOLDS, SEED = 128, 5, 0
JUDGES = {
    "london": ("ecs@fer", "ecs@face-api", "fss@dlib"),
    "rendered": ("ecs@embedded", "fss@embedded"),
}
PARTS = {"shape alone": ("texture",), "texture alone": ("displacements", "maps")}
"""Variants, with the arrays of a fit that are set to 0."""
OTHERS: Mapping[str, Callable[[], ClosedForm]] = {
    "window 3 without a frame": partial(RegressionStage, 3, 0.4),
    "ridge regression, window 7": RegressionStage,
    "masked regression": MaskedRegression,
}

Outputs = dict[str, dict[str, Image | Failure]]
"""By variant and edit."""


def main() -> None:
    """Measure both data sets, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fitted-on", type=int, default=60, help="rendered people of the train split")
    parser.add_argument("--subjects", type=int, default=20, help="rendered people of the test split")
    args = parser.parse_args()
    write_table(PAGE, "ablation: london", table("london", *on_london()))
    write_table(PAGE, "ablation: rendered", table("rendered", *on_rendered(args.fitted_on, args.subjects)))


def on_london() -> tuple[Sequence[Edit], Outputs]:
    """London's edits, each by fits on the other folds."""
    data, found = load_dataset("london", "all"), {}
    loader = ImageLoader(0)
    for held, rest in folds(data, FOLDS, SEED):
        own = [edit for edit in data.edits() if edit.source.subject in held]
        for name, outputs in outputs_of(Preloaded(rest, loader, SIZE), own).items():
            found.setdefault(name, {}).update(outputs)
    (batch,) = load_ahead([data.edits()], loader)
    loader.close()
    return batch.edits, found


def on_rendered(fitted_on: int, subjects: int) -> tuple[Sequence[Edit], Outputs]:
    """Edits of rendered test people by fits on train people, all in the studio."""
    loader = ImageLoader(0)
    train = Preloaded(RenderedDataset("train", ["studio"], fitted_on, SIZE), loader, SIZE)
    (batch,) = load_ahead([RenderedDataset("test", ["studio"], subjects, SIZE).edits()], loader)
    loader.close()
    return batch.edits, outputs_of(train, batch.edits)


def outputs_of(train: Dataset, edits: Sequence[Edit]) -> Outputs:
    """What every variant makes of the edits."""
    answers = {name: make().answer(edits) for name, make in variants(train).items()}
    return {
        name: dict(zip((edit.id for edit in edits), images, strict=True)) for name, images in answers.items()
    }


def variants(train: Dataset) -> Mapping[str, Callable[[], Synthesizer]]:
    """The variants, which are fitted when they are called, so that few are in memory at a time."""
    registration = Registration(mean_frame(train), SIZE)
    pairs = RegisteredPairs(train, registration)
    whole = fitted(RegisteredRegression(), train)

    def plain(make: Callable[[], ClosedForm]) -> Synthesizer:
        return answering(fitted(make(), train), train)

    def registered(make: Callable[[], ClosedForm]) -> Synthesizer:
        return RegisteredInputs(answering(fitted(make(), pairs), train), registration)

    return {
        "**registered**": lambda: answering(whole, train),
        **{title: partial(answering, emptied(whole, names), train) for title, names in PARTS.items()},
        "without calibration": partial(plain, partial(RegisteredRegression, calibrate=False)),
        "without mask": partial(plain, Unmasked),
        **{
            title: lambda make=make: answering(fitted(make(), train), train) for title, make in OTHERS.items()
        },
        **{f"{title}, `--registered`": partial(registered, make) for title, make in OTHERS.items()},
    }


def fitted(model: ClosedForm, train: Dataset) -> ClosedForm:
    """The model, after its fit."""
    model.fit(train, None, SEED)
    return model


def answering(model: ClosedForm, train: Dataset) -> Synthesizer:
    """A fitted model that answers edits."""
    return GeneratorSynthesizer(model, train.expressions, SIZE)


def emptied(model: ClosedForm, names: Sequence[str]) -> RegisteredRegression:
    """A fitted model without some of its arrays."""
    state = model.state()
    rest = RegisteredRegression()
    rest.load_state({name: array * 0 if name in names else array for name, array in state.items()})
    return rest


class Unmasked(RegisteredRegression):
    """Changes of texture everywhere in the mesh; strengths are those inside the mask."""

    def fit(self, train: Dataset, val: Dataset | None, seed: int) -> None:
        """Fit as ever, then forget the mask."""
        super().fit(train, val, seed)
        self._fitted().registration.mask.fill_(1)


def table(data: str, edits: Sequence[Edit], outputs: Outputs) -> str:
    """A row for each variant, the input and the truth, as Markdown."""
    known = {edit.id: edit for edit in edits}
    rows = {
        **outputs,
        "input": {edit.id: edit.source.load() for edit in edits},
        "truth": {edit.id: edit.truth.load() for edit in edits if edit.truth},
    }
    lines = [["", *JUDGES[data], "error of landmarks", "error, face", "failed"]]
    lines.append(["---"] * len(lines[0]))
    for name, images in rows.items():
        made = {key: resize(image, SIZE) for key, image in images.items() if not isinstance(image, Failure)}
        cells = measured(data, [known[key] for key in made], np.stack(list(made.values())))
        lines.append([name, *cells, str(len(images) - len(made))])
        print(" | ".join(lines[-1]), flush=True)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measured(data: str, edits: Sequence[Edit], outputs: NDArray[np.uint8]) -> list[str]:
    """Means over the outputs: of the judges, of the landmarks' error and of the error to the truth."""
    sources = np.stack([resize(edit.source.load(), SIZE) for edit in edits])
    truths = [resize(edit.truth.load(), SIZE) for edit in edits if edit.truth]
    masks = [edit.source.load_mask() if edit.source.load_mask else None for edit in edits]
    roles = {"output": outputs, "source": sources, "truth": np.stack(truths)}
    cells = []
    for identifier in JUDGES[data]:
        metric = load_metric(identifier)
        features = {network.card.name: described(network, roles) for network in metric.networks}
        scores = metric.score(Batch(edits, outputs, sources, truths, masks, features))
        cells.append(f"{np.nanmean(scores[metric.card.column_names[0]]):.3f}")
    apart = [landmarks_apart(*pair) for pair in zip(outputs, truths, strict=True)]
    errors = Fidelity().score(Batch(edits, outputs, sources, truths, masks, {}))
    return [*cells, f"{np.nanmean(apart):.3f}", f"{np.nanmean(errors['mae.face']):.2f}"]


def described(
    network: FeatureExtractor, roles: Mapping[str, NDArray[np.uint8]]
) -> Mapping[str, NDArray[np.float32]]:
    """The features of the images in each role."""
    return {
        role: network.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
        for role, images in roles.items()
    }


def landmarks_apart(output: Image, truth: Image) -> float:
    """Mean distance of the landmarks found in two images, in distances between the eyes; NaN without them."""
    try:
        found, expected = (find_landmarks(image).astype(np.float64) for image in (output, truth))
    except LandmarkError:
        return np.nan
    eyes = eye_centres(expected)
    return float(np.linalg.norm(found - expected, axis=1).mean() / np.linalg.norm(eyes[1] - eyes[0]))


if __name__ == "__main__":
    main()
