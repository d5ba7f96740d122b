"""Compile the tables of a run in the classes and languages of journals, and say what fails.

Usage: ``python benchmarks/latex_classes.py runs/demo``. Needed: pdflatex; classes and languages that are not
installed are named (Debian: texlive-publishers, texlive-lang-european, -french, -german, -spanish).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

CLASSES = {
    "article": r"\documentclass{article}",
    "revtex4-2": r"\documentclass[aps,prl,twocolumn]{revtex4-2}",
    "IEEEtran": r"\documentclass[conference]{IEEEtran}",
    "acmart": r"\documentclass[sigconf]{acmart}",
    "llncs": r"\documentclass{llncs}",
    "elsarticle": r"\documentclass[5p]{elsarticle}",
}
LANGUAGES = ("", "turkish", "spanish", "french", "ngerman")
NOTES = r"\begin{threeparttable}\caption{X}\input{table}\end{threeparttable}"


def document(name: str, language: str) -> str:
    """Return a paper with the table in a wide float, in a threeparttable, and in the text."""
    narrow = r"\caption{X}\input{table}" if name == "revtex4-2" else NOTES  # it redefines table floats
    return "\n".join(
        [
            CLASSES[name],
            rf"\usepackage[{language}]{{babel}}" if language else "",
            r"\usepackage{booktabs}" + ("" if name == "revtex4-2" else r"\usepackage{threeparttable}"),
            r"\begin{document}\title{T}\author{A}\maketitle",
            r"\begin{table*}\caption{Results}\input{table}\end{table*}",
            rf"\begin{{table}}{narrow}\end{{table}}",
            r"\input{table}",
            r"\end{document}",
        ]
    )


def installed(file: str) -> bool:
    """Return whether TeX finds a file."""
    return subprocess.run(["kpsewhich", file], capture_output=True).returncode == 0


def outcomes(table: Path) -> Iterator[tuple[str, str]]:
    """Yield each class with its language, and what became of it."""
    for name, language in product(CLASSES, LANGUAGES):
        place = f"{name}{', ' if language else ''}{language}"
        if not installed(f"{name}.cls") or (language and not installed(f"{language}.ldf")):
            yield place, "not installed"
            continue
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(table, folder)
            Path(folder, "paper.tex").write_text(document(name, language), encoding="utf-8")
            command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        errors = [line for line in done.stdout.splitlines() if line.startswith("!")]
        # elsarticle's own page footer is 2.2 pt too wide, in a paper without a table too
        wide = sum(bool(re.match(r"Overfull \\hbox.* at lines? ", line)) for line in done.stdout.splitlines())
        yield place, errors[0] if done.returncode else f"{wide} lines too wide" if wide else "good"


def main() -> None:
    """Print a line for each paper; the exit code is 1 where one does not compile."""
    found = dict(outcomes(Path(sys.argv[1]) / "report" / "table.tex"))
    for place, outcome in found.items():
        print(f"{place:24}{outcome}")
    sys.exit(any(outcome.startswith("!") for outcome in found.values()))


if __name__ == "__main__":
    main()
