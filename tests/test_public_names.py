"""The public names: what ``fesbench`` exports, and the stable names of its packages."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fesbench
from fesbench.testing import check_generator

CONTRACTS = [
    "Annotation",
    "Batch",
    "ClosedForm",
    "Column",
    "Dataset",
    "Edit",
    "Failure",
    "FeatureExtractor",
    "FeatureExtractorCard",
    "Generator",
    "GeneratorCard",
    "Image",
    "ImageMetric",
    "LandmarkGenerator",
    "Landmarks",
    "Mask",
    "Metric",
    "MetricCard",
    "Network",
    "NetworkCard",
    "Problem",
    "Sample",
    "SetMetric",
    "Synthesizer",
]
FUNCTIONS = ["Listener", "evaluate", "load_dataset", "load_generator", "load_run", "score", "train"]

STABLE = {
    "fesbench.reggan": ["LocalRidge"],
    "fesbench.metrics": ["InceptionFeatures", "QualiCLIP", "frechet_distance"],
    "fesbench.testing": ["check_dataset", "check_generator", "check_metric"],
}


EARLIER = {
    "fesbench.contracts": (CONTRACTS, "fesbench.core.contracts"),
    "fesbench.baselines.layers": (["ResidualBlock", "one_hot", "trunk"], "fesbench.generators.layers"),
    "fesbench.baselines.neural": (["NeuralGenerator"], "fesbench.generators.neural"),
    "fesbench.baselines.settings": (["Settings"], "fesbench.generators.hyperparameters"),
}
"""Modules that plug-ins imported from before: their names, and where these are now."""

OLD_PLUGIN = """
from fesbench.contracts import NEUTRAL, Generator, GeneratorCard
class Old(Generator):
    card = GeneratorCard(name="old", title="Old", expressions=(NEUTRAL, "happy"), weights="none")
    def synthesize(self, images, source, target):
        from fesbench.errors import UnsupportedEdit
        if any(not 0 <= label < 2 for label in target.tolist()):
            raise UnsupportedEdit("no such expression")
        return (images + 0.1 * target[:, None, None, None]).clamp(-1, 1)
"""


@pytest.mark.parametrize("name", [*CONTRACTS, *FUNCTIONS])
def test_contracts_and_functions_are_exported(name):
    assert name in fesbench.__all__
    assert name in dir(fesbench)
    assert getattr(fesbench, name) is not None


def test_every_error_is_exported():
    errors = importlib.import_module("fesbench.core.errors")
    values = vars(errors).items()
    classes = [name for name, value in values if isinstance(value, type) and issubclass(value, Exception)]
    assert "BenchError" in classes
    for name in classes:
        assert getattr(fesbench, name) is getattr(errors, name)


@pytest.mark.parametrize("module", EARLIER)
def test_earlier_modules_hold_the_same_objects(module):
    names, home = EARLIER[module]
    for name in names:
        assert getattr(importlib.import_module(module), name) is getattr(importlib.import_module(home), name)


def test_plug_ins_written_against_earlier_modules_pass_the_checks(tmp_path):
    (tmp_path / "old.py").write_text(OLD_PLUGIN)
    findings = check_generator(fesbench.load_generator(f"{tmp_path}/old.py:Old"))
    assert all(finding.problem is None for finding in findings)
    earlier, errors = (importlib.import_module(f"fesbench.{name}") for name in ("errors", "core.errors"))
    assert earlier.UnsupportedEdit is fesbench.UnsupportedEdit
    assert earlier.BenchError is errors.BenchError


def test_every_exported_name_exists_and_no_other():
    assert all(hasattr(fesbench, name) for name in fesbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_everything'"):
        fesbench.load_everything  # noqa: B018


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(str(fesbench.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    aliases = [alias for node in block.body for alias in node.names]
    assert all(alias.asname == alias.name for alias in aliases)
    assert {alias.name for alias in aliases} == set(fesbench.__all__) - {"__version__"}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in STABLE.items() for name in names]
)
def test_stable_names_of_the_packages(module, name):
    package = importlib.import_module(module)
    assert name in dir(package)
    assert callable(getattr(package, name))


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, fesbench; fesbench.BenchError; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
