"""The page templates and assets of this package; everything in a page is escaped."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined


def resource(name: str) -> str:
    """Return the text of a template or an asset."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def rendered(name: str, **content: object) -> str:
    """Return a page: a template with content, in which anything that UTF-8 cannot hold is replaced."""
    environment = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(name).render(content)
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"
