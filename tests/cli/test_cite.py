"""``bench cite``."""

from fesbench.generators.registry import GENERATORS
from fesbench.metrics.registry import METRICS

OWN = """
from fesbench.core.contracts import Generator, GeneratorCard

class Mine(Generator):
    card = GeneratorCard(name="my model", title="Mine & yours", year=2026, citation="Me, \\\\input{x} 50%")

    def synthesize(self, images, source, target):
        return images.clone()
"""


def test_every_registered_model_and_metric_has_an_entry(call_bench):
    models = [name for name in GENERATORS.names() if name not in ("copy", "truth")]
    names = [*models, *METRICS.names(), "london", "cfee", "rendered", "fesbench"]
    text = call_bench("cite", *names).stdout
    keys = [line.partition("{")[2].rstrip(",") for line in text.splitlines() if line.startswith("@")]
    assert len(keys) == len(set(keys))
    assert text.count("{") == text.count("}")


def test_unknown_names_and_controls_are_refused(call_bench):
    assert "Did you mean stargan" in call_bench("cite", "starga", code=2).stderr
    assert "nothing to cite" in call_bench("cite", "copy", code=2).stderr


def test_a_plug_in_model_is_cited_by_its_card(call_bench, tmp_path):
    source = tmp_path / "own.py"
    source.write_text(OWN)
    text = call_bench("cite", f"{source}:Mine").stdout
    assert text.startswith("@misc{mymodel,\n  title = {Mine \\& yours},\n  year = {2026},")
    assert "note = {Me, inputx 50\\%}" in text
