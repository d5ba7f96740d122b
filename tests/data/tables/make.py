"""Makes ``classes.xls`` again, a workbook as CFEE's annotation table is one; needs the package xlwt."""

from pathlib import Path

import xlwt

CLASSES = {1: "Neutral", 2: "Happy", 4: "Sad", 13: "Sadly Surprised", 14.0: "Sadly disgusted"}

if __name__ == "__main__":
    book = xlwt.Workbook()
    other = book.add_sheet("AUs")
    other.write(0, 0, 1)
    other.write(0, 1, "happy")
    summary = book.add_sheet("Summary")
    summary.write(0, 0, "class")
    summary.write(0, 1, "category")
    for row, (code, name) in enumerate(CLASSES.items(), 2):
        summary.write(row, 0, code)
        summary.write(row, 2, name)
    book.save(Path(__file__).with_name("classes.xls"))
