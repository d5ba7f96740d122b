"""Settings: schedules, files, and what is refused."""

import pytest

from fesbench.baselines.stargan import StarGAN
from fesbench.core.errors import SpecError, UnknownName
from fesbench.generators.hyperparameters import Settings, changed, read_changes
from fesbench.training.protocols import EMBEDDED_V1, departures, protocol_settings


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"schedule": "linear"}, [1, 1, 0.5, 0]),
        ({"schedule": "linear", "decay_from": 0.0, "decay_to": 0.2}, [1, 0.6, 0.4, 0.2]),
        ({"schedule": "step", "decay_from": 0.75, "decay_to": 0.1}, [1, 1, 0.1, 0.1]),
    ],
)
def test_schedules(schedule, expected):
    settings = changed(Settings(learning_rate=1.0), schedule, "test")
    rates = [settings.learning_rate_at(progress) for progress in (0.0, 0.5, 0.75, 1.0)]
    assert rates == pytest.approx(expected)


def test_the_official_rate_of_stargan_hardly_decays():
    rates = [StarGAN.official.learning_rate_at(progress) for progress in (0.5, 1.0)]
    assert rates == pytest.approx([1e-4, 0.999e-4])


def test_all_unknown_settings_are_listed():
    with pytest.raises(
        SpecError, match=r"my\.yaml: unknown settings batchsize, lr\. Known: resolution, width"
    ):
        changed(Settings(), {"lr": 1e-3, "batch_size": 4, "batchsize": 4}, "my.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 8}, "resolution"),
        ({"batch_size": 0, "width": "wide"}, r"width: .* batch_size: "),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"weights": {"g_cycle": "much"}}, r"weights\.g_cycle"),
        ({"schedule": "step"}, "ends all learning"),
        ({"precision": "float16"}, "precision"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        changed(Settings(), changes, "test")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "batch_size: 16\nbetas: [0.9, 0.99]\n"),
        ("a.toml", "batch_size = 16\nbetas = [0.9, 0.99]\n"),
    ],
)
def test_settings_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = changed(Settings(), read_changes(tmp_path / name), name)
    assert found == Settings(batch_size=16, betas=(0.9, 0.99))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing.yaml", None, "cannot be read"),
        ("list.yaml", "- 1\n", "must hold settings"),
        ("broken.toml", "a = \n", "cannot be read"),
        ("deep.yaml", "[" * 5000, "nests more than 20 levels"),
        ("large.yaml", "#" * 300_000, "larger than 256 kB"),
    ],
)
def test_files_that_hold_no_settings_are_refused(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SpecError, match=message):
        read_changes(tmp_path / name)


def test_protocols_and_departures():
    assert protocol_settings("embedded-v1", StarGAN) == EMBEDDED_V1
    assert protocol_settings("official", StarGAN).steps == 200_000
    changes = changed(EMBEDDED_V1, {"seed": 3, "jitter": 1}, "test")
    assert departures(changes, EMBEDDED_V1) == {"jitter": 1}
    with pytest.raises(UnknownName, match="unknown protocol"):
        protocol_settings("embedded-v9", StarGAN)
