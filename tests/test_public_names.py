"""The public names: what ``fesbench`` exports, and the stable names of its packages."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fesbench

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
FUNCTIONS = ["evaluate", "load_dataset", "load_generator", "load_run", "score", "train"]

STABLE = {
    "fesbench.reggan": ["LocalRidge"],
    "fesbench.metrics": ["InceptionFeatures", "QualiCLIP", "frechet_distance"],
    "fesbench.testing": ["check_dataset", "check_generator", "check_metric"],
}


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
