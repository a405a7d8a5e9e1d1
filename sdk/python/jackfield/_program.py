"""Program: the project's modules when they come beside the component, not within it. For `jackfield dev`.

Python and its libraries are in the component as they were when it was built; the project's own modules are imported
when an event arrives, so that a change of them builds nothing.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from types import ModuleType

ROOT = "/2/"
"""Where the project's files would lie in a component that holds them."""


class Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports modules from a table of their files."""

    def __init__(self, files: dict[str, str]) -> None:
        """`files`: path in the project to source."""
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module of that name, if there is a file for it."""
        base = fullname.replace(".", "/")
        for file, is_package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if file in self._files:
                spec = importlib.util.spec_from_loader(fullname, self, origin=ROOT + file, is_package=is_package)
                if spec is not None:
                    spec.has_location = True
                return spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module's code."""
        origin = module.__spec__.origin if module.__spec__ is not None else None
        if origin is None:
            raise ImportError(f"{module.__name__} has no file")
        exec(compile(self._files[origin.removeprefix(ROOT)], origin, "exec"), module.__dict__)


def load(program: bytes, name: str) -> ModuleType:
    """Imports the handler's module out of a program."""
    sys.meta_path.append(Modules(json.loads(program)))
    return importlib.import_module(name)
