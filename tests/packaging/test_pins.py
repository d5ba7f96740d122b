"""The pinned versions work with each other where that has gone wrong before."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def test_torchvision_operators_match_the_torch_build():
    ops = pytest.importorskip("torchvision.ops")
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    assert ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]


@pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated:DeprecationWarning")
def test_pytorch_fid_runs_with_the_pinned_scipy():
    fid = pytest.importorskip("pytorch_fid.fid_score")
    mean, identity = np.zeros(3), np.eye(3)
    # Between N(0, I) and N(m, 4I): |m|² + tr(I + 4I − 2·2I) = 3 + 3.
    distance = fid.calculate_frechet_distance(mean, identity, mean + 1, 4 * identity)
    assert distance == pytest.approx(6.0)


def test_deepface_imports(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
    pytest.importorskip("deepface.DeepFace")


@pytest.mark.parametrize("extra", ["paper", "portable", "prepare", "s3"])
def test_every_direct_dependency_is_pinned_everywhere(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {
        requirement.split(">")[0].split("<")[0].lower()
        for requirement in project["dependencies"] + project["optional-dependencies"][extra]
    }
    for file in (ROOT / "constraints").glob("py*.txt"):
        pinned = {line.split("==")[0] for line in file.read_text().splitlines()}
        assert names - pinned == set(), file.name


def test_installed_version_is_the_checkouts():
    import fesbench

    assert version("fesbench") == fesbench.__version__
