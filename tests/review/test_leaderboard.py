"""Which submissions stand in one table, and which do not."""

import json

import pytest

from fesbench.review import leaderboard
from fesbench.review.leaderboard import read_leaderboard
from fesbench.review.submission import submission_of
from fesbench.runs.results import RunResults

MODEL = "reggan-regression"


@pytest.fixture(scope="module")
def content(current_run):
    return json.loads(submission_of(RunResults.open(current_run)).to_json())


@pytest.fixture
def submit(content, tmp_path):
    """Write the submission under a name, after a change of its results, or of all of it."""

    def write(name, change=lambda results: None, **fields):
        copy = json.loads(json.dumps(content)) | {"name": name} | fields
        change(copy["results"][0])
        (tmp_path / f"{name}.json").write_text(json.dumps(copy))

    return write


def lower(results):
    for cell in results["cells"]:
        if cell["generator"] == MODEL and cell["metric"] == "mae.face":
            cell["value"] *= 0.5
            cell["low"] = None


def test_models_of_comparable_submissions_stand_in_one_table_once_each(submit, tmp_path):
    submit("a")
    submit("b", lower)
    submit("c")
    (group,) = read_leaderboard(tmp_path).groups
    assert {row.key: row.names for row in group.ranked} == {
        "0/copy": ("a", "b", "c"),
        "0/truth": ("a", "b", "c"),
        f"0/{MODEL}": ("a", "c"),
        f"1/{MODEL}": ("b",),
    }
    titles = {card.title for card in group.cards.values()}
    assert titles == {
        "Input",
        "True target",
        "Local ridge regression (window 7) (a)",
        "Local ridge regression (window 7) (b)",
    }
    cells = group.cells[group.cells["metric"] == "mae.face"].dropna(subset="value")
    own = cells[cells["domain"] == "studio"].set_index("generator")["value"]
    assert own[f"1/{MODEL}"] == pytest.approx(own[f"0/{MODEL}"] / 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda results: results["settings"].update(resolution=64), "resolution: 32 there, 64 here"),
        (lambda results: results["settings"].update(upscale="output"), "upscale: change there, output here"),
        (lambda results: results.update(digest="0" * 64), "data: ccbb4fd020a7… there, 000000000000… here"),
        (
            lambda results: results["networks"]["embedded-judge2"].update(weights="0" * 64),
            "network embedded-judge2: c5de6820316e…",
        ),
        (lambda results: results["edits"].update(digest="0" * 64), "edits: 60"),
        (lambda results: results["trained_on"].update(protocol="transfer"), "training set: "),
        (
            lambda results: results.update(references_digest="0" * 64),
            "reference images: none there, 000000000000… here",
        ),
        (lambda results: results["measures"][0].update(direction="lower"), "measure ecs@embedded: higher"),
    ],
)
def test_what_differs_in_a_term_is_ranked_apart_and_the_page_can_say_why(submit, tmp_path, change, said):
    submit("a")
    submit("b", change)
    submit("c")
    first, second = read_leaderboard(tmp_path).groups
    assert [len(group.entries) for group in (first, second)] == [2, 1]
    (text,) = second.apart[0]
    assert text.startswith(said)


def test_the_name_of_a_folder_of_data_keeps_nobody_apart(submit, tmp_path):
    submit("a")
    submit("b", lambda results: results.update(dataset="faces"))
    (group,) = read_leaderboard(tmp_path).groups
    assert set(group.cells["dataset"]) == {"rendered"}
    assert len(group.ranked) == 3


def test_files_that_cannot_be_used_are_listed_and_stop_no_other(submit, tmp_path, current_run):
    submit("a")
    submit("empty", lambda results: results.update(cells=[]))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "notes.txt").write_text("not looked at")
    board = read_leaderboard(tmp_path)
    assert [entry.origin for group in board.groups for entry in group.entries] == ["a.json"]
    reasons = {entry.origin: entry.reason for entry in board.refused}
    assert reasons.keys() == {"broken.json", "empty.json", "run"}
    assert str(tmp_path) not in str(reasons)


def test_runs_count_as_submissions(tmp_path, current_run):
    (tmp_path / "ours").symlink_to(current_run)
    (group,) = read_leaderboard(tmp_path).groups
    assert group.entries[0].submission.name == "ours"


def test_number_and_size_are_limited(submit, tmp_path, monkeypatch):
    for name in "abcd":
        submit(name)
    monkeypatch.setattr(leaderboard, "MOST_FILES", 3)
    board = read_leaderboard(tmp_path)
    assert [entry.origin for entry in board.groups[0].entries] == ["a.json", "b.json", "c.json"]
    assert board.refused[0].reason == "1 more file: no more than 3 are read"
    monkeypatch.setattr(leaderboard, "MOST_BYTES", (tmp_path / "a.json").stat().st_size)
    board = read_leaderboard(tmp_path)
    assert [entry.origin for entry in board.groups[0].entries] == ["a.json"]
    assert [entry.origin for entry in board.refused] == ["b.json", "c.json", "…"]
