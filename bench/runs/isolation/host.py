"""The process of a model: ``python -m fesbench.runs.isolation.host``, called by ``model.IsolatedModel``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

from fesbench.datasets.loading import ImageLoader

from ...core.contracts import ClosedForm, Edit, Failure, Generator, Image, Synthesizer
from ...core.errors import BenchError
from ...core.host_process import serve
from ...generators.cross_trained import CrossTrained
from ...generators.registry import Model, load_model
from ...generators.synthesis import GeneratorSynthesizer, Guarded, driven, set_inference_of
from ...testing.findings import ConformanceError
from ...testing.generators import check_generator
from ..fitting import Fit, PairLoader, fit
from ..store.records import plain_card
from .cards import check_card
from .requests import CLOSED_FORM, CROSS_TRAINED, OTHER, Kind, Loaded, ModelRequest, Preparation, Prepared


class ModelHost:
    """Holds one model, and what it was prepared for, by name."""

    def __init__(self) -> None:
        self._prepared: dict[str, Synthesizer] = {}

    def load(self, request: ModelRequest) -> Loaded:
        """Load the model."""
        sys.path[:] = request.path
        torch.set_num_threads(request.threads)
        torch.manual_seed(request.seed)
        self._request = request
        self._model = self._make()
        check_card(self._model)
        set_inference_of(self._model, request.inference)
        data = self._model.data if isinstance(self._model, CrossTrained) else ""
        return Loaded(_kind(self._model), plain_card(self._model.card), data)

    def prepare(self, name: str, preparation: Preparation) -> Prepared:
        """Prepare the model for a data set."""
        model, fitted = self._model, ""
        if isinstance(model, ClosedForm):
            model, fitted = self._fitted(preparation)
        self._prepared[name] = self._synthesizer(model, preparation)
        return Prepared(plain_card(self._prepared[name].card), fitted)

    def answer(self, name: str, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return an image or a failure for each edit."""
        return self._prepared[name].answer(edits)

    def check(self) -> list[tuple[str, str | None]]:
        """Return the findings of the conformance checks: title, and problem if there is one."""
        if not isinstance(self._model, Generator):
            raise BenchError(
                f"{self._request.model} does not generate from images; only bench run can use it"
            )
        try:
            findings = check_generator(self._model)
        except ConformanceError as error:
            findings = error.findings
        return [(finding.check, finding.problem) for finding in findings]

    def _make(self) -> Model:
        asked = self._request
        return load_model(asked.model, asked.checkpoint, asked.device, asked.labels, asked.native_size)

    def _synthesizer(self, model: Model, preparation: Preparation) -> Synthesizer:
        if isinstance(model, Synthesizer):
            return Guarded(model)
        if isinstance(model, CrossTrained):
            train = preparation.train
            model = model.without_first_fold() if train is None else model.trained_on(train)
        return GeneratorSynthesizer(
            driven(model, preparation.units),
            preparation.expressions,
            preparation.resolution,
            device=self._request.device,
        )

    def _fitted(self, preparation: Preparation) -> Fit:
        def make() -> ClosedForm:
            model = self._make()
            assert isinstance(model, ClosedForm)
            return model

        assert preparation.train is not None
        pairs = PairLoader(ImageLoader(0), preparation.resolution)
        return fit(make, preparation.train, preparation.seed, pairs)


def _kind(model: Model) -> Kind:
    if isinstance(model, ClosedForm):
        return CLOSED_FORM
    return CROSS_TRAINED if isinstance(model, CrossTrained) else OTHER


def main() -> None:
    """Answer calls until stdin ends."""
    serve(ModelHost())


if __name__ == "__main__":
    main()
