"""The command: `jackfield-build src/handler.py`, as the manifest's `build.command`.

`jackfield build` runs it in the project's folder and says by variables what the manifest grants and where the
component belongs. Not here: what the host thinks of the component; `jackfield build` checks that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import component, packages, runtime
from .inputs import digest
from .problem import Problem


@dataclass(frozen=True)
class Job:
    """What is to be built, and where."""

    source: Path
    """The handler's module."""
    name: str
    """The component's name in the manifest."""
    wit: Path
    world: str
    out: Path
    dev: bool
    """For `jackfield dev`: the project's modules beside a runtime that is made once."""
    work: Path
    """A folder for what is needed only now, and for what speeds up the next time."""

    @property
    def root(self) -> Path:
        """The folder that modules are imported from: the first above the source that is no package."""
        folder = self.source.parent
        while (folder / "__init__.py").exists():
            folder = folder.parent
        return folder

    @property
    def module(self) -> str:
        """The name the source is imported by."""
        parts = list(self.source.relative_to(self.root).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds; 0 done, 2 what the project's author can mend."""
    parser = argparse.ArgumentParser(
        prog="jackfield-build", description="Builds a component from a Python module with a handler."
    )
    parser.add_argument("source", type=Path, help="the module with the handler, such as src/handler.py")
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    chosen = parser.parse_args(arguments)
    try:
        build(job_of(chosen.source, os.environ), force=chosen.force)
    except Problem as problem:
        print(f"✗ {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def job_of(source: Path, environment: Mapping[str, str]) -> Job:
    """The job that a command line and the variables of `jackfield build` describe."""
    wit, world, out = (environment.get(f"JACKFIELD_{name}") for name in ("WIT", "WORLD", "OUT"))
    if not wit or not world or not out:
        raise Problem(
            "this is one step of `jackfield build`, which knows the manifest: run that in the project's folder"
        )
    if not source.is_file():
        raise Problem(f"{source} is not there; the manifest's build command names it")
    name = environment.get("JACKFIELD_COMPONENT") or Path(out).stem
    job = Job(
        source,
        name,
        Path(wit),
        world,
        Path(out),
        environment.get("JACKFIELD_DEV") == "1",
        Path(".jackfield") / "python" / name,
    )
    if not all(part.isidentifier() for part in job.module.split(".")):
        raise Problem(f"{source} cannot be imported as `{job.module}`: name it with letters, digits and _")
    top = job.module.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("jackfield", "wit_world", component.ENTRY):
        raise Problem(f"{source} cannot be imported: another module is called `{top}`; rename it")
    return job


def build(job: Job, *, force: bool = False) -> None:
    """Builds the component, unless it is there and nothing that it is made of changed."""
    began = time.monotonic()
    if job.dev:
        _build_for_dev(job, began)
        return
    stamp = job.work / "built-from"
    made_of = digest(job.root, job.wit, Path("requirements.txt"), job.source)
    if not force and job.out.is_file() and _read(stamp) == f"{made_of} {_identity(job.out)}":
        print(f"  {shown(job.out)} is up to date")
        return
    component.needs()
    packages.refuse_native(job.root, str(job.root))
    libraries = packages.install(Path("requirements.txt"), job.work.parent)
    stamp.unlink(missing_ok=True)
    built = job.work / "component.wasm"
    try:
        component.componentize(job, libraries, built)
        _keep(built, job.out)
    finally:
        built.unlink(missing_ok=True)
    stamp.write_text(f"{made_of} {_identity(job.out)}")
    print(f"  {shown(job.out)}  {job.out.stat().st_size / 1e6:.1f} MB  built in {time.monotonic() - began:.0f} s")


def _build_for_dev(job: Job, began: float) -> None:
    component.needs()
    packages.refuse_native(job.root, str(job.root))
    libraries = packages.install(Path("requirements.txt"), job.work.parent)
    job.work.mkdir(parents=True, exist_ok=True)
    built = job.work / "dev.wasm"
    fresh = runtime.build(job, libraries, built)
    _keep(built, job.out)
    what = "a Python for these imports and grants" if fresh else "the Python that is there"
    print(f"  {what}  {time.monotonic() - began:.1f} s")


def _keep(built: Path, out: Path) -> None:
    """Puts the component where it belongs: whoever reads it meets the old one or the new one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # The output may lie on another file system than the project's folder.
    beside = out.with_name(f".{out.name}.new")
    shutil.move(built, beside)
    beside.replace(out)


def shown(path: Path) -> str:
    """A path as a person wants it: from here, if it lies here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _identity(path: Path) -> str:
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
