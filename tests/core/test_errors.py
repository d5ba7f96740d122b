import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from fesbench.core.errors import UnknownName, did_you_mean, invalid_fields


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seed: int


class Outer(BaseModel):
    inner: Inner


def refused(content: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(content)
    return invalid_fields(caught.value)


def test_every_refused_field_is_named_with_its_value():
    text = refused({"inner": {"seed": "x", "other": 1}})
    assert text.startswith("inner.seed: ")
    assert "(got 'x')" in text
    assert "; inner.other: " in text


def test_a_long_value_is_shortened_and_no_field_is_called_its_content():
    assert len(refused("y" * 1000)) < 200
    assert refused([]).startswith("its content: ")


def test_only_similar_names_are_suggested():
    assert did_you_mean("stargna", ["stargan", "degan", "zzz"]) == " Did you mean stargan?"
    assert did_you_mean("q", ["stargan"]) == ""
    assert "Did you mean stargan?" in str(UnknownName("model", "stargna", ["stargan"]))
