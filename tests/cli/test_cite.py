"""``bench cite``."""

import pytest

from fesbench.core.errors import BenchError
from fesbench.generators.registry import GENERATORS
from fesbench.metrics.registry import METRICS

OWN = """
from fesbench.core.contracts import Generator, GeneratorCard

class Mine(Generator):
    card = GeneratorCard(name="my model", title="Mine & yours", year=2026, citation="Me, \\\\input{x} 50%")

    def synthesize(self, images, source, target):
        return images.clone()
"""


def test_every_registered_model_and_metric_has_an_entry(invoke):
    models = [name for name in GENERATORS.names() if name not in ("copy", "truth")]
    names = [*models, *METRICS.names(), "london", "cfee", "rendered", "fesbench"]
    text = invoke("cite", *names).stdout
    keys = [line.partition("{")[2].rstrip(",") for line in text.splitlines() if line.startswith("@")]
    assert len(keys) == len(set(keys))
    assert text.count("{") == text.count("}")


def test_unknown_names_and_controls_are_refused(invoke):
    with pytest.raises(BenchError, match="Did you mean stargan"):
        invoke("cite", "starga")
    with pytest.raises(BenchError, match="nothing to cite"):
        invoke("cite", "copy")


def test_a_plug_in_model_is_cited_by_its_card(invoke, tmp_path):
    source = tmp_path / "own.py"
    source.write_text(OWN)
    text = invoke("cite", f"{source}:Mine").stdout
    assert text.startswith("@misc{mymodel,\n  title = {Mine \\& yours},\n  year = {2026},")
    assert "note = {Me, inputx 50\\%}" in text
