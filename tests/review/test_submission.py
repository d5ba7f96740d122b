"""Files for a leaderboard: what they hold, what they must not, and what is refused."""

import json
import os
from pathlib import Path

import jsonschema
import pytest

from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import BenchError, UnknownName
from fesbench.datasets.images import Trait, trait_notes
from fesbench.review.submission import (
    MAX_BYTES,
    SCHEMA,
    WITHHELD,
    Scrubbed,
    Submission,
    json_schema,
    read_submission,
    shipped_schema,
    submission_of,
    write_submission,
)
from fesbench.runs.results import RunResults
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.records import Identities, ModelRecord

SOURCE = Path(__file__).parents[2] / "bench" / "review"


@pytest.fixture(scope="module")
def run(current_run):
    return RunResults.open(current_run)


@pytest.fixture(scope="module")
def content(run):
    return json.loads(submission_of(run).to_json())


def changed(content, **fields):
    """The text of the submission with fields of its results replaced."""
    copy = json.loads(json.dumps(content))
    copy["results"][0] |= fields
    return json.dumps(copy)


def test_it_holds_every_number_of_the_summary_and_what_makes_it_comparable(run, tmp_path):
    write_submission(run, tmp_path / "a.json", by="A. Author")
    found = read_submission(tmp_path / "a.json")
    (results,) = found.results
    cells = run.cells
    assert len(results.cells) == len(cells)
    for cell, row in zip(results.cells, cells.to_dict("records"), strict=True):
        assert (cell.generator, cell.domain, cell.metric) == (row["generator"], row["domain"], row["metric"])
        assert (cell.n_asked, cell.n_scored, cell.subjects) == (
            row["n_asked"],
            row["n_scored"],
            row["subjects"],
        )
        for name in ("value", "low", "high"):
            own = getattr(cell, name)
            assert own == row[name] if own is not None else row[name] != row[name]
    assert results.digest == run.record.datasets["rendered"].digest
    assert results.edits.count == 60
    assert (results.settings.resolution, results.settings.upscale, results.settings.seed) == (32, "change", 0)
    assert results.networks["embedded-judge2"].weights == run.record.networks["embedded-judge2"].digest
    assert found.versions["fesbench"] == "0.1.0"
    assert found.by == "A. Author"


def test_the_shipped_schema_is_that_of_the_code_and_describes_the_file(content):
    if os.environ.get("FESBENCH_REGENERATE"):
        (SOURCE / SCHEMA).write_text(json.dumps(json_schema(), indent=2, sort_keys=True) + "\n")
    assert json.loads(shipped_schema()) == json_schema()
    jsonschema.validate(content, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"more": 1}, json_schema())


def test_chosen_models_come_with_the_controls(run):
    (results,) = submission_of(run, ["reggan-regression"]).results
    assert set(results.models) == {"copy", "truth", "reggan-regression"}
    (results,) = submission_of(run, ["copy"]).results
    assert set(results.models) == {cell.generator for cell in results.cells} == {"copy", "truth"}
    with pytest.raises(UnknownName, match="regan"):
        submission_of(run, ["regan"])


def test_no_path_and_no_name_of_a_photo_is_in_it(make_scores, make_results, tmp_path):
    folder = tmp_path / "secret place" / "outputs of Ann"
    folder.mkdir(parents=True)
    card = GeneratorCard(
        "theirs",
        "Theirs",
        weights=f"{folder}/G.ckpt",
        source="https://example.org/code/of/theirs",
        choices=("trained from ../private/start.ckpt", "read C:\\Users\\ann\\faces.csv; RGB / 255"),
    )
    asked = f"outputs:{folder}"
    run = make_results(
        tmp_path / "run",
        make_scores({"theirs": 0.4, "b": 0.3}),
        names={asked: "theirs", "b": "b"},
        spec=RunSpec(models=(asked, "b"), data=("photos",)),
        unavailable={"./mine/secret.py:Mine": f"{folder}/x.png is damaged"},
        models={
            "theirs": {"photos": ModelRecord(block="main", card=card)},
            "b": {"photos": ModelRecord(block="main", card=GeneratorCard("b", "b"))},
        },
    )
    run.store.update_identities(Identities(models={asked: {"ann.png": "a" * 64, "bob.png": "b" * 64}}))
    text = submission_of(run).to_json()
    for private in ("secret place", "Users", "private", "ann.png", "s01", str(tmp_path), "mine/"):
        assert private not in text
    (results,) = submission_of(run).results
    model = results.models["theirs"]
    assert (model.card.weights, model.card.source) == ("G.ckpt", "https://example.org/code/of/theirs")
    assert model.card.choices[1] == "read faces.csv; RGB / 255"
    assert model.weights == {}
    assert len(model.digest) == 64


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("no output: the source file is empty", "no output: the source file is empty"),
        ("no output: happy/anna smith.JPG: it is empty", f"no output: {WITHHELD}"),
        ("anna.smith-2.png: it is empty", WITHHELD),
        ("/data/a b/s01.webp is damaged", WITHHELD),
        ("weights G.pngs.ckpt", "weights G.pngs.ckpt"),
        *(
            (note, f"1 of 1 image: {trait.value}")
            for trait in Trait
            for note in trait_notes({"happy/anna smith: 2.png": [trait]})
        ),
    ],
)
def test_of_a_text_that_names_an_image_only_the_rest_is_published(
    make_scores, make_results, tmp_path, text, published
):
    run = make_results(tmp_path / "run", make_scores({"a": 0.4, "b": 0.3}))
    assert Scrubbed(run)(text) == published


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"digest": 3}, "results.0.digest"),
        ({"more": 1}, "results.0.more"),
        ({"models": {}}, "of no model"),
        ({"split": "train"}, "results.0.split"),
        ({"dataset": "x" * 300}, "results.0.dataset"),
    ],
)
def test_other_content_is_refused_by_the_field(content, fields, said):
    with pytest.raises(BenchError, match=said):
        Submission.parse(changed(content, **fields), "theirs.json")


def test_numbers_that_cannot_be_are_refused(content):
    cell = next(cell for cell in content["results"][0]["cells"] if cell["metric"] == "ecs@embedded")
    for wrong in ({"value": 1.5, "high": 1.5}, {"low": 0.9, "high": 0.1}, {"low": -1.0}):
        with pytest.raises(BenchError, match="no such value"):
            Submission.parse(changed(content, cells=[cell | wrong]), "theirs.json")
    with pytest.raises(BenchError, match="finite"):
        Submission.parse(changed(content, cells=[cell | {"value": float("nan")}]), "theirs.json")
    with pytest.raises(BenchError, match="twice"):
        Submission.parse(changed(content, cells=[cell, cell]), "theirs.json")


def test_files_without_end_and_other_files_are_refused(tmp_path):
    for text, said in (
        (" " * (MAX_BYTES + 1), "larger than 8 MB"),
        ("{", "JSON"),
        ("[" * 100_000, "recursion"),
        ("[]", "no submission"),
        ("{}", "kind"),
    ):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(BenchError, match=said):
            read_submission(tmp_path / "a.json")
    with pytest.raises(BenchError, match="cannot be read"):
        read_submission(tmp_path / "none.json")
