"""Values that JSON can hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd


def json_value(value: Any) -> Any:
    """Return a scalar as JSON holds it: None where it is missing or not finite, NumPy scalars as Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    missing = value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    return None if missing else value
