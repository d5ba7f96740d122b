"""What each metric sees: outputs whose faults are known, scored by all metrics.

The true targets of every edit are degraded in known ways, a little and a lot, and scored as if a model had
made them: rendered faces through the embedded networks, the London photos through the portable ones. Writes
``docs/images/validity.pdf`` and ``.png``, and the page ``docs/validity.md``. Run from the checkout:

    bench weights fetch portable
    python benchmarks/validity.py --london photos/london
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pages import write_page

from fesbench.core.contracts import Edit, Image, Sample
from fesbench.datasets.folders.folder import folder_dataset
from fesbench.datasets.images import resize
from fesbench.datasets.rendered import RenderedDataset, render_face, subject_seed
from fesbench.datasets.rendered.action_units import intensity_of
from fesbench.metrics.registry import METRICS, load_metrics
from fesbench.reports.figures.canvas import (
    WIDE,
    Model,
    drawn,
    label_outside,
    legend,
    models_of,
    panels,
    save,
    styled,
)
from fesbench.scoring.scorer import Scorer
from fesbench.scoring.shards import score_shard, shard_references
from fesbench.statistics.measures import measures_of
from fesbench.statistics.summary import with_joint
from fesbench.training.networks import augmentation as augment

SIZE = 128
SPLIT = "test"
TRUTH, COPY, PERSON, EXPRESSION = "truth", "copy", "wrong person", "wrong expression"
STRENGTH = "expression"
FULL = 0.0
"""The step of every ladder that is the truth itself."""

Images = Sequence[Image]


def blurred(images: Images, sigma: float) -> list[Image]:
    """Gaussian blur of so many pixels."""
    return _with_tensor(images, lambda pixels: augment.blur(pixels, sigma))


def noisy(images: Images, deviation: float) -> list[Image]:
    """Gaussian noise of so many grey levels, the same grain at every strength."""
    random = torch.Generator().manual_seed(0)

    def grain(pixels: torch.Tensor) -> torch.Tensor:
        return pixels + deviation / 255 * torch.randn(pixels.shape, generator=random)

    return _with_tensor(images, grain)


def compressed(images: Images, quality: float) -> list[Image]:
    """Through a JPEG file."""
    return _with_tensor(images, lambda pixels: augment.jpeg(pixels, int(quality)))


def chequered(images: Images) -> list[Image]:
    """Squares of 8 pixels, in turn 40 grey levels lighter and darker."""
    rows, columns = np.indices(images[0].shape[:2]) // 8
    levels = np.where((rows + columns) % 2, 40.0, -40.0)[..., None]
    return [(image + levels).clip(0, 255).astype(np.uint8) for image in images]


def tinted(images: Images) -> list[Image]:
    """80 grey levels more of red and as many fewer of blue."""
    return [(image + np.array([80.0, 0.0, -80.0])).clip(0, 255).astype(np.uint8) for image in images]


def patched(images: Images) -> list[Image]:
    """Every second square of 16 pixels replaced by the one in the middle."""
    return [_patched(image) for image in images]


def _patched(image: Image) -> Image:
    found, middle = image.copy(), image.shape[0] // 2
    patch = image[middle : middle + 16, middle : middle + 16]
    for row, column in np.argwhere(np.indices((image.shape[0] // 16,) * 2).sum(0) % 2):
        found[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = patch
    return found


RUINS: Mapping[str, Callable[[Images], list[Image]]] = {
    "chequers": chequered,
    "colour shift": tinted,
    "blur of 4 pixels": partial(blurred, sigma=4.0),
    "collapsed patches": patched,
}


def ruined(material: Material) -> dict[str, dict[str, float]]:
    """True targets, ruined: how many show the expression, are the person, do both, and work besides.

    Args:
        material: Rendered faces or photos.

    Returns:
        The mean of each column by ruin, the truth's own first; see ``statistics.works``.
    """
    truths = [truth_of(edit) for edit in material.edits]
    real = [resize(edit.source.load(), SIZE) for edit in material.edits]
    outputs = {TRUTH: truths, COPY: real, **{name: ruin(truths) for name, ruin in RUINS.items()}}
    references = shard_references(material.edits, {}, material.scorer)
    rows = [
        score_shard(images, references, material.scorer).rows.assign(generator=name, dataset=material.title)
        for name, images in outputs.items()
    ]
    cards = [metric.card for metric in material.scorer.image_metrics]
    scores, _ = with_joint(pd.concat(rows, ignore_index=True), measures_of(cards))
    means = scores.pivot_table("value", "generator", "metric", sort=False)
    return {name: dict(means.loc[name]) for name in (TRUTH, *RUINS)}


MEASURED = ("ecs@embedded", "fss.verified@embedded", "quality@embedded", "joint@embedded", "works@embedded")
MEASURED_ON_PHOTOS = (
    *("ecs@fer", "ecs@face-api", "fss.verified@dlib", "quality@embedded"),
    *("joint@fer+dlib", "works@fer+dlib+embedded", "works@face-api+dlib+embedded"),
)


def ruins_table(shares: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> str:
    """One row for each ruin."""
    head = ["picture", *(f"`{column}`" for column in columns)]
    return table(
        [head, *([name, *(f"{one[column]:.3f}" for column in columns)] for name, one in shares.items())]
    )


def ruins_sections(photos: Sequence[Material]) -> Iterator[str]:
    """The sections of the page on ruins of rendered faces, and of photos where there are any."""
    small = ruined(rendered(3, ("studio", "portrait", "avatar")))
    yield RUINS_SECTION.format(table=ruins_table(small, MEASURED))
    for material in photos:
        found = ruined(material)
        yield RUINED_PHOTOS_SECTION.format(
            table=ruins_table(found, MEASURED_ON_PHOTOS),
            **{name: f"{found[ruin][column]:.3f}" for name, (ruin, column) in _SAID_OF_PHOTOS.items()},
        )


_SAID_OF_PHOTOS = {
    "smiles": (TRUTH, "ecs@fer"),
    "chequers": ("chequers", "ecs@fer"),
    "other": ("chequers", "ecs@face-api"),
    "blurred": ("blur of 4 pixels", "works@fer+dlib+embedded"),
    "tinted": ("colour shift", "works@fer+dlib+embedded"),
}
"""Numbers in the text: ruin and column."""


def _with_tensor(images: Images, change: Callable[[torch.Tensor], torch.Tensor]) -> list[Image]:
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    changed = (change(pixels).clamp(0, 1) * 255).round().to(torch.uint8)
    return list(changed.permute(0, 2, 3, 1).contiguous().numpy())


class Ladder(NamedTuple):
    """A fault in growing steps; ``unit`` says what the steps count."""

    harm: Callable[[Images, float], list[Image]]
    steps: tuple[float, ...]
    unit: str


LADDERS = {
    "blur": Ladder(blurred, (0.5, 1, 1.5, 2, 3), "σ in pixels of 128"),
    "noise": Ladder(noisy, (2, 5, 10, 20, 40), "σ in grey levels"),
    "JPEG": Ladder(compressed, (90, 70, 50, 30, 10), "quality"),
}
SHARES = (0.9, 0.75, 0.5, 0.25, 0)
"""Of the intensity with which the subject poses the expression."""


class Group(NamedTuple):
    """Outputs with one known fault; ``step`` is its strength in the ladder's unit, NaN without a ladder."""

    fault: str
    step: float
    outputs: list[Image]


@dataclass(frozen=True)
class Material:
    """Edits with all images in memory, other people's real images by domain, and what scores them.

    ``weaker`` answers the edits with a share of the expression, where that can be had.
    """

    title: str
    edits: Sequence[Edit]
    real: Mapping[str, Images]
    scorer: Scorer
    weaker: Callable[[float], list[Image]] | None = None

    @property
    def truths(self) -> list[Image]:
        """The true target of every edit."""
        return [truth_of(edit) for edit in self.edits]


def truth_of(edit: Edit) -> Image:
    """The true target of an edit that has one."""
    assert edit.truth is not None
    return edit.truth.load()


def rendered(subjects: int, domains: Sequence[str] | None = None) -> Material:
    """Rendered faces of ``subjects`` people in each domain, and the embedded metrics."""
    data = RenderedDataset(SPLIT, domains, subjects, SIZE)
    names = ("ecs", "ecs@embedded-judge1", "fss", "quality", "fid", "kid", "fidelity")
    scorer = scorer_of(names, "embedded")
    edits = in_memory(data.edits())

    def weaker(share: float) -> list[Image]:
        return [_posed(edit, share) for edit in edits]

    return Material("rendered faces", edits, by_domain(data.references()), scorer, weaker)


def _posed(edit: Edit, share: float) -> Image:
    domain, index = edit.source.domain, int(edit.source.subject.rpartition("-")[2])
    person = subject_seed(SPLIT, domain, index)
    intensity = share * intensity_of(person, edit.target)
    return render_face(person, edit.target, domain, person, intensity, SIZE).image


def london(folder: Path) -> Material:
    """Half of the people smile for the edits, the others are the real images of set metrics."""
    data = folder_dataset(folder, "all")
    people = sorted({sample.subject for sample in data.samples()})
    edited = set(people[::2])
    edits = [edit for edit in data.edits() if edit.source.subject in edited and edit.truth]
    others = [sample for sample in data.samples() if sample.subject not in edited]
    smiling = [sample for sample in others if sample.expression == edits[0].target]
    names = ("ecs", "fss", "ecs@face-api", "fss@face-api", "quality@embedded", "fid@embedded", "kid@embedded")
    scorer = scorer_of((*names, "fidelity"), "portable")
    return Material("London photos", in_memory(edits), by_domain(smiling), scorer)


def scorer_of(names: Sequence[str], backend: str) -> Scorer:
    """A scorer for those of the metrics that can be had here."""
    metrics, _ = load_metrics(names, backend)
    return Scorer.of(metrics, SIZE)


def in_memory(edits: Sequence[Edit]) -> list[Edit]:
    """The edits, with every image loaded once and at the size of scoring."""
    samples = {sample.id: sample for edit in edits for sample in (edit.source, edit.truth) if sample}
    loaded = {name: _loaded(sample) for name, sample in samples.items()}
    return [
        replace(edit, source=loaded[edit.source.id], truth=edit.truth and loaded[edit.truth.id])
        for edit in edits
    ]


def _loaded(sample: Sample) -> Sample:
    image = resize(sample.load(), SIZE)
    mask = sample.load_mask() if sample.load_mask else None
    return replace(sample, load=lambda: image, load_mask=None if mask is None else lambda: mask)


def by_domain(samples: Sequence[Sample]) -> dict[str, list[Image]]:
    """The images of each domain."""
    images: dict[str, list[Image]] = {}
    for sample in samples:
        images.setdefault(sample.domain, []).append(resize(sample.load(), SIZE))
    return images


def groups(material: Material) -> Iterator[Group]:
    """Every fault at every strength."""
    truths = material.truths
    yield Group(TRUTH, np.nan, truths)
    yield Group(COPY, np.nan, [edit.source.load() for edit in material.edits])
    yield Group(PERSON, np.nan, swapped(material.edits, lambda edit: edit.target, subject_of))
    if len({edit.target for edit in material.edits}) > 1:
        yield Group(EXPRESSION, np.nan, swapped(material.edits, subject_of, lambda edit: edit.target))
    for fault, ladder in LADDERS.items():
        for step in ladder.steps:
            yield Group(fault, step, ladder.harm(truths, step))
    if material.weaker:
        for share in SHARES:
            yield Group(STRENGTH, share, material.weaker(share))


def subject_of(edit: Edit) -> str:
    """Whom an edit is about."""
    return edit.source.subject


def swapped(edits: Sequence[Edit], kept: Callable[[Edit], str], other: Callable[[Edit], str]) -> list[Image]:
    """For each edit the truth of the next edit of its domain that shares ``kept`` and differs in ``other``.

    Every truth is used once, so the set of images stays the same.
    """
    rings: dict[tuple[str, str], list[Edit]] = {}
    for edit in edits:
        rings.setdefault((edit.source.domain, kept(edit)), []).append(edit)
    following = {}
    for ring in rings.values():
        assert len({other(edit) for edit in ring}) == len(ring) > 1
        following |= {edit.id: after for edit, after in zip(ring, ring[1:] + ring[:1], strict=True)}
    return [truth_of(following[edit.id]) for edit in edits]


Scores = dict[str, float]


class Judge:
    """Scores answers to the edits of a material."""

    def __init__(self, material: Material) -> None:
        self.scorer = material.scorer
        self.references = shard_references(material.edits, {}, self.scorer)
        self.domains = np.array([edit.source.domain for edit in material.edits])
        self.real = {
            domain: self.scorer.of_sets.features(np.stack(images)) for domain, images in material.real.items()
        }

    def scores(self, outputs: Sequence[Image]) -> Scores:
        """Mean of every column of image metrics; set metrics by domain, then their mean."""
        scored = score_shard(list(outputs), self.references, self.scorer)
        found = scored.rows.groupby("metric", sort=False)["value"].mean().to_dict()
        for metric in self.scorer.set_metrics:
            name = metric.network.card.name
            values = [
                metric.compute(scored.features[name][self.domains == domain], real[name])
                for domain, real in self.real.items()
            ]
            found[metric.card.id] = float(np.mean(values))
        return found


class Result(NamedTuple):
    """The scores of one group."""

    fault: str
    step: float
    scores: Scores


def measure(material: Material) -> list[Result]:
    """The scores of every group."""
    judge = Judge(material)
    return [Result(group.fault, group.step, judge.scores(group.outputs)) for group in groups(material)]


def ladder_of(results: Sequence[Result], fault: str, metric: str) -> list[float]:
    """A metric's values along a ladder, from the truth to the strongest step."""
    return [result.scores[metric] for result in results if result.fault in (TRUTH, fault)]


def order(values: Sequence[float], better: str) -> str:
    """Whether each step of a ladder scores worse than the one before; the first value is the truth's."""
    sign = -1 if better == "higher" else 1
    worse = [sign * (after - before) > 0 for before, after in pairwise(values)]
    if all(worse):
        return "yes"
    last_fault = max(step for step, is_worse in enumerate(worse, start=1) if not is_worse)
    return "no" if last_fault == len(worse) else f"from step {last_fault + 1} on"


SHOWN = {
    "rendered faces": ("ecs@embedded", "fss@embedded", "quality@embedded", "kid@embedded", "mae.face"),
    "London photos": ("ecs@fer", "fss@dlib", "quality@embedded", "kid@embedded", "mae.face"),
}
"""Title of a material to the columns that the figure shows."""
ALONE = (COPY, PERSON, EXPRESSION)
"""Faults without a ladder."""


@styled
def figure(found: Mapping[str, Sequence[Result]]) -> Figure:
    """A row of panels for each material: ladders as lines, the other faults as single marks beside them."""
    faults = [(fault, fault, fault in ALONE) for fault in (*LADDERS, STRENGTH, *ALONE)]
    looks = models_of(faults)
    across = max(map(len, SHOWN.values()))
    drawing, axes = panels(across * len(found), across, 1.25, looks, width=WIDE)
    places = [(title, column) for title in found for column in SHOWN[title]]
    for panel, (title, column) in zip(axes, places, strict=True):
        draw(panel, found[title], column, looks)
        panel.set_title(f"{column}\n{title}")
    label_outside(axes, x="step (0: truth)", across=across)
    legend(drawing, looks)
    return drawing


def draw(panel: Axes, results: Sequence[Result], column: str, looks: Sequence[Model]) -> None:
    """One panel; the grey line is the truth's score."""
    last = len(SHARES)
    for look in looks:
        if look.control:
            place = last + 1 + ALONE.index(look.name)
            single = [result.scores[column] for result in results if result.fault == look.name]
            panel.plot([place] * len(single), single, linestyle="", markersize=4, **drawn(look))
        elif any(result.fault == look.name for result in results):
            panel.plot(range(last + 1), ladder_of(results, look.name, column), markersize=2.5, **drawn(look))
    truth = ladder_of(results, TRUTH, column)[0]
    panel.axhline(truth, color="#8C8C8C", linewidth=0.6, zorder=0)
    panel.set_xticks(range(last + 1))
    panel.set_xlim(-0.4, last + len(ALONE) + 0.4)


def columns_of(scorer: Scorer) -> dict[str, str]:
    """The columns of the page's tables, each with its direction."""
    headlines = {card.column_names[0]: card.direction for card in scorer.cards}
    further = {"ecs.probability": "higher", "fss.verified": "higher", "mae.changed": "lower"}
    return headlines | {
        column: direction
        for card in scorer.cards
        for column in card.column_names
        if (direction := further.get(column.partition("@")[0]))
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def faults_table(results: Sequence[Result], columns: Sequence[str]) -> str:
    """Truth and faults that have no ladder, and half of the expression: one column each."""
    alone = [result for result in results if np.isnan(result.step)]
    alone += [result for result in results if result.fault == STRENGTH and result.step == 0.5]
    named = [result.fault if np.isnan(result.step) else "half the expression" for result in alone]
    body = [[f"`{name}`", *(f"{result.scores[name]:.3f}" for result in alone)] for name in columns]
    return table([["score", *named], *body])


def ladders_table(results: Sequence[Result], columns: Mapping[str, str]) -> str:
    """One row for each score and ladder, from the truth to the strongest step."""
    rows = [["score", "fault", "truth", *(f"step {n + 1}" for n in range(len(SHARES))), "each step worse"]]
    present = {result.fault for result in results}
    for column, better in columns.items():
        for fault in (*LADDERS, STRENGTH):
            if fault in present:
                values = ladder_of(results, fault, column)
                numbers = [f"{value:.3f}" for value in values]
                rows.append([f"`{column}`", fault, *numbers, order(values, better)])
    return table(rows)


def steps_table() -> str:
    """What the steps of each ladder are."""
    rows = [["ladder", "steps", "unit"]]
    rows += [[name, ", ".join(f"{step:g}" for step in it.steps), it.unit] for name, it in LADDERS.items()]
    shares = ", ".join(f"{share:g}" for share in SHARES)
    return table([*rows, [STRENGTH, shares, "share of the true intensity; rendered faces only"]])


def main() -> None:
    """Measure, draw, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10, help="rendered people in each domain")
    parser.add_argument("--london", type=Path, help="folder of London photos; left out where not given")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    materials = [rendered(args.subjects)] + ([london(args.london)] if args.london else [])
    found = {material.title: measure(material) for material in materials}
    write(found, materials, args.docs)


def write(found: Mapping[str, Sequence[Result]], materials: Sequence[Material], docs: Path) -> None:
    """The figure and the page."""
    parts = [section(material, found[material.title]) for material in materials]
    parts += ruins_sections(materials[1:])
    scored = {card.id for material in materials for card in material.scorer.cards}
    known = scored | SECOND_NAMES
    rest = ", ".join(f"`{name}`" for name in METRICS.names() if name not in known)
    page = PAGE.format(sections="\n".join(parts), steps=steps_table(), rest=rest)
    write_page(docs / "validity.md", page)
    save(figure(found), docs / "images", "validity")


SECOND_NAMES = {"ecs@embedded-judge2"}
"""Ids of metrics that are scored under another one."""


def section(material: Material, results: Sequence[Result]) -> str:
    """The tables of one material."""
    columns = columns_of(material.scorer)
    people = len({edit.source.subject for edit in material.edits})
    domains = len({edit.source.domain for edit in material.edits})
    return f"""## {material.title[0].upper() + material.title[1:]}

{len(material.edits)} edits of {people} people in {domains} domain{"s" if domains > 1 else ""}.

{WORDS[material.title](results)}

{faults_table(results, list(columns))}

{ladders_table(results, columns)}
"""


def at(results: Sequence[Result], fault: str, metric: str, step: int = 1) -> str:
    """A score at a step of a ladder; a fault without one has one step, the truth is step 0."""
    return f"{ladder_of(results, fault, metric)[step]:.3f}"


def words_on_rendered(results: Sequence[Result]) -> str:
    """What the embedded metrics see."""
    at_ = partial(at, results)
    ecs, fss, quality, fid = "ecs@embedded", "fss@embedded", "quality@embedded", "fid@embedded"
    return f"""- **ECS** follows the expression: {at_(TRUTH, ecs, 0)} for the truth,
  {at_(STRENGTH, ecs, 3)} at half its strength, {at_(EXPRESSION, ecs)} for another expression,
  {at_(COPY, ecs)} for the unchanged input. It says little of the rest: the strongest noise and blur
  still score {at_("noise", ecs, 5)} and {at_("blur", ecs, 5)}. Another person with the right expression
  scores {at_(PERSON, ecs)}, by construction.
- **FSS** sees the person: {at_(PERSON, fss)} for another one, {at_(TRUTH, fss, 0)} for the truth. It
  falls as the expression gets stronger, from {at_(COPY, fss)} for the unchanged input to
  {at_(TRUTH, fss, 0)} at full strength. The less a model changes the higher it stands: read it beside ECS.
- **Quality** falls from {at_(TRUTH, quality, 0)} to {at_("blur", quality, 5)} with blur, to
  {at_("noise", quality, 5)} with noise and to {at_("JPEG", quality, 5)} with JPEG. The network was
  trained to rank these three degradations and four more, so this is validation on the training task, not on
  faults that it has not met. The expression hardly changes it: {at_(TRUTH, quality, 0)} at full strength,
  {at_(STRENGTH, quality, 4)} at a quarter of it.
- **FID and KID** see a set as a whole, whichever image answers which edit: with persons or expressions
  exchanged they give the truth's value ({at_(PERSON, fid)}, {at_(TRUTH, fid, 0)}) by construction. They order
  strong harm, but of so few images not the slightest: the weakest blur has {at_("blur", fid, 1)}, the
  unchanged input {at_(COPY, fid)}. So a run calibrates them on real images before it ranks anything by
  them.
- **Fidelity** sees whatever moves a pixel, but not what it is worth: in the face, half of the expression
  costs {at_(STRENGTH, "mae.face", 3)} grey levels and noise of 5 grey levels
  {at_("noise", "mae.face", 2)}. Where the expression changes the face (`mae.changed`) it is
  {at_(STRENGTH, "mae.changed", 3)} against {at_("noise", "mae.changed", 2)}."""


def words_on_london(results: Sequence[Result]) -> str:
    """What the portable metrics see, and the embedded ones on real photos."""
    at_ = partial(at, results)
    ecs, fss, quality, fid = "ecs@fer", "fss@dlib", "quality@embedded", "fid@embedded"
    return f"""There are smiles only: no wrong expression but the unchanged input, and no half a smile.

- **ECS** through FER's network has a low ceiling: it recognises {at_(TRUTH, ecs, 0)} of the real smiles.
  Blur does not order it ({at_("blur", ecs, 1)} at the first step, {at_("blur", ecs, 5)} at the last);
  strong noise does ({at_("noise", ecs, 5)}).
- **FSS** through dlib's network puts another person at {at_(PERSON, fss)} and the truth at
  {at_(TRUTH, fss, 0)}: the scale is narrow, and `fss.verified@dlib`, {at_(PERSON, "fss.verified@dlib")}
  and {at_(TRUTH, "fss.verified@dlib", 0)}, says what it means.
- **Quality** through the embedded network, which never saw a photo, gives real photos
  {at_(TRUTH, quality, 0)} and orders the same three ladders, which it was trained to rank on rendered faces.
  Its level is not that of rendered faces: compare within one data set.
- **FID and KID** of sets as small as this one see strong harm only: the truth has {at_(TRUTH, fid, 0)},
  blurred by one pixel {at_("blur", fid, 2)}, by three {at_("blur", fid, 5)}."""


WORDS = {"rendered faces": words_on_rendered, "London photos": words_on_london}

PAGE = """# What each metric can and cannot see

True targets, degraded in known ways, are scored as if a model had made them. A metric that is to be believed
must put them in order. `python benchmarks/validity.py --london photos/london` (after `bench weights fetch
portable`) measures this page and draws the figure.

![Every metric against every fault](images/validity.png)

Lines are faults in growing steps; the marks on the right have no steps: the unchanged input (copy), the truth
of another person, the truth of another expression. The grey line is the truth's own score.

For another person the true targets are exchanged among the edits of one expression in a domain, for another
expression among those of one person. A score that depends only on the output and on what is kept then has the
truth's mean by construction: ECS for another person, FSS for another expression, quality and scores of sets
for both. That these agree below says nothing of the networks. All numbers are means without intervals, and
*each step worse* compares them without a test.

{steps}

**Not validated here**: {rest}.
Where published weights were not at hand, the same architectures with filled weights show that the arithmetic
is right ([precision](precision.md)), not what the networks see.

{sections}"""

RUINS_SECTION = """## Severe artefacts

True targets of three rendered people in studio, portrait and avatar (54 edits), with severe artefacts:
squares of 8 pixels 40 grey levels lighter and darker, 80 grey levels more of red and fewer of blue, a blur of
4 pixels, every second square of 16 pixels replaced by the one in the middle.

{table}

Networks of expression and identity, and so joint success, let many of them pass. `works` asks besides for a
quality that is not below the 1st percentile of the real photos of the same domain (of fewer than 100, the
worst one). It refuses most, not all: the quality network learned from blur, noise, compression and four
other degradations, and hardly sees that patches of a sharp picture repeat. Look at the pictures too.
"""

RUINED_PHOTOS_SECTION = """The same artefacts on London's smiles, seen by published networks:

{table}

FER takes chequers for smiles: it sees them in {chequers} of the chequered pictures and in {smiles} of the
true smiles; face-api, in {other} of the chequered ones. So an expression counts only beside a verified
identity and a look at the pictures. Blur and colour still pass as `works` ({blurred} and {tinted}): of so few
photos the floor is the quality of the worst one, and the embedded quality network never saw a photo.
QualiCLIP, by `--backend paper`, is made for photos; its weights were not at hand here.
"""


if __name__ == "__main__":
    main()
