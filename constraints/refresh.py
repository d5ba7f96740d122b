"""Rewrite the constraints file of the Python that runs this: the newest versions that fit pyproject.toml.

Usage: ``python3.12 constraints/refresh.py``. Names and versions only: no index address, no local version.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROJECT = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())


def wanted() -> list[str]:
    """All requirements of the project, of its extras and of its build, and pip itself."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = [["pip"], PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"], *extras]
    return [requirement for group in groups for requirement in group]


def resolved(requirements: list[str]) -> dict[str, str]:
    """Name to version of everything that a fresh environment would get."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder, "bin", "python")), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        report = Path(folder, "report.json")
        dry = ["--dry-run", "--ignore-installed", "--report", str(report)]
        subprocess.run([*pip, *dry, *requirements], check=True)
        found = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    return {entry["name"].lower().replace("_", "-"): entry["version"].split("+")[0] for entry in found}


def main() -> None:
    """Write ``pyXY.txt`` beside this file."""
    target = FOLDER / f"py{sys.version_info.major}{sys.version_info.minor}.txt"
    versions = resolved(wanted())
    head = "# Written by constraints/refresh.py; why each package is there: docs/dependencies.md\n"
    target.write_text(head + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions)))
    print(f"{target.name}: {len(versions)} packages")


if __name__ == "__main__":
    main()
