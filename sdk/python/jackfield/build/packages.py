"""Packages: the libraries of a project, from its `requirements.txt`, in pure Python only.

A component has no machine code but WebAssembly: a library with a compiled extension cannot be in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .inputs import files
from .problem import Problem
from .tool import PYTHON_VERSION

_NATIVE = frozenset({".so", ".pyd", ".dylib", ".dll"})


def install(requirements: Path, below: Path) -> Path | None:
    """The folder with what a requirements file names, installed again only when the file changed."""
    if not requirements.is_file():
        return None
    text = requirements.read_text(encoding="utf-8")
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return None
    wanted = hashlib.sha256(f"{PYTHON_VERSION}\n{text}".encode()).hexdigest()[:16]
    folder = below / f"packages-{wanted}"
    if folder.is_dir():
        return folder
    if importlib.util.find_spec("pip") is None:
        raise Problem(f"pip is missing, and {requirements} asks for packages: {sys.executable} -m ensurepip")
    below.mkdir(parents=True, exist_ok=True)
    for old in below.glob("packages-*"):
        shutil.rmtree(old)
    half = below / f"new-packages-{wanted}"
    shutil.rmtree(half, ignore_errors=True)
    try:
        _pip(requirements, half)
        refuse_native(half, str(requirements))
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return folder


def _pip(requirements: Path, into: Path) -> None:
    print(f"  … packages of {requirements}", flush=True)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-compile", "--target", str(into), "--requirement", str(requirements)),
            *("--only-binary=:all:", "--platform", "any", "--implementation", "py", "--abi", "none"),
            *("--python-version", PYTHON_VERSION),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == 0:
        return
    lacking = re.search(r"No matching distribution found for (\S+)", run.stderr)
    if lacking is not None and "(from versions: none)" in run.stderr:
        asked = re.search(r"the requirement \S+ \(from ((?!versions)[^)\s]+)", run.stderr)
        which, instead = "", "it"
        if asked is not None:
            which, instead = f", which `{asked[1]}` needs,", f"`{asked[1]}`"
        raise Problem(
            f"`{lacking[1]}`{which} is not on the package index as pure Python (a `py3-none-any` wheel), and a"
            f" component cannot hold anything else: take another library, or leave {instead} out of {requirements}"
        )
    raise Problem(f"pip could not install {requirements}:\n{run.stderr.strip()}")


def refuse_native(folder: Path, asked_by: str) -> None:
    """Refuses extension modules by the name of their package."""
    for file in files(folder):
        if file.suffix in _NATIVE:
            owner = next(_owners(folder, file), file.relative_to(folder).parts[0])
            raise Problem(
                f"`{owner}` holds machine code ({file.relative_to(folder)}), which a component cannot hold: take a"
                f" library in pure Python, or a version of it without extension, in {asked_by}"
            )


def _owners(folder: Path, file: Path) -> Iterator[str]:
    name = file.relative_to(folder).as_posix()
    for record in folder.glob("*.dist-info/RECORD"):
        if any(line.startswith(f"{name},") for line in record.read_text(encoding="utf-8").splitlines()):
            yield record.parent.name.partition("-")[0]
