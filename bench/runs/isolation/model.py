"""A model of other people's code, as a run uses it: every call goes to a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from ...core.contracts import NO_TRUTH, Edit, Failure, Image, Synthesizer
from ...core.host_process import TIMEOUT, ProcessEnded, RestartedProcess
from ...generators.synthesis import answer_each, batch_size
from .requests import Loaded, ModelRequest, Preparation, Prepared, portable

log = logging.getLogger(__name__)

HOST = f"{__package__}.host"

FIT_TIMEOUTS = 20
"""A fit may take that many times as long as a batch."""

TRIES = 2
"""How often an edit is asked alone where the process ends, after it ended once in a batch."""


class IsolatedModel:
    """A model in a process of its own, which is started again whenever it ended.

    Args:
        request: How to load the model.
        timeout: Seconds that the model may take to load, and for each batch.

    Attributes:
        card: The card of the model.
        kind: The kind of its class.
        data: The data set that a cross-trained model learned from.

    Raises:
        BenchError: the model cannot be loaded, whatever it does instead.
    """

    def __init__(self, request: ModelRequest, timeout: float = TIMEOUT) -> None:
        self._device = request.device
        self._preparations: dict[str, Callable[[], Preparation]] = {}
        self._ready: set[str] = set()
        self._process = RestartedProcess(HOST, request, timeout)
        self.kind, self.card, self.data = self._start()

    def prepare(self, name: str, preparation: Callable[[], Preparation]) -> IsolatedSynthesizer:
        """Prepare the model for a data set, under a name of its own.

        Args:
            name: The name.
            preparation: Returns what to send; called again where the process ended.

        Raises:
            BenchError: the model cannot be prepared.
        """
        self._preparations[name] = preparation
        return IsolatedSynthesizer(self, name, self._prepare(name))

    def check(self) -> list[tuple[str, str | None]]:
        """Return the findings of the conformance checks: title, and problem if there is one.

        Raises:
            BenchError: the model ended its process, or took too long.
        """
        found: list[tuple[str, str | None]] = self._process.call("check")
        return found

    def answer(self, name: str, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return an image or a failure for each edit, whatever the model does."""
        size = batch_size(self._device)
        batches = [edits[start : start + size] for start in range(0, len(edits), size)]
        ask = partial(self._answer, name)
        answers = [answer for batch in batches for answer in answer_each(ask, batch, self.card.name)]
        return [_counted(answer) for answer in answers]

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _answer(self, name: str, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Ask for the answers to a batch; an edit that is alone is asked again where the process ended."""
        for _ in range(TRIES - 1 if len(edits) == 1 else 0):
            try:
                return self._ask(name, edits)
            except ProcessEnded as error:
                log.warning("%s on %s: %s", self.card.name, edits[0].id, error)
        return self._ask(name, edits)

    def _ask(self, name: str, edits: Sequence[Edit]) -> list[Image | Failure]:
        self._process.refuse_if_hopeless(self.card.name)
        if not self._process.running:
            self._start()
        if name not in self._ready:
            self._prepare(name)
        answers: list[Image | Failure] = self._process.call("answer", name, portable(edits))
        self._process.answered = True
        return answers

    def _start(self) -> Loaded:
        self._ready = set()
        loaded: Loaded = self._process.start()
        return loaded

    def _prepare(self, name: str) -> Prepared:
        if not self._process.running:
            self._start()
        preparation = self._preparations[name]()
        prepared: Prepared = self._process.call("prepare", name, preparation, patience=FIT_TIMEOUTS)
        self._ready.add(name)
        return prepared


def _counted(answer: Image | Failure) -> Image | Failure:
    """Return an answer; a failure must not begin as those do that are the data set's."""
    if isinstance(answer, Failure) and answer.reason.startswith(NO_TRUTH):
        return Failure(f"the model says: {answer.reason}")
    return answer


class IsolatedSynthesizer(Synthesizer):
    """An isolated model, prepared for a data set; ``fit`` is the sha256 of its fit where it was fitted."""

    def __init__(self, model: IsolatedModel, name: str, prepared: Prepared) -> None:
        self.model, self.name = model, name
        self.card, self.fit = prepared

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return an image or a failure for each edit."""
        return self.model.answer(self.name, edits)
