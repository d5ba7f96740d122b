"""What each part of registered RegGAN earns: on London in folds, and on rendered faces whose truth is known.

London must be registered (docs/london.md) and the portable weights fetched. On rendered faces models are
fitted on studio people of the train split, and edit people of the test split. Scores of every edit are kept
in --scores, and what is there is not computed again. Writes its tables into docs/registered.md:

    python benchmarks/registration_ablation.py

Networks are evaluated where their checkpoints are given, trained by ``bench train`` on the same split:

    python benchmarks/registration_ablation.py --data rendered --refined CHECKPOINT
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
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
    Generator,
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
from fesbench.generators.controls import Copy, Truth
from fesbench.generators.cross_trained import SUFFIX, read_folds
from fesbench.generators.registered_inputs import RegisteredInputs, RegisteredPairs, mean_frame
from fesbench.generators.registration import Registration
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.metrics.fidelity import Fidelity
from fesbench.metrics.registry import load_metric
from fesbench.reggan import LocalRidge
from fesbench.reggan.calibration import folds_of, strength
from fesbench.reggan.model import RegressionStage
from fesbench.reggan.registered import RegisteredRegression
from fesbench.reggan.registered_editing import LocatedPairs
from fesbench.reggan.registered_refinement import RegisteredRegGAN
from fesbench.reggan.texture_regression import TextureFit, held_out_edits
from fesbench.runs.fitting import Preloaded
from fesbench.statistics.intervals import UNBOUNDED, clustered_mean, clustered_means, of_differences

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

WHOLE, FIRST, REFINED = "**registered**", "first stage of the refinement", "with refinement"
LANDMARKS, ERROR, FAILED = "error of landmarks", "error, face", "failed"
BOUNDS = {metric: (0.0, 1.0) for judges in JUDGES.values() for metric in judges if metric.startswith("ecs")}
"""Of shares."""
LIMITS = {**dict.fromkeys(BOUNDS, (0.0, 1.0)), "fss@dlib": (-1.0, 1.0), "fss@embedded": (-1.0, 1.0)}
LIMITS |= {LANDMARKS: (0.0, np.inf), ERROR: (0.0, np.inf)}
"""Ends of the ranges."""
DIGITS = {**dict.fromkeys(BOUNDS, 2), "fss@dlib": 3, "fss@embedded": 3, LANDMARKS: 3, ERROR: 2}
COLUMNS = ("variant", "edit", "subject", "metric", "value")

Outputs = Mapping[str, Image | Failure]
"""By edit."""
Variants = Mapping[str, Callable[[], Synthesizer]]
"""Variants, which are fitted when they are called, so that few are in memory at a time."""


def main() -> None:
    """Measure what was not measured before, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", choices=JUDGES, action="append", help="both by default")
    parser.add_argument("--fitted-on", type=int, default=60, help="rendered people of the train split")
    parser.add_argument("--subjects", type=int, default=20, help="rendered people of the test split")
    parser.add_argument("--refined", type=Path, help="checkpoint of a refinement, or list of those of folds")
    parser.add_argument("--energies", action="store_true", help="print only how strong London's changes are")
    parser.add_argument("--scores", type=Path, default=Path("runs", "registration-ablation"))
    args = parser.parse_args()
    if args.energies:
        print(energies())
        return
    args.scores.mkdir(parents=True, exist_ok=True)
    for data in args.data or JUDGES:
        cuts = on_london() if data == "london" else on_rendered(args.fitted_on, args.subjects)
        kept = Scores(args.scores / f"{data}.csv")
        for train, edits in cuts:
            measure(kept, data, edits, variants(train, args.refined))
        write_table(PAGE, f"ablation: {data}", means(data, kept.read()))
        write_table(PAGE, f"differences: {data}", differences(data, kept.read()))


def on_london() -> Iterator[tuple[Dataset, Sequence[Edit]]]:
    """London's folds: the edits of each, and the people of the others."""
    data, loader = load_dataset("london", "all"), ImageLoader(0)
    for held, rest in folds(data, FOLDS, SEED):
        edits = [edit for edit in data.edits() if edit.source.subject in held]
        (batch,) = load_ahead([edits], loader)
        yield Preloaded(rest, loader, SIZE), batch.edits
    loader.close()


def on_rendered(fitted_on: int, subjects: int) -> Iterator[tuple[Dataset, Sequence[Edit]]]:
    """Edits of rendered test people, and the train people, all in the studio."""
    loader = ImageLoader(0)
    train = Preloaded(RenderedDataset("train", ["studio"], fitted_on, SIZE), loader, SIZE)
    (batch,) = load_ahead([RenderedDataset("test", ["studio"], subjects, SIZE).edits()], loader)
    loader.close()
    yield train, batch.edits


def measure(kept: Scores, data: str, edits: Sequence[Edit], made: Variants) -> None:
    """Score the edits of a cut by every variant that has not been scored, and keep the scores."""
    for name, make in made.items():
        if not kept.has(name, edits):
            answers = make().answer(edits)
            outputs = dict(zip((edit.id for edit in edits), answers, strict=True))
            kept.add(scored(data, name, edits, outputs))
            print(f"{data}: {name}, {len(edits)} edits", flush=True)


def variants(train: Dataset, refined: Path | None) -> Variants:
    """The variants, and the input and the truth."""
    registration = Registration(mean_frame(train), SIZE)
    pairs, whole = RegisteredPairs(train, registration), cache(partial(fitted, RegisteredRegression(), train))

    def plain(make: Callable[[], ClosedForm]) -> Synthesizer:
        return answering(fitted(make(), train), train)

    def changed(make: Callable[[], RegisteredRegression], emptied: Sequence[str] = ()) -> Synthesizer:
        state, model = whole().state(), make()
        model.load_state({name: array * 0 if name in emptied else array for name, array in state.items()})
        return answering(model, train)

    def registered(make: Callable[[], ClosedForm]) -> Synthesizer:
        return RegisteredInputs(answering(fitted(make(), pairs), train), registration)

    def of_checkpoint(stages: int) -> Synthesizer:
        return answering(trained(refined, train, stages), train)

    networks = {FIRST: partial(of_checkpoint, 1), REFINED: partial(of_checkpoint, 2)}
    return {
        WHOLE: lambda: answering(whole(), train),
        **(networks if refined else {}),
        **{title: partial(changed, RegisteredRegression, names) for title, names in PARTS.items()},
        "without calibration": partial(plain, partial(RegisteredRegression, calibrate=False)),
        "without mask": partial(changed, Unmasked),
        **{title: partial(plain, make) for title, make in OTHERS.items()},
        **{f"{title}, `--registered`": partial(registered, make) for title, make in OTHERS.items()},
        "input": lambda: answering(Copy(), train),
        "truth": Truth,
    }


def trained(checkpoint: Path, train: Dataset, stages: int) -> Generator:
    """A trained refinement with its first stage, or that alone; of several in folds, that for ``train``."""
    load = RegisteredRegGAN.from_checkpoint
    if checkpoint.name.endswith(SUFFIX):
        model = read_folds(checkpoint, load).trained_on(train)
    else:
        model = load(checkpoint)
    assert isinstance(model, RegisteredRegGAN)
    if stages == 1:
        model.network.refinement = None
    return model


def fitted(model: ClosedForm, train: Dataset) -> ClosedForm:
    """The model, after its fit."""
    model.fit(train, None, SEED)
    return model


def answering(model: Generator, train: Dataset) -> Synthesizer:
    """A fitted model that answers edits."""
    return GeneratorSynthesizer(model, train.expressions, SIZE)


class Unmasked(RegisteredRegression):
    """Changes of texture everywhere in the mesh; strengths are those inside the mask."""

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Load as ever, then forget the mask."""
        super().load_state(state)
        self._fitted().editing.registration.mask.fill_(1)


class Scores:
    """The scores of edits in a CSV file with ``COLUMNS``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> pd.DataFrame:
        """All scores; NaN where an output has none."""
        return pd.read_csv(self.path) if self.path.exists() else pd.DataFrame(columns=list(COLUMNS))

    def has(self, variant: str, edits: Sequence[Edit]) -> bool:
        """Whether the edits of a variant were scored before."""
        rows = self.read()
        return {edit.id for edit in edits} <= set(rows.loc[rows["variant"] == variant, "edit"])

    def add(self, rows: pd.DataFrame) -> None:
        """Append scores."""
        rows.to_csv(self.path, mode="a", header=not self.path.exists(), index=False)


def scored(data: str, variant: str, edits: Sequence[Edit], outputs: Outputs) -> pd.DataFrame:
    """Rows of scores: those of the judges, the errors, and whether the edit has no output."""
    usable = [edit for edit in edits if not isinstance(outputs[edit.id], Failure)]
    images = [resize(image, SIZE) for edit in usable if not isinstance(image := outputs[edit.id], Failure)]
    values = measured(data, usable, np.stack(images)) if images else {}
    values[FAILED] = {edit.id: float(isinstance(outputs[edit.id], Failure)) for edit in edits}
    rows = [
        (variant, edit.id, edit.source.subject, metric, found.get(edit.id, np.nan))
        for metric, found in values.items()
        for edit in edits
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measured(data: str, edits: Sequence[Edit], outputs: NDArray[np.uint8]) -> dict[str, Mapping[str, float]]:
    """By metric and edit: scores of the judges, error of the landmarks, error to the truth."""
    sources = np.stack([resize(edit.source.load(), SIZE) for edit in edits])
    truths = [resize(edit.truth.load(), SIZE) for edit in edits if edit.truth]
    masks = [edit.source.load_mask() if edit.source.load_mask else None for edit in edits]
    roles = {"output": outputs, "source": sources, "truth": np.stack(truths)}
    found: dict[str, Sequence[float]] = {}
    for identifier in JUDGES[data]:
        metric = load_metric(identifier)
        features = {network.card.name: described(network, roles) for network in metric.networks}
        scores = metric.score(Batch(edits, outputs, sources, truths, masks, features))
        found[identifier] = scores[metric.card.column_names[0]]
    found[LANDMARKS] = [landmarks_apart(*pair) for pair in zip(outputs, truths, strict=True)]
    found[ERROR] = Fidelity().score(Batch(edits, outputs, sources, truths, masks, {}))["mae.face"]
    ids = [edit.id for edit in edits]
    return {name: dict(zip(ids, map(float, values), strict=True)) for name, values in found.items()}


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


def means(data: str, scores: pd.DataFrame) -> str:
    """A row of means with 95% intervals for each variant, clustered by person, as Markdown."""
    lines = [["", *JUDGES[data], LANDMARKS, ERROR, FAILED], ["---"] * (len(JUDGES[data]) + 4)]
    for name, rows in scores.groupby("variant", sort=False):
        parts = dict(iter(rows.groupby("metric")))
        cells = [mean(parts[metric], metric) for metric in lines[0][1:-1]]
        lines.append([str(name), *cells, f"{parts[FAILED]['value'].sum():.0f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean(rows: pd.DataFrame, metric: str) -> str:
    """The mean of a metric with its interval, where there is one."""
    bounds, digits = BOUNDS.get(metric, UNBOUNDED), DIGITS[metric]
    found = clustered_mean(rows["value"], list(rows["subject"]), bounds, LIMITS[metric])
    if found.mean is None or found.low is None or found.high is None:
        return "–" if found.mean is None else f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def differences(data: str, scores: pd.DataFrame) -> str:
    """A row for each pair of variants: what one scores above the other on the same edits, as Markdown."""
    metrics = [*JUDGES[data], LANDMARKS, ERROR]
    lines = [["", *metrics], ["---"] * (len(metrics) + 1)]
    tables = {
        metric: scores[scores["metric"] == metric].pivot(
            index=["subject", "edit"], columns="variant", values="value"
        )
        for metric in metrics
    }
    names = list(scores["variant"].drop_duplicates())
    pairs = [(name, WHOLE) for name in names if name != WHOLE]
    pairs += [(REFINED, FIRST)] if {REFINED, FIRST} <= set(names) else []
    for pair in pairs:
        gaps = [difference(tables[metric][list(pair)], metric) for metric in metrics]
        lines.append([f"{pair[0]} − {pair[1].strip('*')}", *gaps])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def difference(values: pd.DataFrame, metric: str) -> str:
    """The mean of the first column minus the second, with its interval."""
    gaps = (values.iloc[:, 0] - values.iloc[:, 1]).to_numpy(dtype=np.float64)[:, None]
    subjects = values.index.get_level_values("subject").to_numpy(dtype=object)
    bounds = of_differences(BOUNDS[metric]) if metric in BOUNDS else UNBOUNDED
    found = clustered_means(gaps, subjects, bounds, null=0.0, limits=of_differences(LIMITS[metric]))
    digits, shown = DIGITS[metric], float(found.mean[0])
    if np.isnan(found.low[0]):
        return f"{shown:+.{digits}f}"
    return f"{shown:+.{digits}f} ({found.low[0]:+.{digits}f} to {found.high[0]:+.{digits}f})"


def energies() -> str:
    """What factor would give London's predicted changes the strength of true ones, or all of their energy."""
    loader = ImageLoader(0)
    known = LocatedPairs.of(Preloaded(load_dataset("london", "all"), loader, SIZE))
    loader.close()
    registration = Registration(known.shapes(calibrate=False).frame, SIZE)
    ridge = LocalRidge(3, 0.4, residual=True)
    textures = TextureFit(ridge, known.faces, registration, calibrate=False)
    mask = registration.mask.numpy()
    changes = [
        [((image - edit.source).numpy() * mask).ravel() for image in (edit.truth, edit.predicted)]
        for edit in held_out_edits(textures.groups(known.pairs, known.expressions))
    ]
    found = {"shape": held_out_shapes(known), "texture": np.array(changes).transpose(1, 0, 2)}
    return "\n".join(
        f"{name}: strength {strength(true, predicted):.2f}, "
        f"energy {np.sqrt((true**2).sum() / (predicted**2).sum()):.2f}"
        for name, (true, predicted) in found.items()
    )


def held_out_shapes(known: LocatedPairs) -> NDArray[np.float64]:
    """True displacements and those that fits without a person's fold predict: (2, n, 136)."""
    parts = folds_of(source.subject for source, _ in known.pairs)
    moves = []
    for fold in set(parts.values()):
        rest = [pair for pair in known.pairs if parts[pair[0].subject] != fold]
        shapes = replace(known, pairs=rest).shapes(calibrate=False)
        for source, target in known.pairs:
            if parts[source.subject] == fold:
                before, after = (known.faces[sample.id].landmarks for sample in (source, target))
                shape = shapes.frame.pose(before).normalise(before)
                true = shapes.frame.pose(after).normalise(after) - shape
                moves.append([true.ravel(), (shapes.moved(shape, 0, 1.0) - shape).ravel()])
    return np.array(moves).transpose(1, 0, 2)


if __name__ == "__main__":
    main()
