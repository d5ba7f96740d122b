"""From ``bench train --folds`` to a run that edits every subject by the network that has not seen them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fesbench.cli.train import train
from fesbench.core.errors import BenchError
from fesbench.generators.registry import load_model
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.runs.models import make_cell
from fesbench.runs.plan import make_plan
from fesbench.runs.spec import RunSpec

FOLDS = 2


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    """Five people, neutral and happy."""
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=range(5), happy=range(5))


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("train")
    size = ["--steps", 1, "--size", 16, "--folds", FOLDS]
    arguments = ["--model", "reggan", "--data", faces, "--out", out, *size]
    for resume in ([], ["--resume"]):
        done = CliRunner().invoke(
            train, [str(word) for word in [*arguments, *resume]], catch_exceptions=False
        )
        assert done.stdout.splitlines()[-1] == str(out / "reggan.folds.json")
    return out


def prepared(checkpoint, faces, **fields):
    plan = make_plan(RunSpec(models=("reggan",), data=(str(faces),), resolution=32, **fields))
    model = load_model("reggan", checkpoint)
    return make_cell(model, "reggan", plan.datasets[0], plan.spec, pairs=None, device="cpu")


def test_every_subject_is_edited_by_the_network_that_has_not_seen_them(trained, faces):
    cell = prepared(trained / "reggan.folds.json", faces, folds=FOLDS)
    assert (cell.block, cell.card.trained_on) == ("main", "faces, 2 subject-disjoint folds")
    edits = {edit.source.subject: edit for edit in cell.dataset.edits}
    answers = dict(zip(edits, cell.synthesizer.answer(list(edits.values())), strict=True))
    tested = []
    for number in range(1, FOLDS + 1):
        checkpoint = trained / f"fold-{number}" / "reggan.safetensors"
        record = json.loads(checkpoint.with_suffix(".json").read_text())
        assert record["card"]["trained_on"] == f"faces (all but fold {number} of 2, studio)"
        member = GeneratorSynthesizer(load_model("reggan", checkpoint), ("neutral", "happy"), 32)
        for subject in record["training"]["held_out"]:
            (alone,) = member.answer([edits[subject]])
            assert np.array_equal(answers[subject], alone)
            tested.append(subject)
    assert sorted(tested) == sorted(edits)


def test_a_network_that_learned_from_the_people_who_are_tested_is_refused(trained, faces):
    with pytest.raises(BenchError, match=r"reggan was trained on faces, all of whose people are tested here"):
        prepared(trained / "fold-1" / "reggan.safetensors", faces, folds=FOLDS)


def test_a_network_that_learned_from_other_data_is_compared_apart(faces):
    assert prepared(None, faces, folds=FOLDS).block == "transfer"


def test_other_folds_than_those_of_the_training_are_refused(trained, faces):
    with pytest.raises(BenchError, match="--folds must be those of the training"):
        prepared(trained / "reggan.folds.json", faces, folds=FOLDS + 1)


def test_a_data_set_that_is_not_cut_is_refused(trained):
    with pytest.raises(BenchError, match="does not cut rendered into folds"):
        prepared(trained / "reggan.folds.json", "rendered", limit=1)


def test_pictures_that_no_fold_has_seen_are_edited_by_the_first_network_as_far_as_it_learned(trained, faces):
    spec = RunSpec(models=("reggan",), data=(str(faces), "ood-real"), resolution=32, folds=FOLDS)
    plan = make_plan(spec).datasets[1]
    assert (plan.name, plan.protocol, plan.training_set) == ("ood-real", "transfer", "faces")
    assert plan.targets == ("happy",)
    assert {edit.target for edit in plan.edits} == {"happy"}
    model = load_model("reggan", trained / "reggan.folds.json")
    cell = make_cell(model, "reggan", plan, spec, pairs=None, device="cpu")
    assert (cell.block, cell.card.trained_on) == ("main", "faces (all but fold 1 of 2, studio)")
    alone = GeneratorSynthesizer(
        load_model("reggan", trained / "fold-1" / "reggan.safetensors"), ("neutral", "happy"), 32
    )
    first = plan.edits[:2]
    assert np.array_equal(cell.synthesizer.answer(first), alone.answer(first))
