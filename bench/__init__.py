"""fesbench: measuring facial-expression synthesis.

Plug-ins and scripts import everything that they need from here: the contracts, the cards, the errors and the
functions that load and evaluate. Each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.exports import lazy_exports
from .core.version import __version__

if TYPE_CHECKING:  # the same names as in _EXPORTS, for type checkers and editors
    from fesbench.datasets.registry import load_dataset as load_dataset
    from fesbench.reports.run.loaded import load_run as load_run

    from .api import evaluate as evaluate
    from .api import merge_runs as merge_runs
    from .core.contracts import NEUTRAL as NEUTRAL
    from .core.contracts import NO_TRUTH as NO_TRUTH
    from .core.contracts import UNKNOWN_LABEL as UNKNOWN_LABEL
    from .core.contracts import Annotation as Annotation
    from .core.contracts import Batch as Batch
    from .core.contracts import ClosedForm as ClosedForm
    from .core.contracts import Column as Column
    from .core.contracts import Dataset as Dataset
    from .core.contracts import Edit as Edit
    from .core.contracts import Failure as Failure
    from .core.contracts import FeatureExtractor as FeatureExtractor
    from .core.contracts import FeatureExtractorCard as FeatureExtractorCard
    from .core.contracts import Generator as Generator
    from .core.contracts import GeneratorCard as GeneratorCard
    from .core.contracts import Image as Image
    from .core.contracts import ImageMetric as ImageMetric
    from .core.contracts import LandmarkGenerator as LandmarkGenerator
    from .core.contracts import Landmarks as Landmarks
    from .core.contracts import Mask as Mask
    from .core.contracts import Metric as Metric
    from .core.contracts import MetricCard as MetricCard
    from .core.contracts import Network as Network
    from .core.contracts import NetworkCard as NetworkCard
    from .core.contracts import Problem as Problem
    from .core.contracts import Sample as Sample
    from .core.contracts import SetMetric as SetMetric
    from .core.contracts import Synthesizer as Synthesizer
    from .core.errors import BenchError as BenchError
    from .core.errors import CheckpointError as CheckpointError
    from .core.errors import DatasetError as DatasetError
    from .core.errors import ImageError as ImageError
    from .core.errors import LandmarkError as LandmarkError
    from .core.errors import SpecError as SpecError
    from .core.errors import UnknownName as UnknownName
    from .core.errors import UnsupportedEdit as UnsupportedEdit
    from .core.errors import WeightsMissing as WeightsMissing
    from .generators.registry import load_generator as load_generator
    from .runs.progress import Listener as Listener
    from .scoring.score import score as score
    from .training.train import train as train

_EXPORTS = {
    "fesbench.api": ("evaluate", "merge_runs"),
    "fesbench.core.contracts": (
        "NEUTRAL",
        "NO_TRUTH",
        "UNKNOWN_LABEL",
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
    ),
    "fesbench.core.errors": (
        "BenchError",
        "CheckpointError",
        "DatasetError",
        "ImageError",
        "LandmarkError",
        "SpecError",
        "UnknownName",
        "UnsupportedEdit",
        "WeightsMissing",
    ),
    "fesbench.datasets.registry": ("load_dataset",),
    "fesbench.generators.registry": ("load_generator",),
    "fesbench.reports.run.loaded": ("load_run",),
    "fesbench.runs.progress": ("Listener",),
    "fesbench.scoring.score": ("score",),
    "fesbench.training.train": ("train",),
}

_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *_MODULES]
__getattr__, __dir__ = lazy_exports(__name__, _MODULES)
