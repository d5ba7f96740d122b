"""What users install: only our own name, nothing forgotten, nobody else's files touched."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {folder: package for package, folder in SETUPTOOLS["package-dir"].items()}
MEGABYTE = 2**20


def packages_on_disk(tracked: list[Path]) -> set[str]:
    """Every folder with Python files below a mapped root, under the name by which it is imported."""
    folders = {path.parent for path in tracked if path.suffix == ".py" and path.parts[0] in FOLDERS}
    return {".".join([FOLDERS[folder.parts[0]], *folder.parts[1:]]) for folder in folders}


def test_package_list_names_every_folder_with_code(tracked):
    assert sorted(packages_on_disk(tracked)) == sorted(SETUPTOOLS["packages"])


def test_every_package_has_an_init(tracked):
    folders = {path.parent for path in tracked if path.suffix == ".py" and path.parts[0] in FOLDERS}
    assert [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_wheel_owns_one_name_and_is_small(wheel):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"fesbench"}
    assert wheel.stat().st_size <= 25 * MEGABYTE


def test_wheel_carries_every_file_of_our_folders(wheel, tracked):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    expected = {
        "/".join([*FOLDERS[path.parts[0]].split("."), *path.parts[1:]])
        for path in tracked
        if path.parts[0] in FOLDERS
    }
    assert expected - inside == set()


def stand_in(folder: Path) -> Path:
    """A wheel of somebody else's distribution that owns the top-level name ``datasets``."""
    path = folder / "datasets-1.0-py3-none-any.whl"
    info = "datasets-1.0.dist-info"
    files = {
        "datasets/__init__.py": "OWNER = 'somebody else'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: datasets\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_somebody_elses_datasets_survives_our_coming_and_going(wheel, environment, tmp_path):
    def owner() -> str:
        return environment("-c", "import datasets; print(datasets.OWNER)").stdout.strip()

    install = ("pip", "install", "--no-deps", "--no-index")
    environment(*install, stand_in(tmp_path))
    environment(*install, wheel)
    assert owner() == "somebody else"
    environment("-c", "import fesbench; assert fesbench.__version__")
    environment("pip", "uninstall", "--yes", "fesbench")
    assert owner() == "somebody else"


@pytest.mark.parametrize("script", ["bench", "fesbench"])
def test_both_commands_are_installed(wheel, environment, tmp_path, script):
    environment("pip", "install", "--no-deps", "--no-index", wheel)
    assert (tmp_path / "environment" / "bin" / script).is_file()
