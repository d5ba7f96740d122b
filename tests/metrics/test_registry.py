import subprocess
import sys

import pytest

from fesbench.core.contracts import ImageMetric, SetMetric
from fesbench.core.errors import BenchError, CheckpointError, UnknownName, WeightsMissing
from fesbench.core.files import file_digest
from fesbench.metrics.registry import BACKENDS, METRICS, NAMES, load_metric, load_metrics, metric_id
from fesbench.testing.metrics import check_metric


def test_the_embedded_default_is_complete():
    metrics, unavailable = load_metrics(NAMES, "embedded")
    assert [metric.card.id for metric in metrics] == [
        *("ecs@embedded", "fss@embedded", "quality@embedded", "fid@embedded", "kid@embedded"),
        *("movement@embedded", "fidelity"),
    ]
    assert unavailable == []
    for metric in metrics:
        assert isinstance(metric, ImageMetric | SetMetric)
        assert metric.card.column_names
        if isinstance(metric, ImageMetric):
            assert set(metric.failed()) == set(metric.card.column_names)


def test_metrics_of_one_network_share_it():
    metrics, _ = load_metrics(("fid", "kid"), "embedded")
    assert metrics[0].network is metrics[1].network


def test_the_two_judges_are_different_networks():
    (final, first), _ = load_metrics(("ecs@embedded", "ecs@embedded-judge1"), "portable")
    assert (first.card.id, final.card.id) == ("ecs@embedded-judge1", "ecs@embedded")
    assert first.networks[0].card.digest != final.networks[0].card.digest


def test_metrics_stand_in_one_order_however_they_are_asked_for():
    asked = ("fidelity", "movement", "kid", "quality", "ecs", "fid", "fss")
    metrics, _ = load_metrics(asked, "embedded")
    again, _ = load_metrics(asked[::-1], "embedded")
    assert [m.card.id for m in metrics] == [m.card.id for m in again]
    assert [m.card.id.partition("@")[0] for m in metrics] == [
        "ecs", "fss", "quality", "fid", "kid", "movement", "fidelity",
    ]  # fmt: skip


def test_the_final_judge_counts_once_under_both_its_names():
    metrics, _ = load_metrics(("ecs", "ecs@embedded-judge2"), "embedded")
    assert [metric.card.id for metric in metrics] == ["ecs@embedded"]


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "embedded"])
def test_a_backend_without_weights_leaves_fidelity_and_reasons(backend, monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    metrics, unavailable = load_metrics(NAMES, backend)
    assert [metric.card.id for metric in metrics] == ["fidelity"]
    assert [identifier for identifier, _ in unavailable] == [metric_id(n, backend) for n in NAMES[:6]]
    assert all(len(reason) > 30 for _, reason in unavailable)


def test_published_weights_that_are_missing_are_named_with_their_place(monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsMissing, match="facenet512_weights") as caught:
        load_metric("fss@facenet512")
    assert str(tmp_path) in str(caught.value)
    assert "serengil/deepface_models" in str(caught.value)


@pytest.mark.parametrize("name", ["qualiclip+", "QualiCLIP+", "qualiclip+-clive", "qualiclip+-flive"])
def test_metrics_that_only_sound_alike_are_refused_with_the_reason(name):
    for ask in (lambda: metric_id(name, "paper"), lambda: load_metric(name)):
        with pytest.raises(BenchError, match="opinion scores"):
            ask()


@pytest.fixture
def paper_folder(monkeypatch, tmp_path, inception_file, qualiclip_file):
    """A weights folder with files of the right shapes, whose digests are recorded as meant."""
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "paper").mkdir()
    for file in (inception_file, qualiclip_file):
        (tmp_path / "paper" / file.name).symlink_to(file)
    record = tmp_path / "paper" / f"{inception_file.name}.sha256"
    record.write_text(f"{file_digest(inception_file)}  {inception_file.name}\n", "utf-8")
    return tmp_path / "paper"


def test_the_paper_backend_loads_its_files_and_keeps_the_contract(paper_folder, capsys):
    metrics, _ = load_metrics(("quality", "qualiclip@pyiqa", "fid", "kid"), "paper")
    assert [metric.card.id for metric in metrics] == [
        *("qualiclip", "qualiclip@pyiqa", "fid@inception-2015", "kid@inception-2015")
    ]
    quality, pyiqa, fid, kid = metrics
    assert quality.network is pyiqa.network
    assert fid.network is kid.network
    assert "CC BY-NC 4.0, non-commercial" in capsys.readouterr().err
    assert (paper_folder / "qualiclip.pth.sha256").read_text("utf-8").startswith(quality.network.card.digest)
    assert all(finding.problem is None for finding in check_metric(fid))


def test_files_that_changed_since_they_were_recorded_are_refused(paper_folder):
    for name in ("qualiclip.pth", "pt_inception-2015-12-05-6726825d.pth"):
        (paper_folder / f"{name}.sha256").write_text("0" * 64, "utf-8")
    _, unavailable = load_metrics(("quality", "fid"), "paper")
    assert [name for name, _ in unavailable] == ["qualiclip", "fid@inception-2015"]
    assert all("0" * 64 in reason and ".sha256" in reason for _, reason in unavailable)


def test_no_other_backend_stands_in(monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsMissing, match="quality@embedded"):
        load_metric("quality@portable")


def test_old_and_plain_names_lead_to_ids():
    assert metric_id("qualiclip", "embedded") == "quality@embedded"
    assert metric_id("quality", "paper") == "qualiclip"
    assert metric_id("ecs@fer", "embedded") == "ecs@fer"
    assert metric_id("fidelity", "paper") == "fidelity"


def test_unknown_names_are_errors_even_beside_known_ones():
    with pytest.raises(UnknownName, match="fidelity"):
        load_metrics(("ecs", "fidelty"), "embedded")
    with pytest.raises(UnknownName, match="embedded"):
        load_metrics(("ecs",), "embeded")
    with pytest.raises(UnknownName, match="ecs@embedded"):
        load_metric("ecs@embeded")


def test_listing_names_imports_no_torch():
    code = "import sys, fesbench.metrics.registry as r; r.METRICS.names(); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_every_backend_s_ids_are_registered():
    assert {identifier for ids in BACKENDS.values() for identifier in ids.values()} <= set(METRICS.names())


@pytest.mark.parametrize(
    ("metric", "backend", "file"),
    [
        ("ecs", "portable", "emotion_model.hdf5"),
        ("fss", "portable", "dlib_face_recognition_resnet_model_v1.dat"),
        ("ecs", "face-api", "face_expression_model-weights_manifest.json"),
        ("fss", "face-api", "face_recognition_model-weights_manifest.json"),
    ],
)
def test_a_damaged_file_of_any_backend_gives_no_number(monkeypatch, tmp_path, metric, backend, file):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / backend).mkdir()
    (tmp_path / backend / file).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=f"{file} is not the file .* its sha256 is"):
        load_metric(f"{metric}@{NETWORKS[backend, metric]}")


NETWORKS = {
    ("portable", "ecs"): "fer",
    ("portable", "fss"): "dlib",
    ("face-api", "ecs"): "face-api",
    ("face-api", "fss"): "face-api",
}
