"""Cards of models and data sets, with the results of a run and without."""

from pathlib import Path

import pytest
import yaml
from PIL import Image

from fesbench.core.errors import BenchError
from fesbench.reports.run.cards import card_of_data, card_of_model
from fesbench.runs.results import RunResults

MODEL_SECTIONS = [
    "Model details", "Intended use", "Out-of-scope use", "Factors", "Metrics", "Training data",
    "Evaluation data", "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
    "Citation",
]  # fmt: skip
DATA_SECTIONS = [
    "Motivation", "Composition", "Collection process", "People in the images", "Preprocessing", "Uses",
    "Distribution and licence", "Maintenance", "Measured results", "Citation",
]  # fmt: skip


@pytest.fixture(scope="module")
def results(finished_run) -> RunResults:
    return RunResults.open(finished_run)


def make_cfee(folder: Path) -> Path:
    (folder / "01-04" / "Images1").mkdir(parents=True)
    for code in ("01", "02"):
        Image.new("RGB", (64, 64), "gray").save(folder / "01-04" / "Images1" / f"{code}_126_39{code}.jpg")
    return folder


def make_photos(folder: Path) -> Path:
    for expression in ("neutral", "happy"):
        (folder / expression).mkdir(parents=True)
        for subject in ("p1", "p2"):
            Image.new("RGB", (64, 64), "gray").save(folder / expression / f"{subject}.png")
    return folder


def sections(markdown: str) -> list[str]:
    return [line.removeprefix("## ") for line in markdown.splitlines() if line.startswith("## ")]


def test_a_model_card_has_the_sections_and_the_numbers_of_the_run(results):
    _, front, body = card_of_model("reggan-regression", run=results).split("---\n", 2)
    (entry,) = yaml.safe_load(front)["model-index"]
    measured = {item["name"]: item["value"] for item in entry["results"][0]["metrics"]}
    scores = results.scores.query("metric == 'fss@embedded' and domain == 'studio'")
    expected = scores[scores["generator"] == "reggan-regression"]["value"].mean()
    assert measured["FSS@embedded, studio"] == pytest.approx(expected)
    assert sections(body) == MODEL_SECTIONS
    assert "From run format" in body
    assert "first stage only, without refinement" in body


def test_a_model_that_the_run_does_not_have_is_refused(results):
    with pytest.raises(BenchError, match="no results of stargan; it has copy, reggan-regression, truth"):
        card_of_model("stargan", run=results)


def test_a_model_card_shows_the_training_record_of_its_weights():
    text = card_of_model("stargan")
    assert "- steps: " in text
    assert "no run was given: add --run RUN" in text
    assert "@inproceedings{choi2018stargan" in text


def test_a_control_is_not_trained():
    assert "## Training data\n\nnot trained" in card_of_model("copy")


def test_a_data_card_names_people_and_licence(tmp_path):
    folder = make_cfee(tmp_path / "mine")
    (folder / "LICENSE-<b>.txt").write_text("-")
    text = card_of_data(str(folder))
    for part in ("research agreement", "may not be redistributed", "Real people", "&lt;b&gt;"):
        assert part in text
    assert "@article{du2014compound" in text
    assert sections(text) == DATA_SECTIONS


def test_a_folder_called_cfee_does_not_get_its_card(tmp_path):
    text = card_of_data(str(make_photos(tmp_path / "cfee")))
    assert "research agreement" not in text
    assert "du2014compound" not in text


def test_a_data_card_shows_the_results_of_a_run(results, tmp_path):
    rendered = card_of_data("rendered", results)
    assert "No real people" in rendered
    assert "| RegGAN, regression stage |" in rendered  # the title at the time of the run
    with pytest.raises(BenchError, match="no results on other"):
        card_of_data(str(make_photos(tmp_path / "other")), results)
