"""Model specs: registered names, classes in files, folders of images."""

import pytest

from fesbench import BenchError, Generator, UnknownName, load_generator
from fesbench.generators.controls import Copy
from fesbench.generators.external import FolderOutputs
from fesbench.generators.registry import (
    GENERATORS,
    NEEDS_CHECKPOINT,
    check_model_spec,
    expand,
    identifying_files,
    load_model,
)

PLUGIN = """
from fesbench import Generator, GeneratorCard

class Half(Generator):
    card = GeneratorCard("half", "Half", weights="none")

    def synthesize(self, images, source, target):
        return images / 2

class Settings:
    pass
"""


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    return file


def test_all_means_every_model_that_needs_no_checkpoint():
    names = expand(("copy", "all", "outputs:x", "copy"))
    assert names[0] == "copy"
    assert names[-1] == "outputs:x"
    assert set(names) == set(GENERATORS.names()) - NEEDS_CHECKPOINT | {"outputs:x"}
    assert len(names) == len(set(names))


def test_existing_specs_pass_the_check(tmp_path, plugin):
    for spec in ("copy", f"{plugin}:Half", f"outputs:{tmp_path}"):
        check_model_spec(spec)


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("stagan", UnknownName, "Did you mean stargan"),
        ("nowhere/model.py:GAN", BenchError, "there is no such file"),
        ("outputs:nowhere", BenchError, "there is no such folder"),
    ],
)
def test_specs_of_nothing_are_refused(spec, kind, message):
    with pytest.raises(kind, match=message):
        check_model_spec(spec)
    with pytest.raises(kind):
        load_model(spec)


def test_each_kind_of_spec_loads(tmp_path, plugin):
    assert isinstance(load_model("copy"), Copy)
    assert isinstance(load_model(f"{plugin}:Half"), Generator)
    assert isinstance(load_model(f"outputs:{tmp_path}"), FolderOutputs)


def test_only_generators_are_loaded_as_generators(tmp_path, plugin):
    assert load_generator(f"{plugin}:Half").card.name == "half"
    with pytest.raises(BenchError, match="does not generate from images"):
        load_generator("truth")
    with pytest.raises(BenchError, match=r"not a subclass of fesbench\.Generator"):
        load_generator(f"{plugin}:Settings")
    with pytest.raises(UnknownName, match="Did you mean Half"):
        load_generator(f"{plugin}:Halve")
    with pytest.raises(BenchError, match="takes no checkpoint"):
        load_generator("copy", tmp_path / "weights.pth")


def test_a_model_in_a_file_is_known_by_the_modules_beside_it_too(plugin):
    helper = plugin.with_name("helper.py")
    helper.write_text("")
    plugin.write_text(f"import helper\n{PLUGIN}")
    found = identifying_files(f"{plugin}:Half")
    assert found == {"source": plugin, "module helper": helper}
