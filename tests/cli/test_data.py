"""``bench data`` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image as Pillow

from fesbench.cli import cli
from fesbench.core.contracts import Edit, Sample
from fesbench.datasets.images import load_image


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Callable[..., Result]:
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(cli, ["data", *map(str, arguments)])


def make_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))
    Pillow.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(path)


@pytest.fixture
def cfee(tmp_path) -> Path:
    """A made-up CFEE tree with some files that do not belong."""
    root = tmp_path / "cfee"
    for i in range(12):
        for name in ("Neutral", "Happily_Surprised", "sadlyangry", "Awed"):
            make_image(root / f"batch{i % 2}" / f"{name}-p{i}.jpg")
    make_image(root / "batch0" / "Confused-p1.jpg")
    (root / "batch1" / "Awed-p99.jpg").touch()
    (root / "batch1" / ".DS_Store").touch()
    (root / "notes.txt").write_text("x")
    return root


def test_a_made_up_cfee_tree(bench, cfee, tmp_path):
    wrong = bench("add", "cfee", cfee, "--pattern", "{subject}_{expression}")
    assert wrong.exit_code == 2
    assert "does not match {subject}_{expression}; give the right one with --pattern" in wrong.stderr

    added = bench("add", "cfee", cfee, "--pattern", "{expression}-{subject}")
    assert (added.exit_code, added.stdout) == (0, "")
    assert "48 images of 12 subjects" in added.stderr
    assert "2 images or lines left out" in added.stderr
    assert "batch0/Confused-p1.jpg" in added.stderr
    assert "the file is empty" in added.stderr
    assert "2 other files (not images) ignored" in added.stderr

    counts = json.loads(bench("show", "cfee", "--json", "--sheet", tmp_path / "sheet.png").stdout)
    assert counts["expressions"] == {"neutral": 12, "happily-surprised": 12, "sadly-angry": 12, "awed": 12}
    assert (counts["samples"], counts["subjects"], counts["domains"]) == (48, 12, {"studio": 48})
    assert sum(split["subjects"] for split in counts["splits"].values()) == 12
    assert {problem["path"] for problem in counts["problems"]} == {
        "batch0/Confused-p1.jpg",
        "batch1/Awed-p99.jpg",
    }
    assert load_image(tmp_path / "sheet.png").shape == (4 * 96, 150 + 10 * 96, 3)


def test_show_prints_counts_on_stdout_and_problems_on_stderr(bench, cfee):
    bench("add", "cfee", cfee, "--pattern", "{expression}-{subject}", "--domain", "statue")
    shown = bench("show", "cfee")
    assert shown.exit_code == 0
    assert "cfee: 48 images of 12 subjects" in shown.stdout
    assert "statue" in shown.stdout
    assert "Confused" in shown.stderr
    assert "Confused" not in shown.stdout


def test_a_card_is_markdown(bench, cfee, tmp_path):
    bench("add", "cfee", cfee, "--pattern", "{expression}-{subject}")
    card = bench("show", "cfee", "--card")
    assert (card.exit_code, card.stderr) == (0, "")
    assert card.stdout.startswith("#")
    assert "2 images left out as unusable, 2 other files ignored" in card.stdout
    lonely = bench("show", "cfee", "--run", tmp_path)
    assert lonely.exit_code == 2
    assert "--run belongs to --card" in lonely.stderr


def test_one_is_singular(bench, tmp_path):
    make_image(tmp_path / "set" / "a.png")
    assert "added set: 1 image of 1 subject, layout flat" in bench("add", "set", tmp_path / "set").stderr
    assert "set: 1 image of 1 subject\n" in bench("show", "set").stdout


def test_list_and_remove(bench, cfee):
    bench("add", "mine", cfee, "--layout", "flat")
    entries = {entry["name"]: entry for entry in json.loads(bench("list", "--json").stdout)}
    assert (entries["rendered"]["kind"], entries["mine"]["kind"]) == ("built-in", "flat")
    assert f"mine\tflat\t{cfee}" in bench("list").stdout
    assert bench("remove", "mine").exit_code == 0
    assert "mine" not in bench("list").stdout
    assert (cfee / "notes.txt").exists()


def test_input_errors_exit_with_two_and_one_line(bench, cfee, tmp_path):
    for arguments, message in (
        (("add", "x", tmp_path / "none"), "not a folder"),
        (("add", "x", cfee), "choose one with --layout"),
        (("add", "x/y", cfee, "--layout", "flat"), "no name for a data set"),
        (("show", "renderd"), "Did you mean rendered"),
        (("remove", "x"), "unknown registered data set"),
        (("add", "x", cfee, "--layout", "cfe"), "Invalid value for '--layout'"),
    ):
        process = bench(*arguments)
        assert (process.exit_code, process.stdout) == (2, ""), arguments
        assert message in process.stderr
        assert isinstance(process.exception, SystemExit)


def test_file_names_cannot_drive_the_terminal(bench, tmp_path):
    make_image(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "\x1b[2Jevil.png").touch()
    (tmp_path / "set" / os.fsdecode(b"\xff.png")).touch()
    process = bench("add", "set", tmp_path / "set", "--layout", "flat")
    assert process.exit_code == 0
    assert "\\x1b[2Jevil.png" in process.stderr
    assert "\x1b" not in process.stderr


def test_exported_edits_are_what_outputs_reads(bench, cfee, tmp_path):
    from fesbench.generators.external import FolderOutputs

    bench("add", "cfee", cfee, "--pattern", "{expression}-{subject}")
    folder = tmp_path / "exported"
    process = bench("export-edits", "cfee", folder, "--limit", 3, "--size", 32)
    assert process.exit_code == 0, process.stderr
    assert process.stdout.strip() == str(folder / "manifest.csv")
    with (folder / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 9
    assert {row["target"] for row in rows} == {"happily-surprised", "sadly-angry", "awed"}
    for row in rows:
        assert load_image(folder / row["input"]).shape == (32, 32, 3)
        shutil.copyfile(folder / row["input"], folder / row["path"])
    source = Sample(Path(rows[0]["input"]).stem, "p", "neutral", "studio", lambda: None)
    [answer] = FolderOutputs(folder).answer([Edit(source, rows[0]["target"])])
    assert np.array_equal(answer, load_image(folder / rows[0]["input"]))


def test_london_is_one_command(bench, photos_folder):
    added = bench("add", "london", photos_folder, "--layout", "expression-folders")
    assert "24 images of 12 subjects" in added.stderr
    counts = json.loads(bench("show", "london", "--json").stdout)
    assert counts["expressions"] == {"neutral": 12, "happy": 12}
    assert counts["problems"] == []


@pytest.mark.parametrize("command", ["add", "list", "show", "prepare", "export-edits", "remove"])
def test_every_command_shows_an_example(bench, command):
    process = bench(command, "--help")
    assert process.exit_code == 0
    assert f"Example:  bench data {command}" in process.stdout


@pytest.fixture
def numbered(tmp_path) -> Path:
    """A folder of two people with numbered classes."""
    for code in "12":
        for person in ("anna", "ben"):
            make_image(tmp_path / "set" / code / f"{person}_{code}7.png")
    return tmp_path / "set"


def test_numbers_are_named_by_the_user(bench, numbered, tmp_path):
    asked = bench("add", "mine", numbered)
    assert (asked.exit_code, "--label NUMBER=EXPRESSION" in asked.stderr) == (2, True)
    (tmp_path / "labels.csv").write_text("code,expression\n01,neutral\n")
    options = (
        "--pattern",
        "{expression}/{subject}_*",
        "--labels",
        tmp_path / "labels.csv",
        "--label",
        "2=sad",
    )
    added = bench("add", "mine", numbered, *options)
    assert "4 images of 2 subjects, layout pattern" in added.stderr
    counts = json.loads(bench("show", "mine", "--json").stdout)
    assert counts["expressions"] == {"neutral": 2, "sad": 2}
    assert sum(part["pairs"] for part in counts["splits"].values()) == 2
    folders = bench("add", "folders", numbered, "--label", "1=neutral", "--label", "2=sad")
    assert "4 images of 2 subjects, layout expression-folders" in folders.stderr


def test_licence_and_citation_are_what_the_user_states(bench, numbered):
    options = (
        "--label",
        "1=neutral",
        "--label",
        "2=sad",
        "--licence",
        "ours, for anyone",
        "--citation",
        "Doe 2026",
    )
    assert bench("add", "cfee", numbered, *options).exit_code == 0
    card = bench("show", "cfee", "--card").stdout
    assert "ours, for anyone" in card
    assert "Doe 2026" in card
    assert "research agreement" not in card
    assert "du2014compound" not in card


def test_real_cfee_has_its_card_and_says_where_its_classes_come_from(bench, tmp_path):
    for name in (
        "01-04/Images1/01_126_3963.jpg",
        "01-04/Images1/02_126_3964.jpg",
        "13-16/Images4/13_126_1.jpg",
    ):
        make_image(tmp_path / "photos" / name)
    added = bench("add", "mine", tmp_path / "photos")
    assert "2 images of 1 subject, layout cfee" in added.stderr
    assert "AU_annotation_all_subjects.xls" in added.stderr
    assert "the class 13 has no name" in added.stderr
    card = bench("show", "mine", "--card").stdout
    assert "research agreement" in card
    assert "du2014compound" in card


def test_people_who_show_one_expression_each_are_noted(bench, tmp_path):
    for name in ("neutral/1.png", "happy/2.png"):
        make_image(tmp_path / "set" / name)
    added = bench("add", "mine", tmp_path / "set", "--pattern", "{expression}/{subject}")
    assert "nobody shows two expressions" in added.stderr
