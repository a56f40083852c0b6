"""Makes a component of a project:

    python -m parlour_plugin.build PROJECT OUTPUT.wasm

The interpreter is started and imports the plugin's module, and the component is the interpreter after that: a call has what was
imported, and nothing else, because there are no files where it runs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import traceback
from pathlib import Path

from . import project
from .declaration import declared

#: What the generated program is called; no project has such a name.
ENTRY = "parlour_entry"
SDK = Path(__file__).parent.parent


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m parlour_plugin.build", description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("project", type=Path)
    arguments.add_argument("output", type=Path)
    given = arguments.parse_args()
    try:
        build(given.project, given.output)
    except project.ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(folder: Path, output: Path) -> None:
    """Writes the component of a project to a file; `ProjectError` says why there is none."""
    found = project.read(folder.resolve())
    check(found)
    componentize(found, output.resolve())


def check(found: project.Project) -> None:
    """Imports the plugin here first: a mistake in it is told at once, and with its lines of source."""
    sys.path.insert(0, str(found.source))
    try:
        importlib.import_module(found.module)
        declared.manifest()
    except Exception as error:
        if not (isinstance(error, TypeError) and _is_ours(error)):
            traceback.print_exc()
        raise project.ProjectError(f"the module `{found.module}` cannot be a plugin: {error}") from error


def _is_ours(error: Exception) -> bool:
    """Whether this package refused something: its words say all, and the way there nothing."""
    last = list(traceback.walk_tb(error.__traceback__))[-1][0]
    return last.f_globals.get("__name__", "").startswith("parlour_plugin.")


def componentize(found: project.Project, output: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{ENTRY}.py").write_text(_entry(found), "utf-8")
        program = Path(sys.executable).parent / "componentize-py"
        command = [str(program), "--wit-path", str(_contract()), "--world", "plugin", "componentize"]
        for path in (folder, str(found.source), str(SDK), sysconfig.get_paths()["purelib"]):
            command += ["--python-path", path]
        # What its packages are is said here and nowhere else; and of an error the author's own lines are wanted, not those of the
        # program that met it.
        environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "RUST_BACKTRACE": "0"}
        # Beside first: a build that fails leaves the plugin of before.
        part = output.with_suffix(f".{os.getpid()}.part")
        try:
            # Its own words are progress; standard output belongs to whoever called.
            subprocess.run([*command, ENTRY, "--output", str(part)], check=True, stdout=sys.stderr, env=environment)
            part.replace(output)
        except subprocess.CalledProcessError as error:
            raise project.ProjectError(f"componentize-py says above why there is no component of `{found.name}`") from error
        finally:
            part.unlink(missing_ok=True)


def _contract() -> Path:
    """The folder of the plugin contract: beside the package in a project's copy of the SDK, above it where the SDK comes from."""
    for folder in (SDK.parent / "wit", SDK.parent.parent / "wit"):
        if folder.is_dir():
            return folder
    raise project.ProjectError(f"the plugin contract is not beside the SDK in `{SDK.parent}`")


def _entry(found: project.Project) -> str:
    """What `pyproject.toml` says, then the plugin, then the contract's exports."""
    about = {"name": found.name, "version": found.version, "module": found.module, "license": found.license}
    about |= {"homepage": found.homepage, "images": found.images}
    return (
        "from parlour_plugin import project\n"
        f"project.built = project.Project(**{about!r})\n"
        f"import {found.module}\n"
        "from parlour_plugin.component import Tools\n"
    )


if __name__ == "__main__":
    sys.exit(main())
