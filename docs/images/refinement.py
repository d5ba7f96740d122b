"""Makes the picture of docs/registered.md that compares the refinement with its first stage alone.

The checkpoint of each data set is one of ``bench train --model reggan-registered-refined``; the people shown
are chosen by a seed among those that it has not seen. London must be registered (docs/london.md).

PYTHONPATH=docs/images python docs/images/refinement.py --rendered CHECKPOINT --london CHECKPOINT_OF_A_FOLD
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from real import SEED, SIZE, Row, truth, write

from fesbench.core.contracts import Edit, Failure, Image
from fesbench.datasets.images import resize
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.rendered import RenderedDataset
from fesbench.datasets.splits import shuffled
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.reggan.registered_refinement import RegisteredRegGAN

PEOPLE = 4
COLUMNS = ("Input", "First stage", "Refined", "Truth")


def main() -> None:
    """Write ``refinement.jpg`` beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rendered", type=Path)
    parser.add_argument("--london", type=Path)
    args = parser.parse_args()
    rows: list[Row] = []
    if args.rendered:
        rows += compared(args.rendered, list(rendered()))
    if args.london:
        rows += compared(args.london, list(held_out(args.london)))
    write("refinement", COLUMNS, rows)


def rendered() -> Iterator[Edit]:
    """Test people, each with another expression."""
    edits = RenderedDataset("test", ["studio"], size=SIZE).edits()
    people = shuffled({edit.source.subject for edit in edits}, SEED)[:PEOPLE]
    targets = list(dict.fromkeys(edit.target for edit in edits))
    for number, name in enumerate(people):
        own = {edit.target: edit for edit in edits if edit.source.subject == name}
        yield own[targets[number % len(targets)]]


def held_out(checkpoint: Path) -> Iterator[Edit]:
    """People of London whom the training of a fold has not seen."""
    record = json.loads(checkpoint.with_suffix(".json").read_text(encoding="utf-8"))["training"]
    people = shuffled(record["held_out"], SEED)[:PEOPLE]
    yield from (edit for edit in load_dataset("london", "all").edits() if edit.source.subject in people)


def compared(checkpoint: Path, edits: Sequence[Edit]) -> list[Row]:
    """Input, output of the first stage alone, output with the refinement, and truth of each edit."""
    refined = outputs(RegisteredRegGAN.from_checkpoint(checkpoint), edits)
    alone = RegisteredRegGAN.from_checkpoint(checkpoint)
    alone.network.refinement = None
    pairs = zip(edits, outputs(alone, edits), refined, strict=True)
    return [(edit.target, [resize(edit.source.load(), SIZE), *made, truth(edit)]) for edit, *made in pairs]


def outputs(model: RegisteredRegGAN, edits: Sequence[Edit]) -> list[Image | Failure]:
    """The outputs at ``SIZE`` pixels."""
    return GeneratorSynthesizer(model, (), SIZE).answer(edits)


if __name__ == "__main__":
    main()
