"""What validation makes of a candidate's outputs."""

import numpy as np

from fesbench.core.contracts import Failure
from fesbench.training.checkpoint_selection import Outcomes
from fesbench.training.validation import NO_OUTPUT, _error, _free_of_artefacts, _same_person

FACES = np.stack([np.full((32, 32, 3), grey, np.uint8) for grey in (50, 90, 200)])


def test_the_same_person_is_whose_truth_is_nearest_among_those_of_the_target():
    outputs = [FACES[0] + 15, FACES[1] - 30, FACES[2]]
    assert _same_person(outputs, FACES, ["happy", "happy", "sad"]) == [1.0, 0.0, 1.0]


def test_no_output_is_no_success_and_the_largest_error():
    assert _same_person([Failure("none")], FACES[:1], ["happy"]) == [0.0]
    assert _error(Failure("none"), FACES[0]) == NO_OUTPUT
    assert _error(FACES[0] + 3, FACES[0]) == 3.0


def test_chequered_outputs_have_a_stronger_texture_than_any_true_picture():
    random = np.random.default_rng(0)
    inputs = [np.repeat(random.integers(60, 180, (8, 8, 3), np.uint8), 16, 0).repeat(16, 1) for _ in range(3)]
    truths = [image[:, ::-1] for image in inputs]
    chequers = np.where(np.indices((128, 128)).sum(axis=0) // 2 % 2, 25, 0).astype(np.uint8)[..., None]
    assert _free_of_artefacts(inputs, truths, inputs) == [1.0, 1.0, 1.0]
    assert _free_of_artefacts([image + chequers for image in inputs], truths, inputs) == [0.0, 0.0, 0.0]
    assert _free_of_artefacts([Failure("none")] * 3, truths, inputs) == [0.0, 0.0, 0.0]


def test_an_output_with_artefacts_is_no_success():
    subjects, shown = ["a", "a", "b", "b"], [1.0, 1.0, 0.0, 1.0]
    assert Outcomes(subjects, shown, shown, [3.0] * 4).joint.tolist() == shown
    outcomes = Outcomes(subjects, shown, shown, [3.0] * 4, [0.0, 1.0, 1.0, 1.0])
    assert outcomes.joint.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert outcomes.means() == {
        "joint": 0.5, "expression": 0.75, "identity": 0.75, "texture": 0.75, "error": 3.0
    }  # fmt: skip
