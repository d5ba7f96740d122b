import warnings
from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from fesbench.core.contracts import Failure
from fesbench.core.errors import BenchError
from fesbench.reports.figures.canvas import DPI, WIDTH, Axis, models_of, plain, save
from fesbench.reports.figures.grid import GridRow
from fesbench.reports.figures.images import image_grid
from fesbench.reports.figures.matrices import confusions, metric_agreement
from fesbench.reports.figures.palette import looks
from fesbench.reports.figures.scores import dots, points, rank_lines, slopes, trade_off
from fesbench.reports.figures.truth import metric_truth

ECS, FSS = Axis("ecs@x", "higher", "share"), Axis("fss@x", "higher", "cosine")
DOMAINS = ["studio", "statue", "ood"]


@pytest.fixture
def models(nasty_text):
    return models_of([("reggan", "RegGAN", False), ("mine", nasty_text, False), ("copy", "Input", True)])


@pytest.fixture
def cells():
    rows = [
        {"generator": name, "metric": axis.column, "domain": domain, "value": 0.5 + 0.1 * i, "low": 0.45,
         "high": 0.9, "complete": True}
        for axis in (ECS, FSS)
        for i, name in enumerate(("reggan", "mine", "copy"))
        for domain in DOMAINS
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[0, ["value", "low", "high", "complete"]] = [None, None, None, False]
    frame.loc[1, ["low", "high"]] = None
    return frame


@pytest.fixture
def agreement(nasty_text):
    rows = [("ecs@x", "mae.face", 0.2), (nasty_text, "mae.face", float("nan")), ("ecs@x", nasty_text, -0.9)]
    return pd.DataFrame(
        [
            {
                "metric": metric,
                "against": against,
                "domain": "studio",
                "tau": tau,
                "low": tau - 0.1,
                "high": 1.0,
            }
            for metric, against, tau in rows
        ]
    )


@pytest.fixture
def figures(cells, models, agreement, nasty_text):
    """Every kind of figure, by name."""
    ranks = cells[cells["generator"] != "copy"].assign(rank=1.0, of=2)
    shares = pd.DataFrame(
        {"generator": "mine", "target": "happy", "predicted": ["happy", "sad"], "share": [0.7, 0.3]}
    )
    tile = np.full((8, 8, 3), 200, np.uint8)
    rows = [GridRow(nasty_text, [tile, Failure(nasty_text)]), GridRow("b", [tile, tile])]
    return {
        "dots": lambda: dots(cells, models, ECS, DOMAINS),
        "trade": lambda: trade_off(cells, models, FSS, ECS, DOMAINS),
        "slopes": lambda: slopes(cells, models, [ECS, FSS], "studio", "ood"),
        "ranks": lambda: rank_lines(ranks, models[:2], [ECS, FSS], DOMAINS),
        "confusion": lambda: confusions(shares, models[1:2], ["happy", "sad"]),
        "metrics": lambda: metric_agreement(agreement, ["ecs@x", "mae.face", nasty_text]),
        "truth": lambda: metric_truth(agreement, ["ecs@x", nasty_text], ["mae.face"], ["studio"]),
        "images": lambda: image_grid(rows, [nasty_text, "model"]),
    }


KINDS = ["dots", "trade", "slopes", "ranks", "confusion", "metrics", "truth", "images"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_the_same_bytes_whatever_the_callers_style(kind, figures, tmp_path):
    names = save(figures[kind](), tmp_path / "one", kind)
    with matplotlib.rc_context({"font.size": 30, "savefig.dpi": 20, "text.parse_math": True}):
        save(figures[kind](), tmp_path / "two", kind)
    assert names == [f"{kind}.pdf", f"{kind}.png"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert b"CreationDate" not in (tmp_path / "one" / f"{kind}.pdf").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_as_wide_as_a_column_and_nothing_is_cut_off(kind, figures, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figures[kind](), tmp_path, kind)
    with PillowImage.open(tmp_path / f"{kind}.png") as image:
        assert image.width == round(WIDTH * DPI)
        pixels = np.asarray(image.convert("L"))
    if kind != "images":
        edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
        assert all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("count", [3, 4])
def test_titles_of_panels_overlap_no_other(agreement, count, tmp_path):
    truths = ["movement.landmarks@embedded", "quality@embedded", "mae.face", "fss@embedded"][:count]
    figure = metric_truth(agreement, ["ecs@x"], truths, ["studio"])
    save(figure, tmp_path, "truth")
    boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert len(boxes) == count
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_the_figure_of_a_study_says_that_people_answered():
    shares = pd.DataFrame({"generator": ["a"], "target": ["sad"], "predicted": ["sad"], "share": [1.0]})
    figure = confusions(shares, models_of([("a", "A", False)]), ["sad"], "people")
    assert figure.axes[0].get_xlabel() == "seen by people"


def test_each_file_costs_one_drawing(cells, models, tmp_path, monkeypatch):
    drawn, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (drawn.append(renderer), draw(self, renderer)))
    save(dots(cells, models, ECS, DOMAINS), tmp_path, "figure")
    assert len(drawn) == 2


def test_incomplete_cells_are_not_drawn(cells):
    found = points(cells)
    assert ("reggan", "ecs@x", "studio") not in found
    assert len(found) == len(cells) - 1


def test_looks_differ_and_stay_with_the_model():
    names = ["reggan", "stargan", "mine", "ganimation", "stgan", "usgan", "sargan", "degan", "copy", "yours"]
    found = looks(names)
    assert len(set(found.values())) == len(names)
    assert looks(["mine", "reggan"])["reggan"] == found["reggan"]


def test_text_of_a_user_stays_on_one_line_and_in_the_font(nasty_text):
    shown = plain(nasty_text, 500)
    assert "\n" not in shown
    assert "中" not in shown
    assert plain("x" * 90, 20) == "x" * 19 + "…"


def test_an_image_grid_needs_an_image_for_each_column():
    with pytest.raises(BenchError, match="needs 2 images"):
        image_grid([GridRow("a", [Failure("gone")])], ["Input", "model"])


def test_one_expression_asked_of_one_model_has_room_for_its_names(tmp_path):
    """Warnings are errors: matplotlib warns where names leave no room for a panel."""
    models = models_of([("a", "A model of a very long name", False)])
    labels = ["neutral", "happy", "sad", "fearful", "angry", "surprised", "disgusted"]
    shares = pd.DataFrame({"generator": "a", "target": "happy", "predicted": ["sad"], "share": [1.0]})
    pdf, _ = save(confusions(shares, models, labels), tmp_path, "confusion")
    assert (tmp_path / pdf).is_file()


def test_numbers_of_many_metrics_stand_apart(tmp_path):
    names = [f"metric{place}@embedded" for place in range(13)]
    rows = [{"metric": a, "against": b, "tau": -0.88} for a, b in combinations(names, 2)]
    figure = metric_agreement(pd.DataFrame(rows), names)
    save(figure, tmp_path, "metrics")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == len(rows)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
