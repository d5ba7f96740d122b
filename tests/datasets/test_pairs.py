"""Which image was made from which source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fesbench.core.errors import DatasetError
from fesbench.datasets.pairs import Pairing, pair_images


@pytest.fixture
def paired(make_image, tmp_path):
    """Writes images, sources and a table, and returns how they pair."""

    def pair(images: list[str], sources: list[str], table: str = "") -> Pairing:
        for name in images:
            make_image(f"img/{name}")
        for name in sources:
            make_image(f"src/{name}")
        (tmp_path / "m.csv").write_text(table)
        targets = [str(tmp_path / "m.csv")] if table else []
        return pair_images(tmp_path / "img", tmp_path / "src", *targets)

    return pair


def found(pairing: Pairing) -> list[tuple[str, str, str]]:
    """Image, file of the source, target."""
    return [(a.image.name, a.edit.source.path.name, a.edit.target) for a in pairing.answers]


def test_sources_whose_ids_would_be_equal_are_two(paired):
    names = ["p/1", "p-1", "P-1"]
    pairing = paired([f"{name}--happy.png" for name in names], [f"{name}.png" for name in names])
    assert len({edit.source.id.casefold() for edit in pairing.edits}) == len(pairing.images) == 3
    assert all(a.image.stem.startswith(a.edit.source.path.stem) for a in pairing.answers)
    assert [edit.source.id for edit in pairing.edits if edit.source.subject == "P-1"] == ["P-1"]


def test_an_image_may_answer_several_edits(paired):
    table = "image,source,target\na.png,1.png,happy\na.png,1.png,sad\na.png,2.png,happy\n"
    pairing = paired(["a.png"], ["1.png", "2.png"], table)
    assert found(pairing) == [
        ("a.png", "1.png", "happy"),
        ("a.png", "1.png", "sad"),
        ("a.png", "2.png", "happy"),
    ]
    assert [path.name for path in pairing.images] == ["a.png"]


def test_images_that_a_table_does_not_name_are_counted(paired):
    table = "image,source,target\n./a.png,1.png,happy\n"
    pairing = paired(["a.png", "b.png", "c/d.png"], ["1.png"], table)
    assert found(pairing) == [("a.png", "1.png", "happy")]
    assert pairing.unnamed == ("b.png", "c/d.png")
    assert paired(["1--happy.png"], ["1.png"], "image,source\n1--happy.png,1\n").unnamed == (
        "a.png",
        "b.png",
        "c/d.png",
    )


def test_patterns_leave_no_image_unnamed(paired):
    assert paired(["1--happy.png"], ["1.png"]).unnamed == ()


def test_a_path_in_a_table_is_no_stem_of_another(paired):
    pairing = paired(["x.png"], ["a.png", "a.png.png"], "image,source,target\nx.png,a.png,happy\n")
    assert found(pairing) == [("x.png", "a.png", "happy")]


@pytest.mark.parametrize(
    "form", ["{name}", "./{name}", ".\\{name}", "x/../{name}", "{folder}/{name}", "{folder}\\{name}"]
)
def test_spellings_of_a_path(paired, tmp_path, form):
    image = form.format(name="a/b.png", folder=tmp_path / "img")
    source = form.format(name="s.png", folder=tmp_path / "src")
    pairing = paired(["a/b.png"], ["s.png"], f"image,source,target\n{image},{source},happy\n")
    assert found(pairing) == [("b.png", "s.png", "happy")]


def test_folders_may_be_relative(paired, tmp_path, monkeypatch):
    paired(["a.png"], ["a.png"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text(f"image;source\n{tmp_path}/img/a.png;./a\n")
    assert found(pair_images(Path("img"), Path("src"), "m.csv")) == [("a.png", "a.png", "")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "m.csv holds no rows"),
        ("a.png,s.png,happy\na.png,s.png,happy\n", "two rows say that .*a.png shows s as happy"),
        ("a.png,s.png,happy\n./a.png,s,Happiness\n", "two rows say"),
        ("a.png,s.png,happy\nb.png,s.png,happy\n", "a.png and .*b.png both show s as happy"),
        ("/etc/hostname,s.png,happy\n", "m.csv:2: /etc/hostname: it leads outside"),
        ("../m.csv,s.png,happy\n", "leads outside"),
        (",s.png,happy\n", "m.csv:2: no image is named"),
        ("a.png,,happy\n", "m.csv:2: no source is named"),
        ("a.png,t.png,happy\n", "m.csv:2: there is no source 't.png'"),
        ("C:\\x\\a.png,s.png,happy\n", "m.csv:2: .*there is no such file"),
    ],
)
def test_rows_that_cannot_be_used_are_named(paired, rows, message):
    with pytest.raises(DatasetError, match=message):
        paired(["a.png", "b.png"], ["s.png"], "image,source,target\n" + rows)


COMPOSED, DECOMPOSED = "Zo\u00e9", "Zoe\u0301"


@pytest.mark.parametrize(("image", "source"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_names_are_compared_after_normalisation(paired, image, source):
    pairing = paired([f"{image}--happy.png"], [f"{source}.png"])
    assert [edit.source.subject for edit in pairing.edits] == [COMPOSED]
    assert [path.name for path in pairing.images] == [f"{image}--happy.png"]


@pytest.mark.parametrize(("written", "stored"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_tables_find_files_whatever_the_normalisation(paired, written, stored):
    table = f"image,source,target\n{written}/{written}.png,{written}.png,happy\n"
    pairing = paired([f"{stored}/{stored}.png"], [f"{stored}.png"], table)
    assert [(path.is_file(), path.stem) for path in pairing.images] == [(True, stored)]


def test_names_that_are_not_utf8_are_refused_before_scoring(paired, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / name).touch()
    with pytest.raises(DatasetError, match="not UTF-8; rename"):
        paired(["a.png"], ["a.png"])
