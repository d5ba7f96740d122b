"""The process that tries data sets of installed packages: ``python -m fesbench.datasets.trial_host``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fesbench.core.contracts import Dataset
from fesbench.core.errors import BenchError
from fesbench.core.host_process import serve

from .registry import REGISTRY


class DatasetTrial:
    """Does once what a run asks of a data set, except for loading its images."""

    def try_out(self, name: str, split: str, path: Sequence[str]) -> None:
        """Load a split of a data set and list it.

        Args:
            name: The name that an installed package registers.
            split: The split.
            path: Where modules are imported from.

        Raises:
            BenchError: it is no data set.
        """
        sys.path[:] = path
        dataset = REGISTRY.load(name)(split=split)
        if not isinstance(dataset, Dataset):
            raise BenchError(f"it gives {type(dataset).__name__}, not a Dataset")
        list(dataset.edits()), dataset.digest, list(dataset.references())


def main() -> None:
    """Answer calls until stdin ends."""
    serve(DatasetTrial())


if __name__ == "__main__":
    main()
