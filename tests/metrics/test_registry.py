import subprocess
import sys

import pytest

from fesbench.contracts import ImageMetric, SetMetric
from fesbench.errors import UnknownName, WeightsMissing
from fesbench.metrics.registry import BACKENDS, METRICS, NAMES, load_metric, load_metrics, metric_id


def test_the_embedded_default_is_complete():
    metrics, unavailable = load_metrics(NAMES, "embedded")
    assert [metric.card.id for metric in metrics] == [
        *("ecs@embedded", "fss@embedded", "quality@embedded", "fid@embedded", "kid@embedded", "fidelity")
    ]
    assert unavailable == []
    for metric in metrics:
        assert isinstance(metric, ImageMetric | SetMetric)
        assert metric.card.columns
        if isinstance(metric, ImageMetric):
            assert set(metric.failed()) == set(metric.card.columns)


def test_metrics_of_one_network_share_it():
    metrics, _ = load_metrics(("fid", "kid"), "embedded")
    assert metrics[0].network is metrics[1].network


def test_the_two_judges_are_different_networks():
    (final, first), _ = load_metrics(("ecs@embedded", "ecs@embedded-judge1"), "portable")
    assert (first.card.id, final.card.id) == ("ecs@embedded-judge1", "ecs@embedded")
    assert first.networks[0].card.digest != final.networks[0].card.digest


def test_metrics_stand_in_one_order_however_they_are_asked_for():
    asked = ("fidelity", "kid", "quality", "ecs", "fid", "fss")
    metrics, _ = load_metrics(asked, "embedded")
    again, _ = load_metrics(asked[::-1], "embedded")
    assert [m.card.id for m in metrics] == [m.card.id for m in again]
    assert [m.card.id.partition("@")[0] for m in metrics] == [
        "ecs", "fss", "quality", "fid", "kid", "fidelity",
    ]  # fmt: skip


def test_the_final_judge_counts_once_under_both_its_names():
    metrics, _ = load_metrics(("ecs", "ecs@embedded-judge2"), "embedded")
    assert [metric.card.id for metric in metrics] == ["ecs@embedded"]


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "embedded"])
def test_a_backend_without_weights_leaves_fidelity_and_reasons(backend, monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    metrics, unavailable = load_metrics(NAMES, backend)
    assert [metric.card.id for metric in metrics] == ["fidelity"]
    assert [identifier for identifier, _ in unavailable] == [metric_id(n, backend) for n in NAMES[:5]]
    assert all(len(reason) > 30 for _, reason in unavailable)


def test_published_weights_that_are_missing_are_named_with_their_place(monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsMissing, match="facenet512_weights") as caught:
        load_metric("fss@facenet512")
    assert str(tmp_path) in str(caught.value)
    assert "serengil/deepface_models" in str(caught.value)


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
