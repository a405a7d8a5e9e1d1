"""Inputs: all that a component is made of, as one digest that says whether it must be built again."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from .. import __file__ as sdk
from .tool import TOOL_VERSION

_LEFT_OUT = frozenset({"__pycache__", "dist", "node_modules", "target"})


def files(folder: Path) -> Iterator[Path]:
    """The files below a folder, in one order; without hidden ones, what was built, and environments."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _LEFT_OUT:
            continue
        if not path.is_dir():
            yield path
        elif not (path / "pyvenv.cfg").exists():
            yield from files(path)


def digest(root: Path | None, wit: Path, requirements: Path, source: Path) -> str:
    """Of the project's modules, if it is about them; its world, its requirements, the SDK and the tools."""
    hashed = hashlib.sha256(f"{TOOL_VERSION} {sys.version} {source}".encode())
    for folder in (*([root] if root else []), wit, Path(sdk).parent):
        for file in files(folder):
            _add(hashed, str(file.relative_to(folder)), file)
    if requirements.is_file():
        _add(hashed, "requirements", requirements)
    return hashed.hexdigest()


def _add(hashed: hashlib._Hash, name: str, file: Path) -> None:
    content = file.read_bytes()
    hashed.update(f"\0{name}\0{len(content)}\0".encode())
    hashed.update(content)
