"""Digest of the code that a component runs: TFX's cache knows the code only by name and would not notice an edit."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_CODE = (".py", ".pyc")
_PACKAGES = ("compat", "components", "models", "pipeline", "serving_bot", "workers")


def digest_code(*modules: str, root: Path = _ROOT) -> str:
    """Hexadecimal SHA-256 of modules (dotted names), modules of ours that they import, and data files beside those."""
    digest = hashlib.sha256()
    for path in sorted(_closure(modules, root)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _closure(modules: tuple[str, ...], root: Path) -> set[Path]:
    waiting, found = list(modules), set[Path]()
    while waiting:
        path = _find(waiting.pop(), root)
        if path is None or path in found:
            continue
        found.add(path)
        found |= {beside for beside in path.parent.iterdir() if beside.is_file() and beside.suffix not in _CODE}
        waiting += _imports(path, path.read_bytes())
    return found


def _find(name: str, root: Path) -> Path | None:
    """The file of one of the project's modules, also for the name of a module's member."""
    if name.split(".", maxsplit=1)[0] not in _PACKAGES:
        return None
    base = root.joinpath(*name.split("."))
    forms = (base.with_suffix(".py"), base / "__init__.py", base.parent.with_suffix(".py"))
    return next((path for path in forms if path.is_file()), None)


@cache
def _imports(path: Path, content: bytes) -> tuple[str, ...]:
    """Dotted names of all that a file imports, at any level, and of worker functions that it names in strings."""
    return tuple(_names(ast.parse(content)))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(":") == 1:
            yield node.value.partition(":")[0]  # "serving_bot.versions.check:load_versions"
