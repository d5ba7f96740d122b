from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from fesbench.core.errors import DatasetError
from fesbench.datasets.folders.manifest import MAX_BYTES, RESERVED, read_manifest
from fesbench.statistics.comparisons import ALL, OOD


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> None:
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path, make_image, encoding):
    make_image("Zoë.png")
    write(tmp_path, "path,subject,expression", "Zoë.png,Zoë,Happiness", encoding=encoding)
    rows, problems = read_manifest(tmp_path)
    assert [(row.path, row.subject, row.expression) for row in rows] == [("Zoë.png", "Zoë", "happy")]
    assert not problems


def test_all_columns(tmp_path, make_image):
    for name in ("a/n.png", "a/h.png", "a/exact.png"):
        make_image(name)
    write(
        tmp_path,
        "Path;Subject;Expression;Domain;Split;Target_Path;Note",
        "a/n.png;s1;neutral;Statue;testing;;",
        "a\\h.png;s1;happy;statue;test;a/exact.png;from Windows",
        "a/exact.png;s2;;;;;no expression",
    )
    rows, problems = read_manifest(tmp_path)
    assert not problems
    assert [(r.path, r.expression, r.domain, r.split, r.target) for r in rows] == [
        ("a/n.png", "neutral", "statue", "test", None),
        ("a/h.png", "happy", "statue", "test", "a/exact.png"),
        ("a/exact.png", None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("../secret.png,s,happy", "outside"),
        ("{outside},s,happy", "outside"),
        ("link.png,s,happy", "outside"),
        ("sub/../../secret.png,s,happy", "outside"),
        ("none.png,s,happy", "no such file"),
        ("sub,s,happy", "a folder"),
        ("notes.txt,s,happy", "not an image"),
        (",s,happy", "no path"),
        ("a.png,,happy", "no subject"),
        ("a.png,s,hapy", "Did you mean happy"),
        ("a.png,s,happy,,later", "unknown split"),
        ("a.png,s,happy,OOD,test,", "no domain can be called 'ood', .* choose another"),
        ("a.png,s,happy,all,test,", "no domain can be called 'all'"),
        ("a.png,s,happy,,test,../secret.png", "outside"),
        ("a.png,s,happy,,,,,", "more cells"),
        ("a.png,\x1b[31ms,happy", "control characters"),
        (f"a.png,{'s' * 300},happy", "longer than"),
        (f"{'a' * 5000}.png,s,happy", "cannot be followed|no such file"),
    ],
)
def test_bad_rows_are_reported_and_end_nothing(tmp_path, make_image, line, reason):
    secret = make_image("secret.png")
    root = tmp_path / "set"
    make_image("set/a.png")
    make_image("set/good.png")
    (root / "sub").mkdir()
    (root / "notes.txt").write_text("x")
    (root / "link.png").symlink_to(secret)
    line = line.replace("{outside}", str(secret))
    write(root, "path,subject,expression,domain,split,target_path", line, "good.png,s,happy")
    rows, [problem] = read_manifest(root)
    assert [row.path for row in rows] == ["good.png"]
    assert problem.path.startswith("manifest.csv:2: ")
    assert re.search(reason, problem.reason)


def test_formulas_stay_text(tmp_path, make_image):
    make_image("a.png")
    write(tmp_path, "path,subject,expression", 'a.png,"=HYPERLINK(""http://x"",""y"")",happy')
    [row], _ = read_manifest(tmp_path)
    assert row.subject == '=HYPERLINK("http://x","y")'


def test_the_same_image_twice_counts_once(tmp_path, make_image):
    make_image("a.png")
    write(tmp_path, "path,subject,expression", "a.png,s,happy", "./a.png,t,sad")
    rows, [problem] = read_manifest(tmp_path)
    assert [row.subject for row in rows] == ["s"]
    assert "earlier row" in problem.reason


def test_unreadable_manifests(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_manifest(tmp_path)
    write(tmp_path, "file,person", "a.png,s")
    with pytest.raises(DatasetError, match="lacks the column path, subject, expression; it has file, person"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_bytes(b"path,subject,expression\n\xff\xfe\xfd,a,b\n")
    with pytest.raises(DatasetError, match="not UTF-8"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,subject,expression\n" + "x" * (csv.field_size_limit() + 1))
    with pytest.raises(DatasetError, match="after line 1: field larger"):
        read_manifest(tmp_path)
    with (tmp_path / "manifest.csv").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(DatasetError, match="larger than 64 MB"):
        read_manifest(tmp_path)


def test_a_manifest_without_rows_says_so(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,subject,expression\n")
    with pytest.raises(DatasetError, match=r"manifest\.csv holds no rows"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "form", ["./a/b.png", ".\\a\\b.png", "a/../a/b.png", "{root}/a/b.png", "{root}\\a\\b.png"]
)
def test_spellings_of_a_path_in_a_manifest(make_image, tmp_path, form):
    make_image("a/b.png")
    path = form.format(root=tmp_path)
    (tmp_path / "manifest.csv").write_text(f"path,subject,expression\n{path},s,happy\na/b.png,s,happy\n")
    rows, problems = read_manifest(tmp_path)
    assert [row.path for row in rows] == ["a/b.png"]
    assert [problem.reason for problem in problems] == ["an earlier row has the same image"]


def test_the_reserved_domains_are_the_means_of_tables():
    assert set(RESERVED) == {ALL, OOD}
