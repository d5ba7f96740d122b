import json

import numpy as np
import pytest
from PIL import Image

from fesbench.core.contracts import Edit, Failure, Sample
from fesbench.core.errors import BenchError
from fesbench.generators.external import CARD, FolderOutputs
from fesbench.generators.registry import identifying_files


def edit(name: str) -> Edit:
    return Edit(Sample(name, name, "neutral", "studio", lambda: np.zeros((4, 4, 3), np.uint8)), "happy")


def put(path, value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(path)


def test_a_card_states_what_the_folder_cannot(tmp_path):
    stated = {"name": "theirs", "title": "Their GAN", "trained_on": "rendered", "supervision": "paired"}
    (tmp_path / CARD).write_text(json.dumps(stated | {"citation": "Them 2024"}))
    card = FolderOutputs(tmp_path).card
    assert {name: getattr(card, name) for name in stated} == stated
    assert card.citation == "Them 2024"
    assert card.weights == "outputs"
    assert not card.control


def test_without_a_card_the_folder_gives_the_name(tmp_path):
    assert FolderOutputs(tmp_path).card.name == tmp_path.name


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"name": 3}', "name"),
        ('{"control": true}', "control"),
        ('{"supervision": "magic"}', "supervision"),
        ('{"title": "two\\nlines"}', "title"),
        (json.dumps({"citation": "x" * 3000}), "citation"),
        ("[1]", "its content"),
        ("{", "its content"),
        ('{"name": ""}', "name"),
        (json.dumps({"name": "x" * 70_000}), "larger than 64 kB"),
    ],
)
def test_a_card_that_says_something_else_is_refused_by_name(tmp_path, content, named):
    (tmp_path / CARD).write_text(content)
    with pytest.raises(BenchError, match=rf"card\.json.*{named}"):
        FolderOutputs(tmp_path)


def test_two_files_for_one_edit_are_both_named(tmp_path):
    for name in ("a--happy.png", "more/a--happy.jpg", "b--happy.png"):
        put(tmp_path / name)
    double, single = FolderOutputs(tmp_path).answer([edit("a"), edit("b")])
    assert isinstance(double, Failure)
    assert "a--happy.png" in double.reason
    assert "more/a--happy.jpg" in double.reason
    assert single[0, 0, 0] == 7


def test_two_lines_of_a_manifest_for_one_edit_are_both_named(tmp_path):
    for name in ("x.png", "y.png"):
        put(tmp_path / name)
    (tmp_path / "manifest.csv").write_text("edit,path\na--happy,x.png\na--happy,y.png\na--happy,x.png\n")
    (answer,) = FolderOutputs(tmp_path).answer([edit("a")])
    assert answer == Failure("x.png and y.png both answer a--happy; keep one of them")


def test_every_file_that_decides_an_answer_is_known(tmp_path):
    put(tmp_path / "sub/a--happy.png")
    (tmp_path / "notes.txt").write_text("not looked at")
    assert set(identifying_files(f"outputs:{tmp_path}")) == {"manifest.csv", "card.json", "sub/a--happy.png"}
    assert {path.name for path in identifying_files("stargan").values()} == {
        "stargan.safetensors",
        "stargan.json",
    }
    given = identifying_files("stargan", tmp_path / "mine.safetensors")
    assert given["checkpoint"] == tmp_path / "mine.safetensors"
    assert given["card of its checkpoint"] == tmp_path / "mine.json"
    assert identifying_files("x/mine.py:GAN")["source"].as_posix() == "x/mine.py"


@pytest.mark.parametrize(("written", "stored"), [("Zo\u00e9", "Zoe\u0301"), ("Zoe\u0301", "Zo\u00e9")])
def test_images_are_found_whatever_the_normalisation_of_their_names(tmp_path, written, stored):
    Image.new("RGB", (8, 8), "red").save(tmp_path / f"{stored}--happy.png")
    edit = Edit(Sample(written, "p", "neutral", "studio", lambda: None), "happy")
    for table in ("", f"edit,path\n{written}--happy,{written}--happy.png\n"):
        if table:
            (tmp_path / "manifest.csv").write_text(table, encoding="utf-8")
        [answer] = FolderOutputs(tmp_path).answer([edit])
        assert not isinstance(answer, Failure)


def test_outputs_that_are_unusable_fail_and_unusual_ones_are_noted(tmp_path):
    put(tmp_path / "black--happy.png", 1)
    put(tmp_path / "cut--happy.png")
    (tmp_path / "cut--happy.png").write_bytes((tmp_path / "cut--happy.png").read_bytes()[:-9])
    Image.new("RGBA", (64, 64), (9, 99, 9, 128)).save(tmp_path / "clear--happy.png")
    outputs = FolderOutputs(tmp_path)
    black, cut, clear = outputs.answer([edit("black"), edit("cut"), edit("clear")])
    assert "black, as 0..1" in black.reason
    assert "damaged" in cut.reason
    assert clear.shape == (64, 64, 3)
    assert (
        "1 of 1 image, such as clear--happy.png: partly transparent; blended over white"
        in outputs.card.assumed
    )
