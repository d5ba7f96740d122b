"""The printable packet: one PDF for each participant and paper size, and the table to type answers into."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib import font_manager
from PIL import Image as Pillow
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from fesbench.files import written_whole

from .documents import is_draft, table
from .schema import Form, Study, Trial
from .sheets import QUALITY, grid, letters

RED = HexColor("#B00020")
PAPERS = {"A4": A4, "Letter": LETTER}
DPI = 300
SIDE = 32.0
"""Millimetres: a picture."""
GAP, LINE, MARGIN = 3.0, 6.0, 15.0
"""Millimetres: between pictures, for a line below one, around a page."""
PIXELS = round(SIDE / 25.4 * DPI)

_BODY = ParagraphStyle("body", fontName="Sans", fontSize=10, leading=14, spaceAfter=5)
_STYLES = {
    "#": ParagraphStyle("title", _BODY, fontName="Sans-Bold", fontSize=17, leading=22, spaceAfter=8),
    "##": ParagraphStyle("head", _BODY, fontName="Sans-Bold", fontSize=11, spaceBefore=6, spaceAfter=2),
    "-": ParagraphStyle("item", _BODY, leftIndent=16, bulletIndent=2, bulletFontName="Sans"),
    ">": ParagraphStyle("draft", _BODY, textColor=RED),
    "prompt": ParagraphStyle("prompt", _BODY, fontName="Sans-Bold", fontSize=11, leading=14, spaceAfter=0),
    "answer": ParagraphStyle("answer", _BODY, fontSize=9, leading=12, spaceAfter=0),
    "sheet": ParagraphStyle("sheet", _BODY, fontSize=10, leading=15, spaceAfter=0),
}


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
    with TemporaryDirectory() as scratch:
        pictures = _Pictures(packet / "public" / "stimuli", Path(scratch))
        for form in forms:
            for paper in PAPERS:
                with written_whole(folder / f"{form.id}-{paper}.pdf") as temporary:
                    temporary.write_bytes(_pdf(study, form, texts, paper, pictures))
    with written_whole(folder / "data_entry.csv") as temporary:
        temporary.write_text(data_entry(forms), encoding="utf-8")


def data_entry(forms: Sequence[Form]) -> str:
    """A row for each trial of each form, its answer left empty: what ``--platform paper`` imports."""
    columns = ("form_id", "number", "trial_id", "answer", "choices")
    rows = [
        (form.id, number, trial.id, "", " ".join(trial.choices))
        for form in forms
        for number, trial in enumerate(form.trials, start=1)
    ]
    return table(columns, rows)


def _register_fonts() -> None:
    for name, weight in (("Sans", "normal"), ("Sans-Bold", "bold")):
        found = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
        pdfmetrics.registerFont(TTFont(name, found))
    pdfmetrics.registerFontFamily(
        "Sans", normal="Sans", bold="Sans-Bold", italic="Sans", boldItalic="Sans-Bold"
    )


class _Pictures:
    """Stimuli at the resolution of print, made once for all forms."""

    def __init__(self, stimuli: Path, scratch: Path) -> None:
        self._stimuli, self._scratch = stimuli, scratch

    def path(self, name: str) -> str:
        """A JPEG of ``PIXELS`` × ``PIXELS``."""
        path = self._scratch / f"{name}.jpg"
        if not path.exists():
            with Pillow.open(self._stimuli / f"{name}.png") as image:
                large = image.resize((PIXELS, PIXELS), Pillow.Resampling.BICUBIC)
                large.save(path, quality=QUALITY, subsampling=0, dpi=(DPI, DPI))
        return str(path)


class _Question(Flowable):
    """One trial: number, question, original on the left, lettered pictures on the right, choices below."""

    def __init__(self, number: int, trial: Trial, pictures: _Pictures, width: float) -> None:
        super().__init__()
        self.trial, self.pictures = trial, pictures
        self.places = grid(len(trial.stimuli))
        self.rows = max(row for _, row in self.places) + 1
        practice = " (practice)" if trial.practice else ""
        text = f"{number}{practice}.  {html.escape(trial.prompt)}"
        self.prompt = Paragraph(text, _STYLES["prompt"])
        single = len(trial.stimuli) == 1
        words = (html.escape(label).replace(" ", "&nbsp;") for label in trial.labels)
        choices = " &nbsp;/&nbsp; ".join(words) if single else ""
        self.answers = Paragraph(choices, _STYLES["answer"])
        self.width = width
        self.above = self.prompt.wrap(width, 100 * mm)[1] + 3 * mm
        self.below = self.answers.wrap(width, 100 * mm)[1] + 7 * mm
        self.height = self.above + self.rows * (SIDE + LINE) * mm + self.below

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Its size in points."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw on the canvas, from the lower left corner."""
        top = self.height - self.above
        self.prompt.drawOn(self.canv, 0, top + 3 * mm)
        left = 0.0
        if self.trial.reference:
            self._picture(self.trial.reference, "original", 0, top)
            left = SIDE + 3 * GAP
        for letter, name, (column, row) in zip(
            letters(self.trial), self.trial.stimuli, self.places, strict=True
        ):
            x, y = left + column * (SIDE + GAP), row * (SIDE + LINE)
            self._picture(name, letter, x * mm, top - y * mm)
        self.answers.drawOn(self.canv, 0, 7 * mm)
        self.canv.setStrokeGray(0.8)
        self.canv.line(0, 3 * mm, self.width, 3 * mm)

    def _picture(self, name: str, caption: str, x: float, top: float) -> None:
        self.canv.drawImage(self.pictures.path(name), x, top - SIDE * mm, SIDE * mm, SIDE * mm)
        self.canv.setFont("Sans-Bold" if len(caption) == 1 else "Sans", 10)
        self.canv.drawCentredString(x + SIDE / 2 * mm, top - (SIDE + 4.2) * mm, caption)


def _pdf(study: Study, form: Form, texts: Mapping[str, str], paper: str, pictures: _Pictures) -> bytes:
    size = PAPERS[paper]
    width = size[0] - 2 * MARGIN * mm
    stream = BytesIO()
    document = BaseDocTemplate(
        stream, pagesize=size, title=study.title, author="", invariant=1, pageCompression=1
    )
    frame = Frame(MARGIN * mm, MARGIN * mm, width, size[1] - 2 * MARGIN * mm, leftPadding=0, rightPadding=0)
    draft = study.draft or any(is_draft(text) for text in texts.values())

    def furnish(canvas: Canvas, _: Any) -> None:
        _furniture(canvas, study, form, size, draft)

    document.addPageTemplates(PageTemplate("page", [frame], onPage=furnish))
    story: list[Flowable] = [*_text(texts["consent"]), _signature(width), PageBreak()]
    story += [*_text(texts["instructions"]), PageBreak()]
    story += [_Question(number, trial, pictures, width) for number, trial in enumerate(form.trials, start=1)]
    story += [PageBreak(), *_answer_sheet(form, width), PageBreak(), *_text(texts["debrief"])]
    document.build(story)
    return stream.getvalue()


def _furniture(canvas: Canvas, study: Study, form: Form, size: tuple[float, float], draft: bool) -> None:
    """Footer, and the mark of a draft."""
    canvas.saveState()
    canvas.setFont("Sans", 8)
    canvas.setFillGray(0.35)
    canvas.drawString(MARGIN * mm, 9 * mm, f"study {study.id}   form {form.id}")
    canvas.drawRightString(size[0] - MARGIN * mm, 9 * mm, f"page {canvas.getPageNumber()}")
    if draft:
        canvas.setFont("Sans-Bold", 9)
        canvas.setFillColor(RED)
        canvas.drawCentredString(size[0] / 2, size[1] - 10 * mm, "DRAFT – not for use")
    canvas.restoreState()


def _text(markdown: str) -> list[Flowable]:
    """Headings, paragraphs, items and boxes of a simple Markdown text."""
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
    lines = Table([["Date", "Signature"]], colWidths=[width * 0.3, width * 0.6], rowHeights=[16 * mm])
    lines.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Sans", 9),
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, "#888888"),
                ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
            ]
        )
    )
    return lines


def _answer_sheet(form: Form, width: float) -> list[Flowable]:
    """A line of circles for each trial, in as many columns as the choices leave room for."""
    words = max(sum(len(choice) + 4 for choice in trial.choices) for trial in form.trials)
    columns = 1 if words > 45 else 2
    title = Paragraph("Answers", _STYLES["#"])
    help_text = Paragraph(f"Form {form.id}. Fill in one circle for each question.", _BODY)
    cells = [_line(number, trial) for number, trial in enumerate(form.trials, start=1)]
    down = -(-len(cells) // columns)
    rows = [
        [cells[row + down * column] if row + down * column < len(cells) else "" for column in range(columns)]
        for row in range(down)
    ]
    sheet = Table(rows, colWidths=[width / columns] * columns)
    sheet.setStyle(TableStyle([("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]))
    return [KeepTogether([title, help_text]), Spacer(1, 2 * mm), sheet]


def _line(number: int, trial: Trial) -> Paragraph:
    circles = "&nbsp;&nbsp; ".join(f"○&nbsp;{html.escape(choice)}" for choice in trial.choices)
    return Paragraph(f"<b>{number}</b>.&nbsp;&nbsp; {circles}", _STYLES["sheet"])
