"""Faster passes: what they keep, what they change, and what is said where they cannot be had."""

from __future__ import annotations

import shutil
import warnings

import pytest
import torch
import torch._inductor.config

from fesbench.baselines.stargan import StarGAN, StarGANNetwork
from fesbench.core.errors import BenchError
from fesbench.generators.synthesis import set_inference

EXPRESSIONS = ("neutral", "happy")


def small_generator() -> StarGAN:
    torch.manual_seed(0)
    return StarGAN(StarGANNetwork(2, width=4, blocks=0), EXPRESSIONS, 16)


def difference(inference) -> float:
    """How far outputs are from those in float32, at most."""
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.tensor([0, 1])
    exact, other = small_generator(), small_generator()
    set_inference(other, inference)
    outputs = other.synthesize(images, labels, labels)
    assert outputs.dtype == torch.float32
    return float((outputs - exact.synthesize(images, labels, labels)).abs().max())


def test_float32_changes_nothing():
    assert difference("float32") == 0


def test_bfloat16_gives_nearly_the_same_image_in_float32():
    assert 0 < difference("bfloat16") < 0.05


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++, with which torch compiles")
def test_compiled_differs_by_rounding_only():
    assert difference("compiled") < 1e-5


def test_a_deprecation_inside_torch_does_not_mean_that_nothing_compiles(monkeypatch):
    def deprecated(function):
        warnings.warn("torch uses an old API of its own", DeprecationWarning, stacklevel=1)
        return function

    monkeypatch.setattr(torch, "compile", deprecated)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_inference(small_generator(), "compiled")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
def test_where_nothing_compiles_the_error_says_what_to_take(monkeypatch):
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    torch.compiler.reset()
    with (
        torch._inductor.config.patch(force_disable_caches=True),
        pytest.raises(BenchError, match="take --inference float32"),
    ):
        set_inference(small_generator(), "compiled")
