"""Modules that come beside the component, and what is built of them for `jackfield dev`."""

import json
import sys
import traceback
import unittest
from pathlib import Path
from unittest import mock

from jackfield import _program
from jackfield.build import component, runtime
from jackfield.build.command import job_of
from jackfield.build.late import imports

from .test_build import VARIABLES, BuildTest

FILES = {
    "shop.py": "import shelf.lamps\n\ndef fails():\n    return shelf.lamps.count(None)\n",
    "shelf/__init__.py": "",
    "shelf/lamps.py": "from . import names\n\ndef count(of):\n    return len(of) + len(names.ALL)\n",
    "shelf/names.py": "ALL = [1, 2]\n",
}


class Programs(unittest.TestCase):
    """Imported from a table."""

    def setUp(self) -> None:
        """Leaves nothing behind."""
        for thing in (mock.patch.object(sys, "meta_path", list(sys.meta_path)), mock.patch.dict(sys.modules)):
            thing.start()
            self.addCleanup(thing.stop)

    def test_modules_and_packages_import_each_other(self) -> None:
        module = _program.load(json.dumps(FILES).encode(), "shop")
        self.assertEqual(sys.modules["shelf.lamps"].count([7]), 3)
        files: list[str] = []
        try:
            module.fails()
        except TypeError as raised:
            files = [frame.filename for frame in traceback.extract_tb(raised.__traceback__)]
        self.assertEqual(files[1:], ["/2/shop.py", "/2/shelf/lamps.py"])

    def test_what_is_not_there_is_not_found(self) -> None:
        with self.assertRaises(ModuleNotFoundError):
            _program.load(b"{}", "shop")


class Builds(BuildTest):
    """A runtime, and the project's modules at its end."""

    def test_the_imports_of_others_are_found(self) -> None:
        self.write(
            "src/handler.py", "import csv\nimport own\nfrom email.utils import parsedate\n\ndef f():\n    import zlib\n"
        )
        self.write("src/own.py", "from xml.dom import minidom\n")
        found = imports(Path("src"))
        for name in ("csv", "email.utils", "zlib", "xml.dom", "xml.dom.minidom"):
            self.assertIn(name, found)
        self.assertNotIn("own", found)

    def test_a_runtime_is_made_once_for_the_same_imports(self) -> None:
        wit = self.write("wit/world.wit", "world")
        variables = {**VARIABLES, "JACKFIELD_WIT": str(wit.parent), "JACKFIELD_DEV": "1"}
        self.write("src/handler.py", "import csv\n")
        job = job_of(Path("src/handler.py"), variables)
        self.assertTrue(job.dev)
        job.work.mkdir(parents=True)
        out = Path("out.wasm")
        with mock.patch.object(
            component, "componentize", side_effect=lambda _j, _l, into, _p: into.write_bytes(b"runtime")
        ) as made:
            self.assertTrue(runtime.build(job, None, out))
            first = out.read_bytes()
            self.write("src/handler.py", "import csv\n# changed\n")
            self.assertFalse(runtime.build(job, None, out))
            self.assertEqual(made.call_count, 1)
            self.write("src/handler.py", "import csv, zlib\n")
            self.assertTrue(runtime.build(job, None, out))
        self.assertEqual(made.call_args.args[3], ["csv", "zlib"])
        program = json.dumps({"handler.py": "import csv\n"}).encode()
        content = b"\x11jackfield:program" + program
        self.assertEqual(first, b"runtime\0" + bytes([len(content)]) + content)
        self.assertEqual(len(list(job.work.glob("runtime-*.wasm"))), 1)
