"""What the build command refuses, and what it makes ready."""

import contextlib
import importlib.metadata
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from jackfield.build import component, packages
from jackfield.build.command import job_of, main
from jackfield.build.inputs import digest
from jackfield.build.late import late_imports
from jackfield.build.problem import Problem

VARIABLES = {
    "JACKFIELD_WIT": "/wit",
    "JACKFIELD_WORLD": "jackfield:project/component",
    "JACKFIELD_OUT": "/out/sync.wasm",
    "JACKFIELD_COMPONENT": "sync",
}


class BuildTest(unittest.TestCase):
    """In a folder of its own."""

    def setUp(self) -> None:
        """Goes there."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(folder.name)

    def write(self, path: str, text: str = "") -> Path:
        """Writes a file."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


class Jobs(BuildTest):
    """The command line."""

    def test_a_module_is_imported_from_above_its_packages(self) -> None:
        plain = job_of(self.write("src/handler.py"), VARIABLES)
        self.assertEqual((plain.root, plain.module, plain.name), (Path("src"), "handler", "sync"))
        self.write("src/app/__init__.py")
        packaged = job_of(self.write("src/app/handler.py"), VARIABLES)
        self.assertEqual((packaged.root, packaged.module), (Path("src"), "app.handler"))
        flat = job_of(self.write("main.py"), VARIABLES)
        self.assertEqual((flat.root, flat.module), (Path(), "main"))

    def test_what_cannot_be_built_is_told(self) -> None:
        for file in ("src/my-handler.py", "src/http.py", "src/jackfield.py", "src/wit_world.py"):
            with self.assertRaises(Problem, msg=file):
                job_of(self.write(file), VARIABLES)
        with self.assertRaisesRegex(Problem, "is not there"):
            job_of(Path("src/none.py"), VARIABLES)
        said = io.StringIO()
        with mock.patch.dict(os.environ, clear=True), contextlib.redirect_stderr(said):
            self.assertEqual(main(["src/handler.py"]), 2)
        self.assertIn("jackfield build", said.getvalue())

    def test_a_missing_tool_is_told_with_the_command_that_installs_it(self) -> None:
        for found in ("0.1.0", None):
            answer = mock.Mock(return_value=found)
            if found is None:
                answer.side_effect = importlib.metadata.PackageNotFoundError
            with mock.patch("importlib.metadata.version", answer), self.assertRaises(Problem) as caught:
                component.needs()
            self.assertIn(f"{sys.executable} -m pip install componentize-py==", str(caught.exception))

    def test_a_change_of_anything_is_seen(self) -> None:
        source, wit, asked = (
            self.write("src/handler.py", "a"),
            self.write("wit/world.wit").parent,
            Path("requirements.txt"),
        )
        before = {digest(source.parent, wit, asked, source)}
        for file, text in (
            ("src/other.py", ""),
            ("src/data.txt", "x"),
            ("wit/deps/a.wit", ""),
            ("requirements.txt", "x"),
        ):
            self.write(file, text)
            now = digest(source.parent, wit, asked, source)
            self.assertNotIn(now, before)
            before.add(now)
        for file in ("src/__pycache__/x.pyc", "src/.hidden/x", "src/.venv/x.py"):
            self.write(file, "x")
        self.assertIn(digest(source.parent, wit, asked, source), before)


class Packages(BuildTest):
    """Libraries."""

    def test_machine_code_is_refused_by_the_name_of_its_package(self) -> None:
        self.write("there/numpy/core/_multiarray.abi3.so")
        self.write("there/numpy-2.0.dist-info/RECORD", "numpy/core/_multiarray.abi3.so,sha256=x,1\n")
        with self.assertRaisesRegex(Problem, "`numpy` holds machine code"):
            packages.refuse_native(Path("there"), "requirements.txt")

    def test_a_file_that_names_nothing_installs_nothing(self) -> None:
        self.assertIsNone(packages.install(self.write("requirements.txt", "# none\n\n"), Path("there")))
        self.assertIsNone(packages.install(Path("no-requirements.txt"), Path("there")))

    def test_a_package_without_a_pure_wheel_is_named(self) -> None:
        stderr = (
            "ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for numpy==2"
        )
        failed = mock.Mock(returncode=1, stderr=stderr)
        with (
            mock.patch("subprocess.run", return_value=failed),
            contextlib.redirect_stdout(io.StringIO()),
            self.assertRaisesRegex(Problem, "`numpy==2`"),
        ):
            packages.install(self.write("requirements.txt", "numpy==2"), Path("there"))
        self.assertEqual(list(Path("there").iterdir()), [])

    def test_a_library_that_needs_one_with_machine_code_is_named_with_it(self) -> None:
        # The real package index: MarkupSafe has wheels for many machines, and none for all.
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaises(Problem) as caught:
            packages.install(self.write("requirements.txt", "jinja2==3.1.6\n"), Path("there"))
        self.assertRegex(
            str(caught.exception),
            r"^`MarkupSafe>=\S+`, which `jinja2` needs, is not on the package index as pure Python \(a `py3-none-any`"
            r" wheel\), and a component cannot hold anything else: take another library, or leave `jinja2` out of"
            r" requirements.txt$",
        )


class Parts(BuildTest):
    """What goes into the component."""

    def test_imports_within_functions_are_found(self) -> None:
        self.write(
            "src/handler.py",
            "import a\ndef f():\n    import b.c\n    from d import e\n    def g():\n        import h\n",
        )
        self.write("src/p/__init__.py", "async def f():\n    from . import x\n    from .y import *\n")
        self.write("src/p/q.py", "def f():\n    from ..z import w\n")
        self.write("src/broken.py", "def f(:\n")
        found = late_imports(Path("src"))
        self.assertEqual(found["handler"], ["b.c", "d", "d.e", "h"])
        self.assertEqual(found["p"], ["p", "p.x", "p.y"])
        self.assertNotIn("broken", found)

    def test_what_the_tool_says_is_cut_to_what_concerns_the_author(self) -> None:
        said = (
            'Traceback (most recent call last):\n  File "/venv/bin/x", line 8, in <module>\n'
            "AssertionError: hello\nTraceback (most recent call last):\n"
            '  File "/0/jackfield_component.py", line 6, in <module>\n    Handler = _rt.export("handler")\n'
            '  File "/1/jackfield/_rt.py", line 75, in export\n    module = importlib.import_module(name)\n'
            '  File "/python/importlib/__init__.py", line 88, in import_module\n    return _gcd()\n           ~~~^^\n'
            '  File "<frozen importlib._bootstrap>", line 1, in _gcd\n'
            '  File "/2/handler.py", line 3, in <module>\n    import nothing\n'
            "ModuleNotFoundError: No module named 'nothing'\n\n\nCaused by:\n    0: error while executing\n"
        )
        self.assertEqual(
            component.told(said, "src/"),
            "hello\nTraceback (most recent call last):\n"
            '  File "src/handler.py", line 3, in <module>\n    import nothing\n'
            "ModuleNotFoundError: No module named 'nothing'",
        )
