import json

import numpy as np
import pandas as pd
import pytest

from fesbench.core.json_values import json_value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (np.float32("inf"), None),
        (None, None),
        (pd.NA, None),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ("text", "text"),
        (0, 0),
    ],
)
def test_what_json_cannot_hold_is_null(value, expected):
    found = json_value(value)
    assert found == expected
    assert type(found) is type(expected)
    json.dumps(found, allow_nan=False)
