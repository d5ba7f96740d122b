"""What a digest of code covers: what a class imports of its own package, and nothing else."""

import importlib
import sys
from pathlib import Path

import pytest

from fesbench.baselines.masked_regression import MaskedRegression
from fesbench.core.code import code_digest, modules_beside, source_files
from fesbench.metrics.networks.embedded import EmbeddedNetwork
from fesbench.testing import installation

PACKAGE = {
    "__init__.py": "",
    "model.py": "from typing import TYPE_CHECKING\nfrom . import solver\nimport theirs.late\n"
    "if TYPE_CHECKING:\n    from . import types_only\nclass Model: pass\n",
    "solver.py": "def solve():\n    from .deep.kernels import K\n    return K\n",
    "deep/__init__.py": "",
    "deep/kernels.py": "K = 1\n",
    "late.py": "",
    "types_only.py": "",
    "neighbour.py": "",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "theirs"
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def changes(described, path):
    """Whether an edited file changes the digest of a class."""
    before, original = code_digest(described), path.read_bytes()
    path.write_bytes(original + b"# edited\n")
    code_digest.cache_clear()
    after = code_digest(described)
    path.write_bytes(original)
    code_digest.cache_clear()
    return before != after


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("model.py", True),
        ("solver.py", True),
        ("deep/kernels.py", True),
        ("late.py", True),
        ("types_only.py", False),
        ("neighbour.py", False),
    ],
)
def test_a_digest_covers_what_is_imported(package, name, covered):
    model = importlib.import_module("theirs.model").Model
    assert changes(model, package / name) == covered


def test_modules_without_a_package_are_followed_in_their_folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lone_model.py").write_text("import json\nfrom lone_solver import solve\nclass Model: pass\n")
    (tmp_path / "lone_solver.py").write_text("def solve(): return 1\n")
    (tmp_path / "lone_other.py").write_text("")
    model = importlib.import_module("lone_model").Model
    assert changes(model, tmp_path / "lone_solver.py")
    assert not changes(model, tmp_path / "lone_other.py")
    assert set(source_files(model)) == {"lone_model", "lone_solver"}


def test_a_class_without_a_file_has_no_digest():
    assert code_digest(int) == ""


def edited(monkeypatch, path):
    """Let one file read as if it had been edited."""
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + (b"#" if self == path else b""))
    code_digest.cache_clear()


def bases(model):
    return [code_digest(base) for base in model.__mro__]


def test_no_fitted_model_depends_on_the_doctor_and_each_on_its_solver(monkeypatch):
    before = bases(MaskedRegression)
    with monkeypatch.context() as patch:
        edited(patch, Path(installation.__file__))
        assert bases(MaskedRegression) == before
    with monkeypatch.context() as patch:
        edited(patch, source_files(MaskedRegression)["fesbench.reggan.regression"])
        assert bases(MaskedRegression) != before
    code_digest.cache_clear()


def test_no_feature_depends_on_training_code():
    assert not [name for name in source_files(EmbeddedNetwork) if name.startswith("fesbench.training")]


def test_modules_beside_a_script_are_those_that_it_imports_however_they_are_named(tmp_path):
    folder = tmp_path / "net"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("from .layers import Layer\n")
    (folder / "layers.py").write_text("from . import inner\n")
    (folder / "inner" / "__init__.py").write_text("")
    (tmp_path / "helper.py").write_text("import json\nimport other\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "unused.py").write_text("")
    script = tmp_path / "mine.py"
    script.write_text("import torch\nimport helper\nfrom net import Layer\n\ndef late():\n    import mine\n")
    names = {"helper", "other", "net", "net.layers", "net.inner"}
    assert set(modules_beside(script)) == names
    (tmp_path / "helper.py").write_text("")
    assert set(modules_beside(script)) == names - {"other"}
    script.write_text("this is no Python")
    assert modules_beside(script) == modules_beside(tmp_path / "none.py") == {}
