"""Late imports: what functions import when they run.

A component holds the modules that were imported when it was built and can import no other. So imports within
functions are found here by reading the sources, and done when the component is built.
"""

from __future__ import annotations

import ast
from pathlib import Path

from .inputs import files


def late_imports(root: Path) -> dict[str, list[str]]:
    """For each module below a folder what its functions import, as far as there is something."""
    found: dict[str, list[str]] = {}
    for file in files(root):
        if file.suffix != ".py":
            continue
        parts = list(file.relative_to(root).with_suffix("").parts)
        package = parts[:-1]
        if parts[-1] == "__init__":
            parts = package
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except (SyntaxError, ValueError):
            # Python itself says so, if the file is imported at all.
            continue
        names = _within_functions(tree, package)
        if names:
            found[".".join(parts)] = names
    return found


def imports(root: Path) -> list[str]:
    """What the modules below a folder import, but for each other."""
    own = {path.stem if path.is_file() else path.name for path in root.iterdir()}
    names: set[str] = set()
    for file in files(root):
        if file.suffix != ".py":
            continue
        package = list(file.relative_to(root).parts[:-1])
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except (SyntaxError, ValueError):
            # Told with its place when the module is imported.
            continue
        for node in ast.walk(tree):
            names.update(_imported(node, package))
    return sorted(name for name in names if name.partition(".")[0] not in own)


def _within_functions(tree: ast.Module, package: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for inner in ast.walk(node):
                names.update(dict.fromkeys(_imported(inner, package)))
    return list(names)


def _imported(node: ast.AST, package: list[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        # `from a import b` may mean the module `a.b`.
        return [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")] if base else []
    return []
