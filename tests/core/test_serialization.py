"""Ctrl-C while a model is being serialized stays Ctrl-C."""

import pytest
from pydantic import BaseModel, model_serializer
from pydantic_core import PydanticSerializationError

from fesbench.core.serialization import serialized


class Raising(BaseModel):
    error: type[BaseException]

    @model_serializer
    def raising(self) -> str:
        raise self.error


@pytest.mark.parametrize(
    ("error", "seen"),
    [(KeyboardInterrupt, KeyboardInterrupt), (RuntimeError, PydanticSerializationError)],
)
def test_ctrl_c_is_not_turned_into_an_error(error, seen):
    with pytest.raises(seen):
        serialized(Raising(error=error).model_dump_json)


def test_what_is_dumped_is_returned():
    class Plain(BaseModel):
        name: str

    assert serialized(Plain(name="a").model_dump_json) == '{"name":"a"}'
