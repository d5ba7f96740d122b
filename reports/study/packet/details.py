"""The facts about a study that only its organiser can state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fesbench.core.errors import SpecError, invalid_fields
from fesbench.core.yaml_files import read_yaml


class Details(BaseModel):
    """Facts that the organiser states; pages with a gap for an empty field are marked DRAFT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = "Pictures of faces"
    institution: str = ""
    researcher: str = ""
    contact: str = ""
    ethics_board: str = ""
    approval: str = ""
    payment: str = ""
    storage_period: str = ""
    deletion_date: str = ""
    results_link: str = ""
    power: str = ""

    @property
    def missing(self) -> list[str]:
        """The fields that are still empty."""
        return [name for name, value in self.model_dump().items() if not value.strip()]


def read_details(path: Path) -> Details:
    """Read details from a YAML file.

    Raises:
        SpecError: the file cannot be read, is not a mapping, or has an unknown field.
    """
    content = read_yaml(path)
    if not isinstance(content, dict | None):
        raise SpecError(f"{path} cannot be read as a YAML mapping: it holds no 'field: text', one a line")
    try:
        return Details.model_validate({name: _text(value) for name, value in (content or {}).items()})
    except ValidationError as error:
        raise SpecError(
            f"{path}: {invalid_fields(error)}; fields: {', '.join(Details.model_fields)}"
        ) from error


def _text(value: Any) -> Any:
    """Return a single value as the text that the organiser meant; others are refused."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return "" if value is None else value


def details_yaml(details: Details) -> str:
    """Return the details as YAML text, with a line that says how to use it."""
    head = "# Fill in, then make the packet again: bench study make … --details details.yaml\n"
    return head + yaml.safe_dump(details.model_dump(), allow_unicode=True, sort_keys=False)
