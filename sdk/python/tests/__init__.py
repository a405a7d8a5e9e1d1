"""Tests of the SDK, with bindings as componentize-py makes them, and a host that a test fills in.

`python -m unittest discover -t . tests` in the SDK's folder, with the SDK's requirements installed.
"""

import atexit
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def _bindings() -> None:
    """Makes the bindings of the contract as it is, so that the SDK cannot miss a change of it."""
    folder = tempfile.mkdtemp(prefix="jackfield-bindings-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    wit = Path(__file__).resolve().parents[3] / "wit"
    tool = [sys.executable, "-c", "from componentize_py import script; script()"]
    world = ["--wit-path", str(wit), "--world", "jackfield:plugin/integration", "--quiet"]
    subprocess.run([*tool, *world, "bindings", f"{folder}/bindings"], check=True)
    sys.path.insert(0, f"{folder}/bindings")


_bindings()
