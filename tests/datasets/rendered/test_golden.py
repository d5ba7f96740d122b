"""Golden renders: one 64-pixel face per domain.

After an intended change raise RENDERER_VERSION and run ``python tests/datasets/rendered/test_golden.py``. On
another kind of machine the same command records its digests beside the others.
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
    """The kind of machine, as far as it may tip the last bit of a number."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return " ".join(["NumPy", np.__version__, *extensions])


@pytest.fixture(scope="module")
def golden():
    return json.loads(DIGESTS.read_text())


@pytest.mark.parametrize("domain", DOMAINS)
def test_same_picture_on_any_machine_and_same_bytes_on_a_recorded_one(golden, domain):
    face, index = golden_face(domain), DOMAINS.index(domain)
    expected = np.asarray(Image.open(STRIP))[:, index * SIZE : (index + 1) * SIZE]
    difference = np.abs(face.astype(int) - expected)
    assert (difference == 0).mean() >= 0.99
    # The filter of portraits chooses among four regions by their variance: a last bit may tip a choice.
    assert (difference > 1).mean() <= (0.005 if domain == "portrait" else 0)
    recorded = golden["digests"].get(machine())
    assert recorded is None or recorded[domain] == digest(domain)


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
    """Write the picture if the version was raised; add or replace the digests of this kind of machine."""
    content = json.loads(DIGESTS.read_text())
    if content["renderer_version"] != RENDERER_VERSION:
        Image.fromarray(np.concatenate([golden_face(domain) for domain in DOMAINS], axis=1)).save(STRIP)
        content = {"renderer_version": RENDERER_VERSION, "digests": {}}
    content["digests"][machine()] = {domain: digest(domain) for domain in DOMAINS}
    DIGESTS.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    regenerate()
