"""``bench report``: what it writes, that it writes the same again, and what it refuses."""

import json

import pytest


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_same_run_gives_the_same_bytes(call_bench, small_run, tmp_path):
    written = []
    for _ in range(2):
        call_bench("report", small_run, "--format", "html,latex,csv,md,json", "--out", tmp_path / "out")
        written.append(contents(tmp_path / "out"))
    assert written[0] == written[1]
    tables = {f"tables/main{end}" for end in (".tex", "-siunitx.tex", ".csv", ".md", ".json")}
    assert written[0].keys() >= {"html/index.html", *tables}


@pytest.fixture(scope="module")
def moved(call_bench, small_run, tmp_path_factory):
    """A report with figures and images, away from its run."""
    folder = tmp_path_factory.mktemp("moved")
    choices = ["--format", "html,figures", "--include-images", "rendered"]
    call_bench("report", small_run, *choices, "--out", folder / "out")
    return (folder / "out" / "html").rename(folder / "elsewhere")


def test_included_images_travel_with_the_report(moved, visit, until):
    assert len(list((moved / "images").rglob("*.png"))) == 3 * 30
    page = visit(moved / "index.html")
    page.click(".view:not([hidden]) button.number >> nth=0")
    until(page, "[...document.querySelectorAll('.gallery img')].some((image) => image.naturalWidth)")


def test_figures_are_seen_in_the_page(moved, visit, until):
    page = visit(moved / "index.html")
    assert not page.locator("details.figures img").first.is_visible()
    for summary in page.locator("details.figures > summary").all():
        summary.click()
    shown = page.locator("details.figures img")
    assert shown.count() == len(list((moved / "figures" / "0").iterdir())) > 3
    shown.evaluate_all("images => images.forEach((image) => (image.loading = 'eager'))")
    until(page, "[...document.querySelectorAll('.figures img')].every((image) => image.naturalWidth > 100)")
    assert all(
        text.startswith("rendered: ") for text in page.locator(".figures figcaption").all_inner_texts()
    )


def test_without_included_images_there_is_none_in_the_report(small_page):
    assert not list(small_page.parent.rglob("*.png"))


def test_a_report_away_from_its_run_says_that_images_are_missing(visit, call_bench, small_run, tmp_path):
    call_bench("report", small_run, "--format", "html", "--out", tmp_path / "a" / "out")
    moved = (tmp_path / "a" / "out" / "html").rename(tmp_path / "moved")
    markup = (moved / "index.html").read_text(encoding="utf-8")
    assert "--include-images rendered" in markup


def test_two_runs_share_a_page(call_bench, small_run, hostile_run, tmp_path, visit):
    call_bench("report", small_run, hostile_run, "--format", "html,csv", "--out", tmp_path)
    page = visit(tmp_path / "html" / "index.html")
    assert page.locator("section.sheet").count() == 2
    assert len([path for path in (tmp_path / "tables").iterdir() if (path / "main.csv").is_file()]) == 2


def test_formulas_are_plain_text_in_csv(call_bench, hostile_run, tmp_path):
    call_bench("report", hostile_run, "--format", "csv", "--out", tmp_path)
    for path in (tmp_path / "tables").glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        assert not any(cell.startswith("=") for line in text.splitlines() for cell in line.split(","))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "html,pdf"], "'pdf' is no format; there are: html, latex, md, csv, json, figures"),
        (["--include-images", "london"], "no data set 'london' in these runs; there are: rendered"),
    ],
)
def test_what_is_not_known_is_refused(call_bench, small_run, arguments, message):
    done = call_bench("report", small_run, *arguments, code=2)
    assert message in " ".join(done.stderr.split())


def test_a_run_that_was_stopped_has_no_report_yet(call_bench, tmp_path):
    (tmp_path / "run.json").write_text(
        json.dumps({"schema_version": 1, "status": "started"}), encoding="utf-8"
    )
    done = call_bench("report", tmp_path, code=2)
    assert "was not finished" in done.stderr


def test_a_folder_of_other_things_is_left_alone(call_bench, small_run, tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "thesis.html").write_text("mine", encoding="utf-8")
    done = call_bench("report", small_run, "--format", "html", "--out", tmp_path, code=2)
    assert "is no report" in done.stderr
    assert contents(tmp_path / "html") == {"thesis.html": b"mine"}
