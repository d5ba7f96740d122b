"""Write the printable packet: one PDF for each participant and paper size, and a data-entry table."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from PIL import Image as Pillow
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from fesbench.core.files import written_whole

from ...formats.delimited import csv_rows
from ..schema import Form, Study, Trial
from ..storage import stimulus_path
from .documents import is_draft
from .sheets import QUALITY, grid, shape, split

RED = HexColor("#B00020")
PAPERS = {"A4": A4, "Letter": LETTER}
DPI = 300
LARGEST = 50
"""Largest side of an image, in millimetres."""
GAP, LINE, MARGIN = 3, 6, 15
"""Distance between images, height of a caption, and page margin, in millimetres."""
WIDTH = 180
"""Width between the margins of A4, in millimetres; images have the same size on Letter, which is wider."""
HALF = 100
"""Height for the images of a question, in millimetres, so that two questions fit on a page of Letter."""

_BODY = ParagraphStyle("body", fontName="Sans", fontSize=10, leading=14, spaceAfter=5)
_STYLES = {
    "#": ParagraphStyle("title", _BODY, fontName="Sans-Bold", fontSize=17, leading=22, spaceAfter=8),
    "##": ParagraphStyle("head", _BODY, fontName="Sans-Bold", fontSize=11, spaceBefore=6, spaceAfter=2),
    "-": ParagraphStyle("item", _BODY, leftIndent=16, bulletIndent=2, bulletFontName="Sans"),
    ">": ParagraphStyle("draft", _BODY, textColor=RED),
}
PROMPT, ANSWER = ("Sans-Bold", 11.0, 14.0), ("Sans", 9.0, 12.0)
"""Font, size and leading in points. These lines are not reportlab paragraphs, which are much slower."""


def write_print(packet: Path, study: Study, forms: Sequence[Form], texts: Mapping[str, str]) -> None:
    """Write ``public/print``: ``F0001-A4.pdf``, ``F0001-Letter.pdf`` … and ``data_entry.csv``.

    Args:
        packet: Holds the stimuli already.
        study: The study.
        forms: A PDF for each and paper size.
        texts: ``consent``, ``instructions`` and ``debrief``, as Markdown.
    """
    folder = packet / "public" / "print"
    rl_config.useA85 = 0
    _register_fonts()

    @cache
    def photo(name: str, side: int) -> _Photo:
        return _Photo(stimulus_path(packet, name), round(side / 25.4 * DPI))

    for form in forms:
        for paper in PAPERS:
            with written_whole(folder / f"{form.id}-{paper}.pdf") as temporary:
                temporary.write_bytes(_pdf(study, form, texts, paper, photo))
    with written_whole(folder / "data_entry.csv") as temporary:
        temporary.write_text(data_entry(forms), encoding="utf-8")


def data_entry(forms: Sequence[Form]) -> str:
    """Return the data-entry table as CSV text, a row for each trial; ``--platform paper`` imports it."""
    columns = ("form_id", "number", "trial_id", "answer", "choices")
    rows = [
        (form.id, number, trial.id, "", " ".join(trial.choices))
        for form in forms
        for number, trial in enumerate(form.trials, start=1)
    ]
    return csv_rows([columns, *rows])


def _register_fonts() -> None:
    for name, weight in (("Sans", "normal"), ("Sans-Bold", "bold")):
        found = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
        pdfmetrics.registerFont(TTFont(name, found))
    pdfmetrics.registerFontFamily(
        "Sans", normal="Sans", bold="Sans-Bold", italic="Sans", boldItalic="Sans-Bold"
    )


class _Photo(ImageReader):
    """A stimulus as a JPEG at the resolution of print.

    reportlab embeds the JPEG as it is, under a name derived from ``getRGBData``. Here that is the bytes of
    the JPEG, which needs no decoding and is equal on every machine. The image has no mask (``_dataA``).
    """

    _dataA = None  # noqa: N815 - reportlab's name

    def __init__(self, path: Path, pixels: int) -> None:
        stream = BytesIO()
        with Pillow.open(path) as image:
            large = image.resize((pixels, pixels), Pillow.Resampling.BICUBIC)
            large.save(stream, format="JPEG", quality=QUALITY, subsampling=0, dpi=(DPI, DPI))
        self._bytes = stream.getvalue()
        super().__init__(stream)

    def getRGBData(self) -> bytes:  # noqa: N802 - reportlab's name
        """Return the bytes that identify the image."""
        return self._bytes


Photos = Callable[[str, int], _Photo]
"""Loads the image of a stimulus name at a side in millimetres."""


def picture_side(trial: Trial) -> int:
    """Return the largest side of the images in millimetres with which two questions fit on a page."""
    (columns, rows), originals = shape(len(trial.stimuli)), bool(trial.reference)
    gaps = GAP * (columns - 1 + 3 * originals)
    return min(LARGEST, (WIDTH - gaps) // (columns + originals), HALF // rows - LINE)


class _Question(Flowable):
    """One trial: number, question, original on the left, lettered images on the right, choices below."""

    def __init__(self, number: int, trial: Trial, photos: Photos, width: float) -> None:
        super().__init__()
        self.trial, self.photos, self.width = trial, photos, width
        self.side = picture_side(trial)
        self.places = grid(len(trial.stimuli))
        self.prompt = simpleSplit(f"{number}.  {trial.prompt}", *PROMPT[:2], width)
        words = "   /   ".join(label.replace(" ", "\u00a0") for label in trial.labels)
        self.answers = simpleSplit(words if len(trial.stimuli) == 1 else "", *ANSWER[:2], width)
        self.above = len(self.prompt) * PROMPT[2] + 3 * mm
        self.below = len(self.answers) * ANSWER[2] + 7 * mm
        _, rows = shape(len(trial.stimuli))
        self.height = self.above + rows * (self.side + LINE) * mm + self.below

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Return the size in points."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw on the canvas, from the lower left corner."""
        top = self.height - self.above
        self._lines(self.prompt, PROMPT, self.height)
        original, judged = split(self.trial)
        for name, caption in original:
            self._picture(name, caption, 0, top)
        left = len(original) * (self.side + 3 * GAP)
        for (name, caption), (column, row) in zip(judged, self.places, strict=True):
            x, y = left + column * (self.side + GAP), row * (self.side + LINE)
            self._picture(name, caption, x * mm, top - y * mm)
        self._lines(self.answers, ANSWER, self.below)
        self.canv.setStrokeGray(0.8)
        self.canv.line(0, 3 * mm, self.width, 3 * mm)

    def _lines(self, lines: Sequence[str], style: tuple[str, float, float], top: float) -> None:
        font, size, leading = style
        self.canv.setFont(font, size)
        for number, line in enumerate(lines):
            self.canv.drawString(0, top - number * leading - size, line)

    def _picture(self, name: str, caption: str, x: float, top: float) -> None:
        side = self.side * mm
        self.canv.drawImage(self.photos(name, self.side), x, top - side, side, side)
        self.canv.setFont("Sans-Bold" if len(caption) == 1 else "Sans", 10)
        self.canv.drawCentredString(x + side / 2, top - side - 4.2 * mm, caption)


def _pdf(study: Study, form: Form, texts: Mapping[str, str], paper: str, photos: Photos) -> bytes:
    size = PAPERS[paper]
    width = size[0] - 2 * MARGIN * mm
    stream = BytesIO()
    document = BaseDocTemplate(
        stream, pagesize=size, title=study.title, author="", invariant=1, pageCompression=1
    )
    frame = Frame(MARGIN * mm, MARGIN * mm, width, size[1] - 2 * MARGIN * mm, leftPadding=0, rightPadding=0)
    draft = study.draft or any(is_draft(text) for text in texts.values())
    footers = {"consent": f"study {study.id}", "form": f"study {study.id}   form {form.id}"}
    document.addPageTemplates([_page(name, frame, footer, size, draft) for name, footer in footers.items()])
    document.build(list(_story(form, texts, photos, width)))
    return stream.getvalue()


def _story(form: Form, texts: Mapping[str, str], photos: Photos, width: float) -> Iterator[Flowable]:
    """Yield all pages. The consent has a signature, so it does not show the number of the form."""
    code = _text(f"Your code is **{form.id}**.")
    yield from (*_text(texts["consent"]), _signature(width), NextPageTemplate("form"), PageBreak())
    yield from _text(texts["instructions"])
    yield from _text("- Answer on the sheet with the circles, which may be taken out.")
    yield from (*code, PageBreak())
    number = count(1)
    for place, (title, trials) in enumerate(form.parts):
        pause = ". Take a break before it, if you like." if place > 1 else ""
        questions = [_Question(next(number), trial, photos, width) for trial in trials]
        yield KeepTogether([*_text(f"## {title}{pause}"), questions[0]])
        yield from questions[1:]
    yield from (PageBreak(), *_answer_sheet(form, width), PageBreak(), *_text(texts["debrief"]), *code)


def _page(name: str, frame: Frame, footer: str, size: tuple[float, float], draft: bool) -> PageTemplate:
    def furnish(canvas: Canvas, _: Any) -> None:
        _furniture(canvas, footer, size, draft)

    return PageTemplate(name, [frame], onPage=furnish)


def _furniture(canvas: Canvas, footer: str, size: tuple[float, float], draft: bool) -> None:
    """Draw the footer and the draft mark."""
    canvas.saveState()
    canvas.setFont("Sans", 8)
    canvas.setFillGray(0.35)
    canvas.drawString(MARGIN * mm, 9 * mm, footer)
    canvas.drawRightString(size[0] - MARGIN * mm, 9 * mm, f"page {canvas.getPageNumber()}")
    if draft:
        canvas.setFont("Sans-Bold", 9)
        canvas.setFillColor(RED)
        canvas.drawCentredString(size[0] / 2, size[1] - 10 * mm, "DRAFT – not for use")
    canvas.restoreState()


def _text(markdown: str) -> list[Flowable]:
    """Return the headings, paragraphs, items and boxes of a simple Markdown text."""
    flowables: list[Flowable] = []
    for line in filter(None, (line.strip() for line in markdown.splitlines())):
        mark, _, rest = line.partition(" ")
        known = mark in _STYLES
        content = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(rest if known else line))
        bullet = None
        if mark == "-":
            box = content.startswith("[ ] ")
            bullet, content = ("☐", content[4:]) if box else ("•", content)
        flowables.append(Paragraph(content, _STYLES[mark] if known else _BODY, bulletText=bullet))
    return flowables


def _signature(width: float) -> Flowable:
    lines = Table([["Date", "", "Signature"]], colWidths=[width * 0.3, width * 0.05, width * 0.55])
    lines.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Sans", 9),
                ("LINEABOVE", (0, 0), (0, 0), 0.5, "#888888"),
                ("LINEABOVE", (2, 0), (2, 0), 0.5, "#888888"),
            ]
        )
    )
    return KeepTogether([Spacer(1, 18 * mm), lines])


def _answer_sheet(form: Form, width: float) -> list[Flowable]:
    """Return a line of circles for each trial, in two columns if the choices are short enough."""
    title = Paragraph("Answers", _STYLES["#"])
    help_text = Paragraph(f"Form {form.id}. Fill in one circle for each question.", _BODY)
    cells = [_line(number, trial) for number, trial in enumerate(form.trials, start=1)]
    widest = max(pdfmetrics.stringWidth(circles, "Sans", 10) for _, circles in cells)
    columns = 2 if 2 * (widest + 20 * mm) <= width else 1
    down = -(-len(cells) // columns)
    columns_of_cells = (cells[start : start + down] for start in range(0, len(cells), down))
    rows = [
        [text for cell in row for text in cell] for row in zip_longest(*columns_of_cells, fillvalue=("", ""))
    ]
    sheet = Table(rows, colWidths=[10 * mm, width / columns - 10 * mm] * columns, rowHeights=[17] * down)
    bold = [("FONT", (2 * column, 0), (2 * column, -1), "Sans-Bold", 10) for column in range(columns)]
    sheet.setStyle(TableStyle([("FONT", (0, 0), (-1, -1), "Sans", 10), *bold]))
    return [KeepTogether([title, help_text]), Spacer(1, 2 * mm), sheet]


def _line(number: int, trial: Trial) -> tuple[str, str]:
    return f"{number}.", "   ".join(f"○\u00a0{choice}" for choice in trial.choices)
