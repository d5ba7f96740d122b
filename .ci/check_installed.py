"""Check the installed wheel from outside the checkout: names, commands, and that every module imports."""

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

OF_EXTRAS = {"fesbench.runs.execution.ray": "ray"}
"""Modules that import the package of an extra, and are imported only where a user asks for it."""


def main() -> None:
    """Exit with a message at the first thing that is wrong."""
    files = distribution("fesbench").files or []
    top = {file.parts[0] for file in files if file.parts[0] != ".." and ".dist-info" not in file.parts[0]}
    if top != {"fesbench"}:
        sys.exit(f"the wheel installs {sorted(top)}, not only fesbench")
    commands = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as elsewhere:
        for command in ([commands / "bench"], [commands / "fesbench"], [sys.executable, "-m", "fesbench"]):
            subprocess.run([*command, "--help"], cwd=elsewhere, check=True, stdout=subprocess.DEVNULL)
    import fesbench

    names = [module.name for module in pkgutil.walk_packages(fesbench.__path__, "fesbench.")]
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or OF_EXTRAS.get(name) != error.name:
                raise
    print(f"fesbench {fesbench.__version__}: {len(files)} files, {len(names)} modules imported")


if __name__ == "__main__":
    main()
