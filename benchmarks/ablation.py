"""What each part of RegGAN earns: variants trained alike, judged on validation subjects of all domains.

Every variant is trained on the rendered studio train split for the same number of steps from the same seed.
It edits the val split's subjects: the studio ones, and as many of every other domain; test subjects and the
final judge are not looked at. The table describes the variants, none is chosen by it. Run from the checkout:

    python benchmarks/ablation.py --steps 6000

A finished variant is kept in ``--work`` and not trained again.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from pages import write_page

from fesbench.core.contracts import STUDIO, Batch, Edit, Image
from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader, load_ahead
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.rendered.dataset import RenderedDataset
from fesbench.datasets.rendered.scene import DOMAINS
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.synthesis import GeneratorSynthesizer, at_size
from fesbench.generators.training_data import TrainingImages, load_images
from fesbench.metrics.fidelity import Fidelity
from fesbench.metrics.registry import load_metric
from fesbench.reggan.attention import ATTENTION_TYPES
from fesbench.reggan.model import Options, RegGAN
from fesbench.reggan.refinement import RefinementOptions
from fesbench.training.trainer import Trainer

SIZE = 128
WHOLE = Options()
METRICS = {"ECS": "ecs@embedded-judge1", "FSS": "fss@embedded", "quality": "quality@embedded"}
ERRORS = {"MAE changed": "mae.changed", "MAE face": "mae.face"}


def refined(**changes: object) -> Options:
    """RegGAN with another refinement."""
    return replace(WHOLE, refinement=replace(RefinementOptions(), **changes))


VARIANTS = {
    "RegGAN": WHOLE,
    "no regression": replace(WHOLE, regression=None),
    "no refinement": replace(WHOLE, refinement=None),
    **{
        f"no {kind} attention": refined(attention=tuple(name for name in ATTENTION_TYPES if name != kind))
        for kind in ATTENTION_TYPES
    },
    "no attention": refined(attention=()),
    "no mask": refined(composition="sum"),
    "both stages jointly": replace(WHOLE, joint=True),
}


def main() -> None:
    """Train what is missing, judge everything, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--subjects", type=int, default=20, help="of each domain, to judge by")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="only this one; repeatable")
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"), help="finished variants")
    parser.add_argument("--out", type=Path, default=Path("docs/ablation.md"))
    args = parser.parse_args()
    settings = Settings(seed=args.seed, steps=args.steps)
    data = load_images(load_dataset("rendered", "train"), settings.resolution)
    edits = edits_by_place(args.subjects)
    rows = []
    for name in args.variant or VARIANTS:
        model = trained(VARIANTS[name], data, settings, args.steps, args.work)
        rows.append([name, f"{model.card.parameters:,}", *scores(model, edits)])
        print(" | ".join(rows[-1]), flush=True)
    write_page(args.out, page(rows, args.steps, args.seed, args.subjects))


def trained(options: Options, data: TrainingImages, settings: Settings, steps: int, folder: Path) -> RegGAN:
    """The variant's averaged network after ``steps`` steps, from ``folder`` where it is there already."""
    identity = json.dumps([asdict(options), asdict(settings), steps], sort_keys=True)
    file = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.safetensors"
    if file.exists():
        return RegGAN.from_checkpoint(file)
    torch.manual_seed(settings.seed)
    kind = type("Variant", (RegGAN,), {"options": options})
    trainer = Trainer(kind.objective(data, settings), data, settings)
    started = time.monotonic()
    for step in range(steps if options.refinement else 0):
        trainer.advance(step / steps)
    model = RegGAN(copy.deepcopy(trainer.average), data.expressions, settings.resolution)
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(model, file, {"options": identity, "seconds": time.monotonic() - started}, half=True)
    return RegGAN.from_checkpoint(file)


def edits_by_place(subjects: int) -> dict[str, Sequence[Edit]]:
    """Edits of validation subjects with their images loaded: ``studio``, and the other domains together."""
    others = [domain for domain in DOMAINS if domain != STUDIO]
    places = {"studio": [STUDIO], "other domains": others}
    loader = ImageLoader(0)
    found = [RenderedDataset("val", shown, subjects).edits() for shown in places.values()]
    loaded = [batch.edits for batch in load_ahead(found, loader)]
    loader.close()
    return dict(zip(places, loaded, strict=True))


def scores(model: RegGAN, places: dict[str, Sequence[Edit]]) -> Iterable[str]:
    """The cells of a row: metrics and errors, in the studio and elsewhere."""
    for edits in places.values():
        answers = GeneratorSynthesizer(model, model.card.expressions, SIZE).answer(edits)
        sized = at_size(edits, answers, SIZE)
        images = [answer for answer in sized if isinstance(answer, np.ndarray)]
        yield from measured(images, edits)


def measured(outputs: Sequence[Image], edits: Sequence[Edit]) -> Iterable[str]:
    """Means over outputs of the metrics, then of the errors in grey levels."""
    metrics = {name: load_metric(metric) for name, metric in METRICS.items()}
    networks = {network.card.name: network for metric in metrics.values() for network in metric.networks}
    sources = np.stack([resize(edit.source.load(), SIZE) for edit in edits])
    roles = {"output": np.stack(outputs), "source": sources}
    features = {
        name: {
            role: network.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
            for role, images in roles.items()
        }
        for name, network in networks.items()
    }
    truths = [edit.truth.load() if edit.truth else None for edit in edits]
    masks = [edit.source.load_mask() if edit.source.load_mask else None for edit in edits]
    batch = Batch(edits, roles["output"], sources, truths, masks, features)
    for metric in metrics.values():
        found = metric.score(batch)
        yield f"{np.nanmean(found[metric.card.column_names[0]]):.3f}"
    errors = Fidelity().score(batch)
    for column in ERRORS.values():
        yield f"{np.nanmean(errors[column]):.2f}"


def page(rows: Sequence[Sequence[str]], steps: int, seed: int, subjects: int) -> str:
    """The documentation page with the table."""
    measures = [*METRICS, *ERRORS]
    header = ["variant", "parameters", *measures, *(f"{name}, elsewhere" for name in measures)]
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"""# What each part of RegGAN earns

`python benchmarks/ablation.py --steps {steps} --seed {seed} --subjects {subjects}` trains every variant
alike on the rendered studio train split and edits {subjects} validation subjects of the studio, then of
each of the other domains ("elsewhere"). Test subjects and the final judge are not looked at; no setting was
chosen by this table. ECS is that of the development judge, errors are in grey levels, parameters include the
regression's.

{table}
"""


if __name__ == "__main__":
    main()
