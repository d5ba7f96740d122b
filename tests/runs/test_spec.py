import re

import pytest

from fesbench.core.errors import SpecError
from fesbench.runs.spec import RunSpec, by_model, read_config, validate
from fesbench.runs.store.records import RunRecord


def test_models_data_and_metrics_may_be_added():
    earlier = RunSpec(models=("copy",), data=("rendered",), metrics=("ecs",))
    grown = RunSpec(models=("truth",), data=("rendered", "london"), metrics=("fss",)).grown_from(earlier)
    assert grown.models == ("copy", "truth")
    assert grown.data == ("rendered", "london")
    assert grown.metrics == ("ecs", "fss")


@pytest.mark.parametrize("field", [{"seed": 1}, {"resolution": 64}, {"limit": 3}, {"backend": "portable"}])
def test_any_other_change_is_refused_with_both_values(field):
    (name, value), earlier = next(iter(field.items())), RunSpec()
    with pytest.raises(SpecError, match=f"{name}: .* in the run, {value!r} asked for"):
        RunSpec(**field).grown_from(earlier)


def test_a_record_without_upscale_is_of_a_run_that_enlarged_outputs():
    earlier = RunSpec(upscale="output")
    stored = RunRecord(schema_version=1, spec=earlier).to_json()
    assert "upscale" not in stored
    assert RunRecord.parse(stored, "run.json").spec == earlier
    now = RunRecord(schema_version=1, spec=RunSpec()).to_json()
    assert RunRecord.parse(now, "run.json").spec == RunSpec(upscale="change")
    with pytest.raises(SpecError, match="upscale: 'output' in the run, 'change' asked for"):
        RunSpec().grown_from(earlier)


def test_checkpoints_grow_by_model():
    earlier = RunSpec(checkpoints={"stargan": "a.ckpt"})
    assert RunSpec().grown_from(earlier).checkpoints == {"stargan": "a.ckpt"}
    grown = RunSpec(checkpoints={"other": "b.ckpt"}).grown_from(earlier)
    assert grown.checkpoints == {"stargan": "a.ckpt", "other": "b.ckpt"}


@pytest.mark.parametrize("data", ["..", "/", "a folder/with späces", "x" * 300, "con"])
def test_the_run_name_of_any_folder_is_safe(data):
    name = RunSpec(data=(data, data, data)).run_name
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name)
    assert len(name) < 200


def test_run_name_follows_the_specification():
    assert RunSpec().run_name == RunSpec().run_name
    assert RunSpec(seed=1).run_name != RunSpec().run_name
    assert RunSpec(data=("rendered", "some/folder")).run_name.startswith("rendered+folder-")


def test_errors_name_the_field_and_the_value():
    with pytest.raises(SpecError, match=r"flags: resolution: .*\(got 7\)"):
        validate({"resolution": 7}, "flags")
    with pytest.raises(SpecError, match="resolutoin"):
        validate({"resolutoin": 128}, "flags")


@pytest.mark.parametrize(
    "content", ["- a\n- b\n", "models: [copy\n", "!!python/object/apply:os.system ['true']\n", "models: 3\n"]
)
def test_a_bad_config_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "run.yaml"
    path.write_text(content)
    with pytest.raises(SpecError, match=r"run\.yaml"):
        read_config(path)


def test_a_config_file_keeps_defaults(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("models: [copy, truth]\nlimit: 2\n")
    file = read_config(path)
    assert file.stated == {"models": ("copy", "truth"), "limit": 2}
    assert (file.out, file.device, file.workers) == (None, None, None)


def test_a_config_file_takes_the_names_of_flags_and_single_words(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "model: [copy, stargan]\ndata: london\nmetric: ecs, fss\ncheckpoint: G.ckpt\nnative-size: 128\n"
        "labels: {stargan: [neutral, happy]}\nupscale: output\ndevice: cuda\nout: runs/mine\nworkers: 0\n"
    )
    file = read_config(path)
    assert file.stated == {
        "models": ("copy", "stargan"),
        "data": ("london",),
        "metrics": ("ecs", "fss"),
        "checkpoints": {"stargan": "G.ckpt"},
        "labels": {"stargan": ("neutral", "happy")},
        "native_sizes": {"stargan": 128},
        "upscale": "output",
    }
    assert (file.out, file.device, file.workers) == ("runs/mine", "cuda", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: copy\nmodels: [truth]\n", "state it once"),
        ("model: [stargan, sargan]\ncheckpoint: G.ckpt\n", "--checkpoint MODEL=G.ckpt"),
        ("workers: -1\n", "workers"),
        ("native-size: 128\n", "--native-size MODEL=128"),
    ],
)
def test_a_config_file_that_cannot_be_meant_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "run.yaml").write_text(content)
    with pytest.raises(SpecError, match=r"run\.yaml.*" + message):
        read_config(tmp_path / "run.yaml")


def test_a_value_without_a_model_is_of_the_one_beside_the_controls():
    assert by_model(("G.ckpt",), ("copy", "stargan", "truth"), "checkpoints") == {"stargan": "G.ckpt"}
    assert by_model(("copy=a",), ("all",), "checkpoints") == {"copy": "a"}
    for models in (("all",), ("stargan", "sargan")):
        with pytest.raises(SpecError, match="exactly one --model"):
            by_model(("G.ckpt",), models, "checkpoints")


def test_labels_and_sizes_of_checkpoints_are_part_of_a_spec_only_where_given():
    plain = RunSpec(checkpoints={"stargan": "G.ckpt"})
    stated = plain.model_copy(update={"labels": {"stargan": ("neutral", "happy")}})
    assert "labels" not in plain.model_dump_json()
    assert plain.digest != stated.digest
    assert stated.grown_from(plain).labels == {"stargan": ("neutral", "happy")}
    assert plain.grown_from(stated).labels == {"stargan": ("neutral", "happy")}
