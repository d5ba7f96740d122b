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
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


class Silent:
    def begin(self, shards: int, edits: int) -> None:
        pass

    def done(self, done) -> None:
        pass

    def stage(self, name: str) -> None:
        pass


def spec(*models: str) -> RunSpec:
    return resolve(RunSpec(models=models, metrics=("ecs",), limit=1))


def test_what_others_asked_for_in_the_meantime_is_kept(tmp_path):
    store = RunStore(tmp_path)
    plan = make_plan(store.grown_spec(spec("copy")))
    store.update_record(spec=spec("truth"))
    results = complete_run(plan, store, "cpu", 0, Silent())
    assert set(results.cells["generator"]) == {"copy", "truth"}
    assert json.loads((tmp_path / "run.json").read_text())["spec"]["models"] == ["truth", "copy"]
    before = (tmp_path / "summary.json").read_bytes()
    store.write_summary('{"cells": 3}')
    with pytest.raises(BenchError, match=r"summary\.json.*same command"):
        open_run(tmp_path)
    complete_run(plan, store, "cpu", 0, Silent())  # the same command again mends it
    assert (tmp_path / "summary.json").read_bytes() == before


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
