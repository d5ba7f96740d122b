"""Golden renders: one 64-pixel face per domain.

After an intended change raise RENDERER_VERSION and regenerate: python tests/datasets/rendered/test_golden.py
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fesbench.datasets.rendered import DOMAINS, RENDERER_VERSION, render_face

DIGESTS = Path(__file__).with_name("golden.json")
STRIP = Path(__file__).with_name("golden.png")
SIZE = 64


def golden_face(domain):
    index = DOMAINS.index(domain)
    expression = ("happy", "angry", "sad", "fearful", "surprised")[index]
    return render_face(1000 + index, expression, domain, scene_seed=2000 + index, size=SIZE).image


def digest(domain):
    return hashlib.sha256(golden_face(domain).tobytes()).hexdigest()


def machine():
    return {
        "numpy": np.__version__,
        "simd": np.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
    }


@pytest.fixture(scope="module")
def golden():
    return json.loads(DIGESTS.read_text())


@pytest.mark.parametrize("domain", DOMAINS)
def test_same_bytes_on_this_kind_of_machine(golden, domain):
    if machine() != golden["machine"]:
        pytest.skip("the digests were made with another NumPy or another kind of processor")
    assert digest(domain) == golden["digests"][domain]


@pytest.mark.parametrize("domain", DOMAINS)
def test_nearly_all_values_equal_on_any_machine(domain):
    strip = np.asarray(Image.open(STRIP))
    index = DOMAINS.index(domain)
    expected = strip[:, index * SIZE : (index + 1) * SIZE]
    assert (golden_face(domain) == expected).mean() >= 0.99


def test_version_is_raised_with_the_pictures(golden):
    assert golden["renderer_version"] == RENDERER_VERSION


def test_another_process_renders_the_same_bytes():
    code = (
        "import hashlib; from fesbench.datasets.rendered import render_face;"
        "print(*(hashlib.sha256(render_face(5, 'sad', d, 6).image.tobytes()).hexdigest()"
        " for d in ('portrait', 'avatar')))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [
        hashlib.sha256(render_face(5, "sad", domain, 6).image.tobytes()).hexdigest()
        for domain in ("portrait", "avatar")
    ]
    assert other.stdout.split() == here


def regenerate():
    Image.fromarray(np.concatenate([golden_face(domain) for domain in DOMAINS], axis=1)).save(STRIP)
    content = {
        "renderer_version": RENDERER_VERSION,
        "machine": machine(),
        "digests": {domain: digest(domain) for domain in DOMAINS},
    }
    DIGESTS.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    regenerate()
