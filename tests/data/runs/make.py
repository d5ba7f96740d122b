"""Makes ``current.tar.gz`` again: a run as the suite writes it now. Usage: python tests/data/runs/make.py

``format-1.tar.gz`` is never made again: it shows that runs of the first format still open.
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

from fesbench.api import complete_run
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.progress import SILENT
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore

SPEC = RunSpec(
    models=("copy", "truth", "reggan-regression"),
    data=("rendered",),
    metrics=("ecs", "fss", "fid", "fidelity"),
    limit=2,
    resolution=32,
)

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "current"
        complete_run(make_plan(resolve(SPEC)), RunStore(run), "cpu", 0, SILENT)
        shutil.rmtree(run / "grids")
        with tarfile.open(Path(__file__).with_name("current.tar.gz"), "w:gz") as archive:
            archive.add(run, run.name)
