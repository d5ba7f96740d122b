"""A leaderboard in a real browser, opened from disk."""

import json

import pytest

HOSTILE = '<img src=x onerror="window.pwned=1">'


@pytest.fixture(scope="module")
def board(call_bench, current_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    call_bench("submit", current_run, "--out", folder / "in" / "a.json")
    content = json.loads((folder / "in" / "a.json").read_text())
    content["name"] = content["results"][0]["models"]["reggan-regression"]["card"]["title"] = HOSTILE
    for cell in content["results"][0]["cells"]:
        if cell["generator"] == "reggan-regression" and cell["metric"] == "fss@embedded":
            cell |= {"value": 0.125, "low": None, "high": None}
    (folder / "in" / "b.json").write_text(json.dumps(content))
    (folder / "in" / ("c" * 150 + ".json")).write_text("{")
    call_bench("leaderboard", folder / "in", "--out", folder / "out")
    return folder / "out" / "index.html"


def test_a_reader_sorts_filters_and_changes_the_theme(visit, board):
    page = visit(board, ready="#theme:visible")
    labels = ".view:not([hidden]) tbody:first-of-type th .label"
    assert page.locator(labels).count() == 2
    page.locator(".view:not([hidden]) thead .sort", has_text="FSS").click()
    assert page.locator(labels).all_inner_texts() == ["Local ridge regression (window 7)", HOSTILE]
    page.locator(".view:not([hidden]) thead .sort", has_text="FSS").click()
    assert page.locator(labels).all_inner_texts()[0] == HOSTILE
    page.fill("input.filter", "ridge")
    assert page.inner_text(".controls .count") == "1 of 4 models"
    page.click("#theme")
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert page.evaluate("window.pwned") is None


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(visit, board, width):
    page = visit(board, ready="#theme:visible")
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
