"""Runtime: Python, the SDK and the libraries without the project. It is made once; the modules come beside it.

For `jackfield dev`: a change of a module then builds and compiles nothing.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import component
from .inputs import digest, files
from .late import imports
from .problem import Problem
from .tool import PYTHON_VERSION

if TYPE_CHECKING:
    from .command import Job

_SECTION = b"jackfield:program"


def build(job: Job, libraries: Path | None, into: Path) -> bool:
    """Makes a component of a runtime and the project's modules. Says whether a runtime had to be made."""
    modules = {
        file.relative_to(job.root).as_posix(): file.read_text(encoding="utf-8")
        for file in files(job.root)
        if file.suffix == ".py"
    }
    for name, source in modules.items():
        _check(f"{job.root / name}", source)
    wanted = imports(job.root)
    made_of = hashlib.sha256(digest(None, job.wit, Path("requirements.txt"), job.source).encode())
    made_of.update(json.dumps(wanted).encode())
    runtime = job.work / f"runtime-{made_of.hexdigest()[:16]}.wasm"
    fresh = not runtime.is_file()
    if fresh:
        half = job.work / "component.wasm"
        component.componentize(job, libraries, half, wanted)
        for old in job.work.glob("runtime-*.wasm"):
            old.unlink()
        half.replace(runtime)
    program = json.dumps(modules).encode()
    content = _leb(len(_SECTION)) + _SECTION + program
    into.write_bytes(runtime.read_bytes() + b"\0" + _leb(len(content)) + content)
    return fresh


def _check(path: str, source: str) -> None:
    """Tells a wrong module now, rather than with the first event. An older Python than the one inside cannot."""
    if sys.version_info < tuple(int(part) for part in PYTHON_VERSION.split(".")):
        return
    try:
        compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Problem(f"{path}:{error.lineno}: {error.msg}\n    {(error.text or '').strip()}") from None


def _leb(value: int) -> bytes:
    """A number as WebAssembly writes it."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)
