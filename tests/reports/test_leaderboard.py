"""The page of a leaderboard, from the command line on."""

import json
import shutil

import pytest

from fesbench.core.contracts import GeneratorCard
from fesbench.reports.citations import paper_link

HOSTILE = '<img src=x onerror="window.pwned=1">'
MODEL = "reggan-regression"


@pytest.fixture(scope="module")
def submissions(call_bench, current_run, tmp_path_factory):
    """One of ours, one with hostile texts, one that cannot be compared, and one that is broken."""
    folder = tmp_path_factory.mktemp("submissions")
    call_bench("submit", current_run, "--out", folder / "ours.json", "--by", "Our lab")
    content = json.loads((folder / "ours.json").read_text())
    theirs = content | {"name": HOSTILE, "by": HOSTILE}
    model = theirs["results"][0]["models"][MODEL]
    model["card"] |= {
        "title": HOSTILE,
        "citation": "javascript:alert(1)",
        "source": HOSTILE,
        "choices": [HOSTILE],
    }
    model["weights"] = {HOSTILE: HOSTILE}
    theirs["results"][0]["notes"] = [HOSTILE]
    (folder / "theirs.json").write_text(json.dumps(theirs))
    theirs["results"][0]["settings"]["resolution"] = 256
    (folder / "larger.json").write_text(json.dumps(theirs))
    (folder / "broken.json").write_text('{"kind": "<script>window.pwned=2</script>"')
    return folder


@pytest.fixture(scope="module")
def written(call_bench, submissions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board") / "board"
    done = call_bench("leaderboard", submissions, "--out", folder, "--title", "Expressions")
    return folder, done


def test_the_command_says_what_stands_where(written):
    folder, done = written
    assert done.stdout.splitlines() == [
        "table 1: rendered, 4 models of 2 submissions",
        "table 2: rendered, 3 models of 1 submission",
        str(folder / "index.html"),
    ]
    assert "not used: broken.json" in done.stderr


def test_the_page_names_links_and_refuses_and_escapes(written):
    folder, _ = written
    page = (folder / "index.html").read_text()
    assert "<img src=x" not in page
    assert "<script>window" not in page
    assert 'href="javascript' not in page
    assert 'href="https://arxiv.org/abs/2603.15648"' in page
    for text in ("Expressions", "Our lab", "resolution: 32 there, 256 here", "broken.json", "95% intervals"):
        assert text in page
    content = json.loads((folder / "leaderboard.json").read_text())
    assert [len(group["models"]) for group in content["groups"]] == [4, 3]
    assert content["refused"][0]["origin"] == "broken.json"


def test_it_is_made_again_in_its_folder_but_not_over_anything_else(
    call_bench, submissions, written, tmp_path
):
    folder, _ = written
    before = (folder / "index.html").read_bytes()
    call_bench("leaderboard", submissions, "--out", folder, "--title", "Expressions")
    assert (folder / "index.html").read_bytes() == before
    (tmp_path / "thesis.tex").write_text("x")
    assert "no leaderboard" in call_bench("leaderboard", submissions, "--out", tmp_path, code=2).stderr
    assert "no folder" in call_bench("leaderboard", tmp_path / "none", "--out", tmp_path / "b", code=2).stderr


def test_a_folder_without_submissions_gives_a_page_that_says_so(call_bench, tmp_path, submissions):
    (tmp_path / "in").mkdir()
    shutil.copy(submissions / "broken.json", tmp_path / "in")
    call_bench("leaderboard", tmp_path / "in", "--out", tmp_path / "out")
    assert "no submission that can be read" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    ("card", "link"),
    [
        (GeneratorCard("x", "X", citation="X, doi:10.1007/s11263-019-01256-3."), "https://doi.org/10.1007/s11263-019-01256-3"),
        (GeneratorCard("x", "X", citation="X, arXiv:1234.56789"), "https://arxiv.org/abs/1234.56789"),
        (GeneratorCard("x", "X", source="see https://github.com/a/b, main"), "https://github.com/a/b"),
        (GeneratorCard("stargan", "StarGAN"), "https://github.com/yunjey/stargan"),
        (GeneratorCard("x", "X", source="http://example.org javascript:x"), ""),
        (GeneratorCard("x", "X", source='https://a.org/"onclick=x'), ""),
    ],
)  # fmt: skip
def test_links_go_to_papers_or_code(card, link):
    assert paper_link(card) == link
