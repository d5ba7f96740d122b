"""How long a run will take, by what earlier ones took."""

import pytest

from fesbench.runs import rates
from fesbench.runs.execution.progress import Stopwatch
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.rates import Duration, expected_duration, record_rates
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


@pytest.fixture(autouse=True)
def _empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory, random_faces):
    """Return a function that plans models on three happy people: an edit each."""
    faces = random_faces(tmp_path_factory.mktemp("data") / "faces", neutral="abc", happy="abc")

    def plan(*models, **fields):
        asked = {"models": models, "data": (str(faces),), "metrics": ("ecs", "fss")} | fields
        return make_plan(resolve(RunSpec(**asked)))

    return plan


def record(plan, outputs, seconds, run, device="cpu"):
    record_rates(plan, {name: name for name in outputs}, device, run, Stopwatch(seconds, outputs))


def test_the_time_is_that_of_models_of_edits_and_of_the_rest(plan_of, tmp_path):
    store, two = RunStore(tmp_path / "run"), plan_of("stargan", "copy")
    assert expected_duration(two, store, "cpu") is None
    seconds = {
        "synthesize: stargan": 20.0,
        "synthesize: copy": 1.0,
        "fit: stargan on faces": 3.0,
        "score": 8.0,
        "load images": 2.0,
    }
    record(two, {"stargan": 10, "copy": 10}, seconds, 40.0)
    both, alone = (expected_duration(plan, store, "cpu") for plan in (two, plan_of("stargan")))
    rest = 40 - 20 - 1 - 3 - 8 - 2
    assert both == Duration(pytest.approx(rest + 3 * 2 + 3 * 0.1 + 2 * 3 * 0.5 + 3), ())
    assert alone == Duration(pytest.approx(rest + 3 * 2 + 3 * 0.5 + 3), ())


def test_nothing_is_said_of_what_was_not_measured(plan_of, tmp_path):
    store, copy = RunStore(tmp_path / "run"), plan_of("copy")
    record(copy, {"copy": 10}, {"score": 1.0}, 2.0)
    assert expected_duration(plan_of("copy", "truth"), store, "cpu").unknown == ("truth",)
    others = {"resolution": 64}, {"metrics": ("ecs",)}, {"inference": "bfloat16"}, {"models": ("truth",)}
    assert all(expected_duration(plan_of("copy", **other), store, "cpu") is None for other in others)
    assert expected_duration(copy, store, "cuda") is None


@pytest.mark.parametrize("content", ["", "{", '{"models": 3}', '{"later": {}}', '{"edits": {"a": "b"}}'])
def test_damaged_rates_are_begun_anew(plan_of, tmp_path, content):
    place, copy = tmp_path / "home/cache/rates/rates.json", plan_of("copy")
    place.parent.mkdir(parents=True)
    place.write_text(content)
    store = RunStore(tmp_path / "run")
    assert expected_duration(copy, store, "cpu") is None
    record(copy, {"copy": 10}, {"score": 1.0}, 2.0)
    assert expected_duration(copy, store, "cpu") == Duration(pytest.approx(1.0 + 3 * 0.1), ())


def test_a_home_that_cannot_be_written_costs_nothing_else(plan_of, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(rates, "cache_folder", lambda: tmp_path / "file")
    record(plan_of("copy"), {"copy": 10}, {"score": 1.0}, 2.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(2, "5 s"), (42, "40 s"), (58, "1 min"), (200, "3 min"), (7300, "2.0 h")]
)
def test_times_are_told_as_people_tell_them(seconds, text):
    assert str(Duration(seconds, ())) == f"about {text} (measured here)"
    assert str(Duration(seconds, ("mine",))).endswith(" without mine (not measured yet)")
