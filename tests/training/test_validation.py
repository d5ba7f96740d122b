"""What validation makes of a candidate's outputs."""

import numpy as np

from fesbench.core.contracts import Failure
from fesbench.training.validation import NO_OUTPUT, _error, _same_person

FACES = np.stack([np.full((32, 32, 3), grey, np.uint8) for grey in (50, 90, 200)])


def test_the_same_person_is_whose_truth_is_nearest_among_those_of_the_target():
    outputs = [FACES[0] + 15, FACES[1] - 30, FACES[2]]
    assert _same_person(outputs, FACES, ["happy", "happy", "sad"]) == [1.0, 0.0, 1.0]


def test_no_output_is_no_success_and_the_largest_error():
    assert _same_person([Failure("none")], FACES[:1], ["happy"]) == [0.0]
    assert _error(Failure("none"), FACES[0]) == NO_OUTPUT
    assert _error(FACES[0] + 3, FACES[0]) == 3.0
