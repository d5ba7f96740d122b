"""What works: joint success, and a quality that real photos of the same domain have."""

import numpy as np
import pandas as pd

from fesbench.scoring.score_rows import SCORES
from fesbench.statistics.measures import measures_of
from fesbench.statistics.summary import with_joint
from fesbench.statistics.works import floors_note, quality_floors

ECS, FSS, QUALITY = "ecs@fer", "fss.verified@dlib", "quality@embedded"


def rows(generator, domain, quality, right=1.0, same=1.0):
    """One subject and edit for each value of ``quality``."""
    return [
        (generator, "set", domain, f"s{i}", f"{domain}{i}", "neutral", "happy", metric, value, reason)
        for i, one in enumerate(quality)
        for metric, value, reason in (
            (ECS, right, None),
            (FSS, same, None),
            (QUALITY, one, None if one is not None else "not scored"),
        )
    ]


def long_form(*parts):
    return pd.DataFrame([row for part in parts for row in part], columns=SCORES.names)


def test_floors_are_the_first_percentile_of_real_photos_of_the_domain():
    many = np.random.default_rng(0).permutation(200) / 200
    scores = long_form(
        rows("copy", "studio", many),
        rows("truth", "statue", [0.5, 0.3, None]),
        rows("stargan", "studio", [0.0, 0.0]),
    )
    assert quality_floors(scores, QUALITY) == {("set", "studio"): 0.005, ("set", "statue"): 0.3}


def test_works_needs_expression_identity_and_quality():
    real = rows("copy", "studio", [0.7, 0.9]), rows("copy", "statue", [0.4, 0.5])
    found, known = with_joint(
        long_form(
            *real,
            rows("good", "studio", [0.8, 0.7, 0.69, None]),
            rows("good", "statue", [0.69, 0.4, 0.39]),
            rows("wrong", "studio", [0.8, None], right=0.0),
            rows("other", "studio", [0.8], same=0.0),
        ),
        measures_of([]),
    )
    column = "works@fer+dlib+embedded"
    assert known[column].bounds == (0.0, 1.0)
    assert not known[column].headline
    found = found[found["metric"] == column].sort_values("edit")
    values = {key: list(part["value"]) for key, part in found.groupby(["generator", "domain"])}
    np.testing.assert_array_equal(values["good", "studio"], [1, 1, 0, np.nan])
    assert values["good", "statue"] == [1, 1, 0]
    assert (values["wrong", "studio"], values["other", "studio"]) == ([0, 0], [0])
    assert list(found.loc[found["value"].isna(), "reason"]) == ["not scored"]


def test_without_real_photos_nothing_is_said_to_work():
    found, known = with_joint(long_form(rows("stargan", "studio", [0.8])), measures_of([]))
    assert set(known) == {"joint@fer+dlib"}
    assert set(found["metric"]) == {ECS, FSS, QUALITY, "joint@fer+dlib"}


def test_the_note_states_the_floors():
    note = floors_note(QUALITY, {("set", "studio"): 0.71234})
    assert "1st percentile of the real photos" in note
    assert note.endswith("studio of set 0.712.")
