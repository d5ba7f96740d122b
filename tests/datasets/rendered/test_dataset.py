import itertools
import pickle
import re

import numpy as np
import pytest

from fesbench.core.contracts import NEUTRAL
from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.rendered import (
    DOMAINS,
    EXPRESSIONS,
    SPLITS,
    RenderedDataset,
    action_units_of,
    make_identity,
    subject_seed,
)


@pytest.fixture(scope="module")
def small():
    return RenderedDataset("test", subjects=2, size=64)


def test_defaults():
    train, val, test = (RenderedDataset(split) for split in ("train", "val", "test"))
    assert train.domains == val.domains == ("studio",)
    assert test.domains == DOMAINS
    assert len({sample.subject for sample in train.samples()}) == 200
    assert len({sample.subject for sample in val.samples()}) == 40
    assert len(test.edits()) == 5 * 20 * 6
    assert test.expressions == EXPRESSIONS


def test_ids_are_unique_and_safe(small):
    ids = [sample.id for sample in small.samples()] + [edit.id for edit in small.edits()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in ids)
    assert small.samples()[0].id == "studio-test-0000-neutral"


def test_splits_share_no_subject():
    seeds = [
        subject_seed(split, domain, index, seed)
        for split, domain, index, seed in itertools.product(SPLITS, DOMAINS, (0, 1, 999_999), (0, 1))
    ]
    assert len(set(seeds)) == len(seeds)
    assert len({make_identity(seed).texture for seed in seeds}) == len(seeds)
    subjects = [{sample.subject for sample in RenderedDataset(split).samples()} for split in SPLITS]
    assert not any(a & b for a, b in itertools.combinations(subjects, 2))


@pytest.mark.parametrize("domain", DOMAINS)
def test_truth_is_registered_with_the_source(small, domain):
    for edit in small.edits():
        if edit.source.domain != domain:
            continue
        source, truth = edit.source.load(), edit.truth.load()
        assert (source[:6, :4] == truth[:6, :4]).all(), edit.id
        unchanged = (source == truth).all(axis=2)
        region = edit.source.load_mask() | edit.truth.load_mask()
        assert unchanged[~region].mean() > 0.75, edit.id
        assert (~unchanged)[region].mean() > 0.15, edit.id


def test_masks_match_images(small):
    sample = small.samples()[0]
    assert sample.load_mask().shape == sample.load().shape[:2]
    assert sample.load_mask().dtype == np.bool_


def test_loaded_images_belong_to_the_caller(small):
    sample = small.samples()[0]
    image = sample.load()
    image[:] = 0
    assert sample.load().any()


def test_pairs_are_other_shots():
    train = RenderedDataset("train", subjects=2, size=64)
    pairs = train.pairs()
    assert len(pairs) == 2 * 6
    for source, target in pairs:
        assert (source.expression, source.subject) == (NEUTRAL, target.subject)
        background = source.load()[:6, :4], target.load()[:6, :4]
        assert (background[0] != background[1]).any()
    truths = {edit.truth.id for edit in train.edits()}
    assert truths.isdisjoint(target.id for _, target in pairs)


def test_references_are_other_people_as_many_as_edits(small):
    references = small.references()
    assert len(references) == len(small.edits())
    assert {sample.domain for sample in references} == set(DOMAINS)
    assert {sample.subject for sample in references}.isdisjoint(sample.subject for sample in small.samples())
    assert NEUTRAL not in {sample.expression for sample in references}


def test_samples_travel_to_other_processes(small):
    sample = small.samples()[3]
    copy = pickle.loads(pickle.dumps(sample))
    assert (copy.load() == sample.load()).all()


def test_digest_changes_with_every_parameter():
    variants = [
        RenderedDataset(),
        RenderedDataset("reference"),
        RenderedDataset(domains=("studio",)),
        RenderedDataset(subjects=3),
        RenderedDataset(size=64),
        RenderedDataset(seed=1),
    ]
    assert len({variant.digest for variant in variants}) == len(variants)
    assert RenderedDataset().digest == RenderedDataset(domains=DOMAINS, subjects=20).digest


def test_another_seed_gives_other_people():
    first, second = (RenderedDataset(subjects=1, size=64, seed=seed).samples()[0] for seed in (0, 1))
    assert (first.load() != second.load()).mean() > 0.2


def test_action_units_of_samples_and_pair_targets():
    train = RenderedDataset("train", subjects=1, size=64)
    seed = subject_seed("train", "studio", 0)
    expected = action_units_of(seed, "happy").vector()
    assert (train.action_units("studio-train-0000-happy") == expected).all()
    assert (train.action_units("studio-train-0000-happy-shot") == expected).all()
    with pytest.raises(UnknownName, match="rendered sample"):
        train.action_units("studio-train-0009-happy")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "tests"}, UnknownName, "Did you mean test"),
        ({"domains": ("statues",)}, UnknownName, "Did you mean statue"),
        ({"size": 32}, DatasetError, "64 to 512"),
        ({"size": 1024}, DatasetError, "64 to 512"),
        ({"subjects": 0}, DatasetError, "1 to 1000000"),
        ({"seed": -1}, DatasetError, "0 or more"),
    ],
)
def test_impossible_requests_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        RenderedDataset(**arguments)
