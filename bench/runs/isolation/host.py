"""The process of a model: ``python -m fesbench.runs.isolation.host``, called by ``process.HostProcess``."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import torch

from fesbench.datasets.loading import ImageLoader

from ...core.contracts import ClosedForm, Edit, Failure, Generator, Image, Synthesizer
from ...core.errors import BenchError, explain
from ...generators.cross_trained import CrossTrained
from ...generators.registry import Model, load_model
from ...generators.synthesis import GeneratorSynthesizer, Guarded, driven, set_inference_of
from ...testing.findings import ConformanceError
from ...testing.generators import check_generator
from ..fitting import Fit, fit
from ..store.records import plain_card
from .cards import check_card
from .process import receive
from .requests import CLOSED_FORM, CROSS_TRAINED, OTHER, Kind, Loaded, ModelRequest, Preparation, Prepared

FIRST_TO_END = "1000"
"""Value of ``oom_score_adj``: where memory runs out, Linux ends this process before that of the run."""


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
        loader = ImageLoader(0)
        return fit(make, preparation.train, preparation.seed, loader, preparation.resolution)


def _kind(model: Model) -> Kind:
    if isinstance(model, ClosedForm):
        return CLOSED_FORM
    return CROSS_TRAINED if isinstance(model, CrossTrained) else OTHER


def main() -> None:
    """Answer calls until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run handles Ctrl-C
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_END)
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # stdout carries replies; what a model prints goes to stderr
    calls: SimpleQueue[tuple[str, tuple[Any, ...]]] = SimpleQueue()

    def take(call: tuple[str, tuple[Any, ...]] | None) -> None:
        if call is None:
            os._exit(0)  # the run has ended, however busy the model is
        calls.put(call)

    Thread(target=receive, args=(requests, take), daemon=True).start()
    host, reply = ModelHost(), pickle.dumps((True, None))
    while True:
        replies.write(reply)
        replies.flush()
        method, arguments = calls.get()
        reply = _reply(host, method, arguments)


def _reply(host: ModelHost, method: str, arguments: tuple[Any, ...]) -> bytes:
    """Call a method of the host; whatever a model raises is an answer."""
    try:
        return pickle.dumps((True, getattr(host, method)(*arguments)))
    except BaseException as error:
        return pickle.dumps((False, explain(error)))


if __name__ == "__main__":
    main()
