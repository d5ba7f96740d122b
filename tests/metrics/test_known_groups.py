"""Outputs with known faults are ordered as they must be: a small part of ``benchmarks/validity.py``."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "validity.py"


@pytest.fixture(scope="module")
def validity():
    spec = importlib.util.spec_from_file_location("validity", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FILE.parent)  # as for a script
        spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def results(validity):
    """Two people of two domains, every fault, and two steps of each ladder."""
    validity.LADDERS = {name: it._replace(steps=it.steps[1::2]) for name, it in validity.LADDERS.items()}
    validity.SHARES = validity.SHARES[1::2]
    return validity.measure(validity.rendered(2, ("studio", "portrait")))


MUST = [
    ("ecs.probability@embedded", "expression"),
    ("quality@embedded", "blur"),
    ("quality@embedded", "noise"),
    ("quality@embedded", "JPEG"),
    ("fss@embedded", "blur"),
    ("fss@embedded", "noise"),
    ("mae.face", "blur"),
    ("mae.face", "noise"),
    ("mae.face", "JPEG"),
    ("mae.face", "expression"),
    ("mae.changed", "expression"),
]


@pytest.mark.parametrize(("column", "fault"), MUST)
def test_every_step_of_a_fault_scores_worse(column, fault, results, validity):
    values = validity.ladder_of(results, fault, column)
    better = "lower" if column.startswith("mae") else "higher"
    assert validity.order(values, better) == "yes", values


@pytest.mark.parametrize("column", ["fid@embedded", "kid@embedded"])
@pytest.mark.parametrize("fault", ["blur", "noise", "JPEG"])
def test_sets_are_worse_with_every_strong_step(column, fault, results, validity):
    """A weak step may come out better than the truth: what few images can tell ends somewhere."""
    truth, *values = validity.ladder_of(results, fault, column)
    assert np.all(np.diff(values) > 0), values
    assert values[-1] > 2 * truth


def score(results, fault, column):
    return next(result.scores[column] for result in results if result.fault == fault)


def test_identity_and_expression_are_seen_by_their_own_metric_only(results):
    ecs, fss = "ecs@embedded", "fss@embedded"
    assert score(results, "wrong person", ecs) == score(results, "truth", ecs) > 0.95
    assert score(results, "wrong expression", ecs) < 0.05
    assert score(results, "copy", ecs) < 0.05
    assert score(results, "copy", fss) == pytest.approx(1, abs=1e-6)
    assert score(results, "wrong expression", fss) == pytest.approx(score(results, "truth", fss), abs=0.01)
    assert score(results, "wrong person", fss) < 0.5 < 0.95 < score(results, "truth", fss)


@pytest.mark.parametrize("fault", ["wrong person", "wrong expression"])
@pytest.mark.parametrize("column", ["fid@embedded", "kid@embedded", "quality@embedded"])
def test_who_answers_which_edit_is_nothing_to_a_set(fault, column, results):
    assert score(results, fault, column) == pytest.approx(score(results, "truth", column), abs=1e-5)


def test_ruins_that_show_the_expression_of_the_person_do_not_work(validity):
    """Expression and identity alone let a third and more of the blurred pictures pass."""
    found = validity.ruined(validity.rendered(2, ("studio", "portrait")))
    truth, *ruins = found.values()
    *seen, patched = [ruin["works@embedded"] for ruin in ruins]
    assert truth["works@embedded"] > 0.95
    assert found["blur of 4 pixels"]["joint@embedded"] > 0.3
    assert seen == pytest.approx([0, 0, 0], abs=0.1)
    assert patched < 0.3  # the quality network hardly sees that sharp patches repeat
    assert all(ruin["works@embedded"] <= ruin["joint@embedded"] for ruin in ruins)
