"""A finished run in Python: scores and tables as DataFrames, outputs as arrays, figures of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fesbench.core.contracts import Image
from fesbench.core.errors import UnknownName
from fesbench.runs.plan import make_plan
from fesbench.runs.results import DatasetResults, RunResults
from fesbench.statistics.measures import OUTPUT

from ..formats.latex import latex_tables
from ..formats.markdown import markdown_tables
from .figures import edits_grid, score_figures
from .grids import chosen_edits
from .main_tables import main_tables, origin_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_run(folder: Path | str) -> Run:
    """Return a finished run.

    Args:
        folder: The folder of the run, or its location on a file system of fsspec.

    Raises:
        BenchError: the folder holds no run, the run was not finished, or its files are damaged.
    """
    return Run(RunResults.open(folder))


@dataclass(frozen=True)
class Run:
    """A finished run, as ``load_run`` returns it. Nothing is computed again.

    Attributes:
        results: All that the run recorded, for what is not offered here.
    """

    results: RunResults

    @property
    def scores(self) -> pd.DataFrame:
        """One row for each output and measure, with the columns of ``scores.parquet``."""
        return self.results.scores

    @property
    def summary(self) -> pd.DataFrame:
        """One row for each generator, data set, domain and measure: value, ends of the interval, counts."""
        return self.results.cells

    @property
    def differences(self) -> pd.DataFrame:
        """One row for each two generators, domain and measure: their difference on the edits of both."""
        return self.results.differences

    @property
    def datasets(self) -> list[str]:
        """The names of the data sets with results."""
        return [results.dataset for results in self.results.datasets]

    def table(self, dataset: str | None = None) -> pd.DataFrame:
        """Return the values of the headline measures of a data set.

        Args:
            dataset: Its name; may be left out where the run has one.

        Returns:
            A row for each generator, columns by (metric, domain), in the order of the report.

        Raises:
            UnknownName: the run has no such data set, or several and none was named.
        """
        found = self._dataset(dataset)
        cells = found.cells[found.cells["metric"].isin(found.headline)]
        values = cells.pivot(index="generator", columns=["metric", "domain"], values="value")
        return values.reindex([name for name in found.models if name in values.index])

    def outputs(self) -> pd.DataFrame:
        """Return one row for each output that exists: generator, dataset, domain, subject, edit, target."""
        rows = self.scores[(self.scores["metric"] == OUTPUT) & (self.scores["value"] == 1)]
        columns = ["generator", "dataset", "domain", "subject", "edit", "source", "target"]
        return rows[columns].reset_index(drop=True)

    def image(self, generator: str, edit: str, dataset: str | None = None) -> Image:
        """Return an output: (R, R, 3) uint8 RGB, R the resolution of the run.

        Args:
            generator: The name of a generator.
            edit: The id of an edit, as in ``outputs``.
            dataset: The name of the data set; may be left out where the run has one.

        Raises:
            UnknownName: the run has no such data set, or several and none was named.
            ImageError: there is no such output, or its file is damaged.
        """
        return self.results.store.read_output(generator, self._dataset(dataset).dataset, edit)

    def figures(self, dataset: str | None = None) -> dict[str, Figure]:
        """Return the figures of scores of a data set by the names that the report gives their files.

        Args:
            dataset: Its name; may be left out where the run has one.

        Raises:
            UnknownName: the run has no such data set, or several and none was named.
        """
        return dict(score_figures(self._dataset(dataset)))

    def grid(self, edits: Sequence[str] = (), dataset: str | None = None) -> Figure:
        """Return a picture of edits, a row for each: the input, the outputs of all models, and the truth.

        The inputs are read from the data set, which must be as it was when the run was made. Controls are
        left out: their outputs are the input and the truth.

        Args:
            edits: Ids of edits, as in ``outputs``; by default two of each domain, drawn by the run's seed.
            dataset: The name of the data set; may be left out where the run has one.

        Raises:
            UnknownName: the run has no such data set, or several and none was named, or no such edit.
            BenchError: the data set cannot be read.
        """
        results, spec = self._dataset(dataset), self.results.spec
        (plan,) = [plan for plan in make_plan(spec).datasets if plan.name == results.dataset]
        known = {edit.id: edit for edit in plan.edits}
        for name in edits:
            if name not in known:
                raise UnknownName("edit", name, known)
        chosen = [known[name] for name in edits] or chosen_edits(plan.edits, spec.seed)
        return edits_grid(results, chosen)

    def latex(self) -> str:
        """Return the main tables as LaTeX, the same text as in ``report/table.tex``."""
        return latex_tables(main_tables(self.results), origin_line(self.results))

    def markdown(self) -> str:
        """Return the main tables as Markdown."""
        return markdown_tables(main_tables(self.results))

    def _dataset(self, name: str | None) -> DatasetResults:
        if name is None and len(self.datasets) == 1:
            return self.results.datasets[0]
        if name not in self.datasets:
            raise UnknownName("data set of this run", name or "none named", self.datasets)
        return self.results.dataset(name)

    def __repr__(self) -> str:
        models = ", ".join(self.results.record.models)
        return f"Run({self.results.location!r}: {models} on {', '.join(self.datasets)})"
