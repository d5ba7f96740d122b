"""Digests of code: of a class and the modules of its own package that it is built from."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path


@cache
def code_digest(described: type) -> str:
    """Return the sha256 of the source of a class: of all ``source_files``; empty where no file defines it."""
    digest = hashlib.sha256()
    files = source_files(described)
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\n" + path.read_bytes())
    return digest.hexdigest() if files else ""


def source_files(described: type) -> dict[str, Path]:
    """Return the files of the module of a class and of the first-party modules that it imports, by module.

    First-party are the modules of the same top-level package; for a class in a module without a package, the
    modules in its folder. Imports are followed through all of them, except those for type checking.
    """
    try:
        waiting = {described.__module__: Path(inspect.getfile(described))}
    except (TypeError, OSError):
        return {}
    return _followed(waiting, _file_of)


def modules_beside(script: Path) -> dict[str, Path]:
    """Return the modules in the folder of a script that it imports, or that these import, by name.

    Nothing is run. Empty where one of them cannot be read.
    """

    def beside(name: str, module: str, path: Path) -> Path | None:
        parts = name.split(".")
        place = script.parent.joinpath(*parts)
        files = place.with_suffix(".py"), place / "__init__.py"
        return next(filter(Path.is_file, files), None) if all(map(str.isidentifier, parts)) else None

    try:
        found = _followed({script.stem: script}, beside)
    except (OSError, SyntaxError, ValueError):
        return {}
    return {name: path for name, path in found.items() if path != script}


def _followed(waiting: dict[str, Path], file_of: Callable[[str, str, Path], Path | None]) -> dict[str, Path]:
    """Return modules and all that they import, as far as ``file_of`` finds their files."""
    found: dict[str, Path] = {}
    while waiting:
        module, path = waiting.popitem()
        found[module] = path
        imported = {name: file_of(name, module, path) for name in _imports(module, path)}
        waiting |= {name: file for name, file in imported.items() if file and name not in found}
    return found


def _imports(module: str, path: Path) -> frozenset[str]:
    """Return the names that a file imports and that may be modules."""
    if path.suffix != ".py":
        return frozenset()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return _imported_by(path.read_bytes(), package)


@cache
def _imported_by(code: bytes, package: str) -> frozenset[str]:
    return frozenset(_names_in(ast.parse(code), package))


def _names_in(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        name = "." * node.level + (node.module or "")
        base = resolve_name(name, package) if node.level and package else name
        yield from (base, *(f"{base}.{alias.name}" for alias in node.names))
    elif not _for_type_checking(node):
        for child in ast.iter_child_nodes(node):
            yield from _names_in(child, package)


def _for_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _file_of(name: str, module: str, path: Path) -> Path | None:
    """Return the file of a first-party module that ``module`` in ``path`` imports; else None."""
    top = module.partition(".")[0]
    if name.partition(".")[0] == top:
        return _found_file(name)
    beside = path.parent / f"{name}.py"
    return beside if module == top and path.name != "__init__.py" and beside.is_file() else None


def _found_file(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None
