"""Training protocols: settings that are the same for all models in a comparison; see docs/training.md."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from ..core.errors import UnknownName
from ..generators.hyperparameters import Settings
from ..generators.neural import NeuralGenerator

EMBEDDED_V1 = Settings(steps=5000, candidates=(1000, 2000), discriminator_width=16, precision="bfloat16")
"""Small networks, trained alike; the weights of the losses are each method's ``small_weights``."""

EMBEDDED_V2 = replace(
    EMBEDDED_V1,
    steps=20_000,
    candidates=tuple(range(2000, 20_001, 2000)),
    schedule="plateau",
    decay_steps=2000,
    plateau_from=8000,
    patience=3,
    precision="float32",
)
"""Small networks, each trained until it has stopped to improve, by one rule for all."""

EMBEDDED = MappingProxyType({"embedded-v1": EMBEDDED_V1, "embedded-v2": EMBEDDED_V2})

PROTOCOLS = MappingProxyType(
    {
        "embedded-v1": "the same steps, batches, widths and seed for every model, at 64 pixels",
        "embedded-v2": "the same batches and widths for every model, at 64 pixels, until it has learned",
        "official": "each model as its authors train it",
    }
)


def protocol_settings(protocol: str, model: type[NeuralGenerator]) -> Settings:
    """Return the settings of ``model`` under a protocol.

    Raises:
        UnknownName: there is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise UnknownName("protocol", protocol, PROTOCOLS)
    if protocol == "official":
        return model.official
    return replace(EMBEDDED[protocol], weights=dict(model.small_weights))


def departures(settings: Settings, protocol: Settings) -> dict[str, Any]:
    """Return the fields of ``settings`` that differ from the protocol's, with their values.

    The seed does not count: repeating a protocol with other seeds is part of it.
    """
    fixed = asdict(protocol)
    return {
        name: value for name, value in asdict(settings).items() if name != "seed" and value != fixed[name]
    }
