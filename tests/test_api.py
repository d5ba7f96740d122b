import inspect
import json

import pytest
import torch
from PIL import Image

import fesbench
from fesbench.api import complete_run, open_run
from fesbench.baselines.ganimation import GANimationNetwork
from fesbench.baselines.stgan import STGANNetwork
from fesbench.core.errors import BenchError, SpecError
from fesbench.datasets.action_units import COLUMNS
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.progress import SILENT
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


def spec(*models: str) -> RunSpec:
    return resolve(RunSpec(models=models, metrics=("ecs",), limit=1))


def test_what_others_asked_for_in_the_meantime_is_kept(tmp_path):
    store = RunStore(tmp_path)
    plan = make_plan(store.grown_spec(spec("copy")))
    store.update_record(spec=spec("truth"))
    results = complete_run(plan, store, "cpu", 0, SILENT)
    assert set(results.cells["generator"]) == {"copy", "truth"}
    assert json.loads((tmp_path / "run.json").read_text())["spec"]["models"] == ["truth", "copy"]
    before = (tmp_path / "summary.json").read_bytes()
    store.write_summary('{"cells": 3}')
    with pytest.raises(BenchError, match=r"summary\.json.*same command"):
        open_run(tmp_path)
    complete_run(plan, store, "cpu", 0, SILENT)  # the same command again mends it
    assert (tmp_path / "summary.json").read_bytes() == before


EXECUTION = {"out", "device", "workers", "timeout", "executor", "progress", "outputs"}
PUBLIC = {"generators": "models", "datasets": "data"}


def test_evaluate_takes_all_fields_of_a_run_with_their_defaults():
    signature = inspect.signature(fesbench.evaluate)
    parameters = {PUBLIC.get(name, name): parameter for name, parameter in signature.parameters.items()}
    assert parameters.keys() == RunSpec.model_fields.keys() | EXECUTION
    stated = {name: parameters[name].default for name in RunSpec.model_fields if name != "backend"}
    assert RunSpec.model_validate(stated) == RunSpec()
    assert parameters["backend"].default is None  # chosen for the data, as bench run does


class Recording(fesbench.Listener):
    """A listener that lists stages and their steps."""

    def __init__(self):
        self.stages = []

    def begin(self, shards, edits):
        self.stages.append(("shards", edits, []))

    def done(self, done):
        self.stages[-1][2].append(done.edits)

    def stage(self, name, steps=0):
        self.stages.append((name, steps, []))

    def step(self, name):
        self.stages[-1][2].append(name)


def test_a_listener_is_told_of_every_step_and_the_run_can_be_loaded(photos, tmp_path):
    told = Recording()
    cells = fesbench.evaluate(
        ("copy", "truth"),
        photos / "photos",
        metrics="ecs,fid",
        resolution=32,
        seed=3,
        out=tmp_path / "run",
        progress=told,
    )
    assert all(len(steps) == count for name, count, steps in told.stages if name != "shards")
    (shards,) = [(edits, sum(done)) for name, edits, done in told.stages if name == "shards"]
    assert shards[0] == shards[1]
    names = [name for name, *_ in told.stages]
    assert names[0] == "load models and metrics"
    assert "fid@embedded of truth on photos" in told.stages[names.index("scores of sets of outputs")][2]
    run = fesbench.load_run(cells.attrs["run"])
    assert (run.results.spec.resolution, run.results.spec.seed) == (32, 3)
    assert run.summary.equals(cells.reindex(columns=run.summary.columns))
    edits = run.outputs()["edit"].unique()
    (axes,) = run.grid(edits).axes
    assert len(axes.images) == 3 * 2  # input and truth; controls are left out
    with pytest.raises(fesbench.UnknownName, match="edit"):
        run.grid(["nobody"])


def test_one_word_or_path_stands_for_a_list(photos):
    torch.manual_seed(0)
    torch.save({"state_dict": STGANNetwork(2, 4, 4).state_dict()}, photos / "G_1.pth.tar")
    cells = fesbench.evaluate(
        "stgan",
        photos / "photos",
        "fss",
        out=photos / "run",
        checkpoints=photos / "G_1.pth.tar",
        labels="neutral,happy",
        native_sizes=48,
    )
    assert set(cells["generator"]) == {"stgan"}
    with pytest.raises(SpecError, match="this run exists with another specification"):
        fesbench.evaluate("stgan", photos / "photos", "fss", out=photos / "run", resolution=64)
    with pytest.raises(SpecError, match="resolution"):
        fesbench.evaluate("copy", resolution=5)


@pytest.fixture
def photos(tmp_path):
    """Three people, neutral and happy, and OpenFace's files of them: all units of happy are 2.5 of 5."""
    header = ",".join(("face", "confidence", "success", *COLUMNS))
    for number in range(3):
        for expression, intensity in (("neutral", 0), ("happy", 2.5)):
            for folder in ("photos", "units"):
                (tmp_path / folder / expression).mkdir(parents=True, exist_ok=True)
            grey = Image.linear_gradient("L").resize((48, 48)).convert("RGB")
            grey.rotate(90 * number).save(tmp_path / "photos" / expression / f"p{number}.png")
            row = ",".join(["0", "0.98", "1", *[str(intensity)] * len(COLUMNS)])
            (tmp_path / "units" / expression / f"p{number}.csv").write_text(f"{header}\n{row}\n")
    return tmp_path


def recorded_card(folder, name):
    ((_, entry),) = open_run(folder).record.models[name].items()
    return entry.card


def test_evaluate_takes_checkpoints_and_what_they_do_not_state(photos):
    torch.manual_seed(0)
    torch.save({"state_dict": STGANNetwork(2, 4, 4).state_dict()}, photos / "G_1.pth.tar")
    common = {"datasets": [str(photos / "photos")], "metrics": ["fss"], "out": photos / "run"}
    stated = {"checkpoints": {"stgan": photos / "G_1.pth.tar"}, "labels": {"stgan": ("Neutral", "Happiness")}}
    cells = fesbench.evaluate(["stgan"], **common, **stated, native_sizes={"stgan": 48})
    assert cells.set_index("metric").loc["fss@embedded", "n_scored"].max() == 3
    card = recorded_card(photos / "run", "stgan")
    assert (card.expressions, card.resolution, card.assumed) == (("neutral", "happy"), 48, ())
    with pytest.raises(SpecError, match="labels of the model stgan is no longer"):
        fesbench.evaluate(["stgan"], **common, **stated | {"labels": {"stgan": ("happy", "neutral")}})


def test_action_units_of_a_user_drive_a_run(photos):
    torch.manual_seed(0)
    torch.save(GANimationNetwork(17, 4, 1).state_dict(), photos / "net_epoch_30_id_G.pth")
    found = fesbench.evaluate(
        ["ganimation"],
        [str(photos / "photos")],
        ["fss"],
        out=photos / "run",
        checkpoints={"ganimation": photos / "net_epoch_30_id_G.pth"},
        native_sizes={"ganimation": 48},
        action_units={"ganimation": photos / "units"},
    )
    assert found["n_scored"].max() == 3
    card = recorded_card(photos / "run", "ganimation")
    assert (card.driven_by, card.expressions, card.assumed) == ("action units", ("neutral", "happy"), ())
    assert "those of units, means over 6 images" in card.choices[-1]
    (photos / "units" / "happy" / "p0.csv").unlink()
    with pytest.raises(SpecError, match="action units of the model ganimation"):
        fesbench.evaluate(
            ["ganimation"],
            [str(photos / "photos")],
            ["fss"],
            out=photos / "run",
            action_units={"ganimation": photos / "units"},
        )
