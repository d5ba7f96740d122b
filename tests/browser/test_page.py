"""The report's page in a real browser: what a reader does with it, and what it must never do."""

import json
from io import BytesIO

import pytest
from PIL import Image

CELL = 'button.number[data-model="stargan"][data-metric="fss@embedded"][data-domain="studio"]'
VISIBLE = ".view:not([hidden])"


def rows(page):
    return page.locator(f"{VISIBLE} tbody tr:not(.block):visible th .label").all_inner_texts()


def column(page, number):
    cells = page.locator(f"{VISIBLE} tbody tr:not(.block) td:nth-child({number})")
    return [float(cell.get_attribute("data-sort")) for cell in cells.all()]


def choose(page, view):
    page.select_option("select.choice", label=view)


@pytest.fixture
def opened(visit, small_page):
    """The page with the outputs behind one number."""
    page = visit(small_page)
    choose(page, "studio")
    page.click(f"{VISIBLE} {CELL}")
    page.wait_for_selector(".gallery img")
    return page


def values(page):
    texts = page.locator(".gallery .under").all_inner_texts()
    return [float(text.split(" · ")[0]) for text in texts]


def test_a_click_sorts_and_another_one_turns_it_round(visit, small_page):
    page = visit(small_page)
    button = page.locator(f"{VISIBLE} thead th.numeric .sort").first
    head = page.locator(f"{VISIBLE} thead th.numeric").first
    for order, sign in (("descending", -1), ("ascending", 1)):
        button.click()
        assert head.get_attribute("aria-sort") == order
        controls = column(page, 2)[-2:]
        assert controls == sorted(controls, key=lambda value: sign * value)


def test_controls_stay_below_the_rule_when_sorted(visit, small_page):
    page = visit(small_page)
    page.locator(f"{VISIBLE} thead .sort").first.click()
    assert rows(page) == ["StarGAN", "Input", "True target"]


def test_filter_hides_models_and_says_how_many_are_left(visit, small_page):
    page = visit(small_page)
    page.fill("input.filter", "stargan")
    assert rows(page) == ["StarGAN"]
    assert page.inner_text(".controls .count") == "1 of 3 models"
    page.fill("input.filter", "")
    assert len(rows(page)) == 3


def test_views_show_metrics_of_a_domain_or_domains_of_a_metric(visit, small_page):
    page = visit(small_page)
    choose(page, "ECS@embedded ↑")
    heads = page.locator(f"{VISIBLE} thead .sort").all_inner_texts()
    assert heads[1:] == ["studio", "celebrity", "portrait", "statue", "avatar", "mean OOD"]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(visit, small_page, width):
    page = visit(small_page)
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    assert _cut_off(page, "body") == []
    for view in page.locator("select.choice option").all_inner_texts():
        choose(page, view)
        assert _cut_off(page, VISIBLE) == []
    page.locator(f"{VISIBLE} button.number").first.click()
    page.wait_for_selector(".gallery img")
    assert _cut_off(page, "#cell") == []
    page.locator(".gallery .tile").first.click()
    page.wait_for_selector(".viewing")
    assert _cut_off(page, "#viewer") == []


def _cut_off(page, scope):
    """Elements of a part of the page that reach beyond the window; only commands may scroll in their box."""
    found = """(part) => [...part.querySelectorAll("*")].filter((one) => {
      const { width, right, left } = one.getBoundingClientRect();
      return width && !one.closest("pre, .skip") && (right > innerWidth + 0.5 || left < -0.5);
    }).map((one) => one.outerHTML.slice(0, 200))"""
    return page.locator(scope).first.evaluate(found)


def test_a_narrow_window_shows_every_row_as_a_card(visit, small_page):
    page = visit(small_page)
    page.set_viewport_size({"width": 400, "height": 900})
    row = page.locator(f"{VISIBLE} tbody tr:not(.block)").first
    assert row.evaluate("(row) => getComputedStyle(row).display") == "grid"
    label = row.locator("td").first.evaluate("(cell) => getComputedStyle(cell, '::before').content")
    assert label == '"ECS@embedded\u00a0↑"'


def test_faces_come_first_then_the_table_then_few_cautions(visit, small_page):
    page = visit(small_page)
    parts = (".faces", VISIBLE, ".cautions", "details.numbers", "h3")
    heights = [page.locator(f".sheet {part}").first.bounding_box()["y"] for part in parts]
    assert heights == sorted(heights)
    assert 1 <= page.locator(".sheet .cautions li").count() <= 3


def test_other_notes_are_folded_beside_their_metric(visit, small_page):
    page = visit(small_page)
    fold = page.locator("details.numbers")
    assert not fold.locator("li").first.is_visible()
    fold.locator("summary").click()
    heading = fold.locator(".about:has-text('ECS@embedded') + ul")
    assert "of the true targets" in heading.inner_text()
    cautions = set(page.locator(".sheet .cautions li").all_inner_texts())
    assert not cautions & set(fold.locator("li").all_inner_texts())
    page.click(f"{VISIBLE} button.number[data-metric='ecs@embedded'] >> nth=0")
    page.wait_for_selector(".gallery img")
    assert "of the true targets" in page.locator("#cell details.background").text_content()


def test_a_face_opens_the_edit_that_it_shows(visit, small_page, until):
    page = visit(small_page)
    assert page.locator(".faces .edit").count() == 5
    assert page.locator(".faces .head").all_inner_texts() == ["", "Input", "StarGAN", "True target"]
    until(page, "[...document.querySelectorAll('.faces img')].every((image) => image.naturalWidth > 0)")
    face = page.locator(".person:has-text('StarGAN') .face").nth(1)
    domain, _, expression = face.get_attribute("title").removeprefix("StarGAN: ").partition(", ")
    face.click()
    page.wait_for_selector(".viewing")
    assert page.inner_text("#viewer-title") == f"StarGAN, {expression}"
    assert f"· {domain} ·" in page.inner_text("#viewer .heading p")
    assert page.inner_text("#viewer .steps span").startswith("2 of 5")


def test_the_axes_of_a_distribution_say_what_they_are(opened):
    texts = opened.locator(".histogram text").all_text_contents()
    assert {"FSS@embedded, cosine similarity", "outputs", "0"} <= set(texts)


def test_a_number_opens_its_outputs_best_first_then_worst_first(opened):
    assert values(opened) == sorted(values(opened), reverse=True)
    assert "6 of 6 outputs" in opened.inner_text("#cell .count")
    opened.select_option("#cell .controls select >> nth=0", "worst")
    assert values(opened) == sorted(values(opened))


def test_outputs_are_filtered_by_expression_and_by_score(opened):
    opened.select_option("#cell .controls select >> nth=1", "happy")
    assert opened.locator(".gallery li").count() == 1
    opened.select_option("#cell .controls select >> nth=1", "")
    best, *_ = values(opened)
    opened.fill("input.from", str(best - 0.0006))
    assert 1 <= opened.locator(".gallery li").count() < 6


def test_a_bar_of_the_distribution_chooses_its_outputs(opened):
    bars = opened.locator(".histogram .bin:has(.amount[height]:not([height='0']))")
    bars.last.click()
    assert 1 <= opened.locator(".gallery li").count() < 6


def test_images_load_from_the_run(opened, until):
    until(opened, "[...document.querySelectorAll('.gallery img')].every((i) => i.naturalWidth > 0)")
    assert opened.locator(".gallery .missing").count() == 0


def test_arrow_keys_step_through_outputs_and_models(opened, until):
    opened.locator(".gallery .tile").first.click()
    first = opened.inner_text("#viewer .heading p")
    opened.keyboard.press("ArrowRight")
    until(opened, "document.querySelector('#viewer .steps span').textContent.startsWith('2 of 6')")
    assert opened.inner_text("#viewer .heading p") != first
    opened.keyboard.press("ArrowLeft")
    until(opened, "document.querySelector('#viewer .steps span').textContent.startsWith('1 of 6')")
    model = opened.inner_text("#viewer-title")
    opened.keyboard.press("ArrowDown")
    until(opened, f"document.querySelector('#viewer-title').textContent !== {json.dumps(model)}")
    opened.keyboard.press("ArrowUp")
    until(opened, f"document.querySelector('#viewer-title').textContent === {json.dumps(model)}")
    opened.keyboard.press("Escape")
    assert not opened.locator("#viewer").evaluate("(dialog) => dialog.open")
    assert opened.locator("#cell").evaluate("(dialog) => dialog.open")


def test_slider_uncovers_the_input(opened):
    opened.locator(".gallery .tile").first.click()
    opened.click("#viewer .modes button:has-text('Slider')")
    slider = opened.locator("#viewer input[type=range]")
    slider.fill("25")
    assert opened.locator("#viewer .upper").evaluate("(image) => image.style.clipPath").startswith("inset(0")
    assert "75%" in opened.locator("#viewer .upper").evaluate("(image) => image.style.clipPath")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    assert slider.input_value() == "26"
    assert opened.inner_text("#viewer .steps span").startswith("1 of 6")


def test_difference_of_an_image_to_itself_is_black(opened, until):
    opened.locator(".gallery .tile").first.click()
    opened.click("#viewer .strip button:has-text('Input')")
    until(opened, "document.querySelector('#viewer-title').textContent.startsWith('Input')")
    opened.click("#viewer .modes button:has-text('Difference')")
    until(opened, "[...document.querySelectorAll('#viewer .stack img')].every((i) => i.complete)")
    assert _brightest(opened.locator("#viewer .stack").screenshot()) < 8
    opened.click("#viewer .strip button:has-text('StarGAN')")
    until(opened, "document.querySelector('#viewer-title').textContent.startsWith('StarGAN')")
    until(opened, "[...document.querySelectorAll('#viewer .stack img')].every((i) => i.complete)")
    assert _brightest(opened.locator("#viewer .stack").screenshot()) > 64


def _brightest(png):
    """The brightest value in the middle of a screenshot; its corners are round and show what is behind."""
    image = Image.open(BytesIO(png)).convert("L")
    return image.crop((20, 20, image.width - 20, image.height - 20)).getextrema()[1]


def test_an_address_opens_the_number_that_it_names(visit, small_page, opened):
    again = visit(opened.evaluate("location.href"))
    again.wait_for_selector(".gallery img")
    assert again.inner_text("#cell-title") == "FSS@embedded of StarGAN"


def test_a_set_metric_says_that_it_has_no_single_scores(visit, small_page):
    page = visit(small_page)
    choose(page, "KID@embedded ↓")
    page.locator(f"{VISIBLE} button.number").first.click()
    page.wait_for_selector(".gallery img")
    assert "as a set" in page.inner_text("#cell")


def test_a_table_is_copied_as_it_was_published(visit, small_page):
    page = visit(small_page, permissions=["clipboard-read", "clipboard-write"])
    signs = {"LaTeX": r"\begin{tabular}", "CSV": "dataset,block,model", "Markdown": "| StarGAN |"}
    for name, sign in signs.items():
        page.click(f'.copy button[data-copy="{name}"] >> nth=0')
        page.wait_for_selector(f"text={name} copied")
        assert sign in page.evaluate("navigator.clipboard.readText()")


def test_theme_follows_the_system_until_it_is_chosen(visit, small_page):
    page = visit(small_page, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: light"
    assert page.evaluate(paper) != dark
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.inner_text("#theme") == "Theme: light"


def test_print_shows_every_view_and_no_controls(visit, small_page):
    page = visit(small_page)
    page.emulate_media(media="print")
    assert page.locator(".view:visible").count() == page.locator(".view").count() > 1
    assert not page.locator(".controls").first.is_visible()
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0


def test_keyboard_reaches_a_number_and_comes_back_to_it(visit, small_page):
    page = visit(small_page)
    number = page.locator(f"{VISIBLE} button.number").first
    number.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".gallery img")
    assert page.evaluate("document.activeElement.className") == "close"
    page.keyboard.press("Escape")
    assert number.evaluate("(button) => button === document.activeElement")


def test_hostile_texts_are_shown_and_do_nothing(visit, hostile_page):
    page = visit(hostile_page)
    assert page.evaluate("window.pwned") is None
    assert "</script><script>" in page.inner_text(f"{VISIBLE} tbody")
    choose(page, "studio")
    page.click(f"{VISIBLE} {CELL}")
    page.wait_for_selector(".gallery .missing")
    page.fill("#cell input[type=search]", "=hyperlink")
    tile = page.locator(".gallery .tile")
    assert tile.count() == 1
    assert tile.get_attribute("title").startswith("<img src=x")
    tile.click()
    assert 'subject =HYPERLINK("https' in page.inner_text("#viewer .heading p")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.click("details.failures summary")
    page.wait_for_selector("details.failures td")
    assert '<img src=x onerror="window.pwned=1">' in page.inner_text("details.failures")
    assert page.evaluate("window.pwned") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_of_accessibility_rules(visit, small_page, axe, scheme):
    page = visit(small_page, color_scheme=scheme)
    page.evaluate(axe)
    assert _violations(page) == []
    page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    assert _violations(page) == []
    page.click(f"{VISIBLE} button.number >> nth=0")
    page.wait_for_selector(".gallery img")
    assert _violations(page) == []
    page.locator(".gallery .tile").first.click()
    page.wait_for_selector(".viewing")
    assert _violations(page) == []


def _violations(page):
    found = page.evaluate("axe.run(document, { preload: false })")["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in found]
