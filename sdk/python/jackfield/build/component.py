"""The component: what componentize-py makes of the handler's module, its libraries and the SDK."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __file__ as sdk
from .inputs import files
from .late import late_imports
from .problem import Problem
from .tool import TOOL_VERSION

if TYPE_CHECKING:
    from .command import Job

ENTRY = "jackfield_component"
"""The module that the host's call arrives in."""


def needs() -> None:
    """Says how to get componentize-py, if it is missing or another version."""
    try:
        found = importlib.metadata.version("componentize-py")
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found != TOOL_VERSION:
        raise Problem(
            f"componentize-py {TOOL_VERSION} is needed, {found or 'none'} is installed:"
            f" {sys.executable} -m pip install componentize-py=={TOOL_VERSION}"
        )


def componentize(job: Job, libraries: Path | None, into: Path, program: list[str] | None = None) -> None:
    """Makes the component. The module is imported on the way, and what is then in memory is kept.

    `program`: the project's modules stay out of it; these are the others that they import.
    """
    half = job.work / "parts"
    shutil.rmtree(half, ignore_errors=True)
    try:
        # As the machine inside sees them: /0, /1, /2 …
        folders = [half / "entry", half / "sdk", half / "project", *([libraries] if libraries else [])]
        (half / "entry").mkdir(parents=True)
        (half / "none" / "lib" / "site-packages").mkdir(parents=True)
        shutil.copytree(
            Path(sdk).parent, half / "sdk" / "jackfield", ignore=shutil.ignore_patterns("build", "__pycache__")
        )
        # A copy, since Python writes what it compiled beside the sources.
        (half / "project").mkdir()
        for file in files(job.root) if program is None else ():
            copy = half / "project" / file.relative_to(job.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        (half / "entry" / f"{ENTRY}.py").write_text(entry(job, libraries, program), encoding="utf-8")
        _run(job, folders, half, into)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _root(job: Job) -> str:
    root = os.path.relpath(job.root)
    return "" if root == "." else f"{root}/"


def entry(job: Job, libraries: Path | None, program: list[str] | None = None) -> str:
    """The source of the module that the host's call arrives in."""
    late = late_imports(job.root) if program is None else {}
    if libraries is not None:
        late |= late_imports(libraries)
    paths = [
        ("/0/", None),
        ("/1/", None),
        ("/2/", _root(job)),
        ("/3/", ""),
        ("/world/", None),
        ("/python/", ""),
        ("<frozen ", "<"),
    ]
    handler = f"export({job.module!r}, {late!r})"
    if program is not None:
        handler = f"export_program({job.module!r}, {program!r}, {late!r})"
    return (
        f'"""Begins the component `{job.name}`. Written by jackfield-build."""\n\n'
        "from jackfield import _rt\n\n"
        f"_rt.begin({job.name!r}, {paths!r})\n"
        f"Handler = _rt.{handler}\n"
    )


def _run(job: Job, folders: list[Path], half: Path, into: Path) -> None:
    command = [
        *(sys.executable, "-c", "from componentize_py import script; script()"),
        *("--wit-path", str(job.wit), "--world", job.world, "--quiet", "componentize"),
        *(word for folder in folders for word in ("--python-path", str(folder))),
        *("--output", str(into), ENTRY),
    ]
    # Or it would take all that is installed beside the tool for parts of the component.
    environment = {**os.environ, "VIRTUAL_ENV": str((half / "none").resolve())}
    began = time.monotonic()
    terminal = sys.stdout.isatty()
    if not terminal:
        print(f"  … {job.name}: importing {job.source} (about half a minute)", flush=True)
    said = half / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                if terminal:
                    took = f"{time.monotonic() - began:.0f} s"
                    print(f"\r\x1b[K  … {job.name}: importing {job.source} {took}", end="", flush=True)
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if terminal:
                print("\r\x1b[K", end="", flush=True)
    if process.returncode != 0:
        trace = told(said.read_text(errors="replace"), _root(job))
        raise Problem(f"{job.source} could not be made a component:\n{trace}")


def told(said: str, root: str) -> str:
    """What concerns the author in what the tool said: the traceback inside of the component."""
    said = re.split(r"\n\s*(?:Caused by:|Stack backtrace:)", said, maxsplit=1)[0]
    said = said.rpartition("AssertionError: ")[2].strip() or said.strip()
    kept: list[str] = []
    hidden = False
    for line in said.splitlines():
        file = re.match(r'\s+File "([^"]*)"', line)
        if file is not None:
            # The SDK's own frames, the import machinery's, and the lines of source below them.
            hidden = file[1].startswith(("/0/", "/1/", "/python/importlib/__init__.py", "<frozen importlib"))
        elif not line.startswith(" "):
            hidden = False
        if not hidden:
            kept.append(line.replace('"/2/', f'"{root}').replace('"/3/', '"').replace('"/python/', '"'))
    return "\n".join(kept)
