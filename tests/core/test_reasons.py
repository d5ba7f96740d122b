import pandas as pd
import pytest

from fesbench.core.reasons import Reason, have_reason, reason_kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("no output: out of luck", Reason.NO_OUTPUT),
        ("no output: no true target: the data set has none for this edit", Reason.NO_TRUTH),
        ("not scored: ValueError: white", Reason.UNSCORED),
        ("ecs is not defined for this edit", Reason.UNDEFINED),
        ("no true target", Reason.UNDEFINED),
    ],
)
def test_the_prefix_tells_the_kind(reason, kind):
    assert reason_kind(reason) is kind


def test_missing_reasons_are_of_no_kind():
    reasons = pd.Series([None, "no output: x", float("nan"), "not scored: x"])
    assert list(have_reason(reasons, *Reason)) == [False, True, False, True]
    assert list(have_reason(reasons[:0], Reason.UNSCORED)) == []
