"""One call of a tool, from JSON text to JSON text; and what went wrong in it, in words with its place."""

from __future__ import annotations

import json
import traceback
from types import TracebackType

from . import host, schema, values
from .declaration import Declared
from .errors import ToolError

#: Where the author's code ends and this package's begins, in a traceback.
_PACKAGE = __name__.rpartition(".")[0]


def invoke(declared: Declared, tool: str, given: str) -> str:
    """Runs a tool. Every failure is a `ToolError`: one that left a component as anything else would be a trap, without words."""
    try:
        return _run(declared, tool, given)
    except ToolError:
        raise
    # `SystemExit` and `KeyboardInterrupt` as well: nothing here ends but the call.
    except BaseException as error:
        log_traceback(error)
        raise ToolError.failed(in_words(error)) from error


def _run(declared: Declared, tool: str, given: str) -> str:
    known = declared.tools.get(tool)
    if known is None:
        raise ToolError.not_found(f"there is no tool `{tool}`; this plugin has: {', '.join(declared.tools)}")
    try:
        arguments = json.loads(given)
    except ValueError as error:
        raise ToolError.invalid_input(f"the input is no JSON: {error}") from error
    try:
        read = schema.read(known.arguments, arguments)
    except schema.Misfit as misfit:
        raise ToolError.invalid_input(str(misfit)) from misfit
    output = known.run(read)
    try:
        return values.to_json(schema.write(known.output, output), f"what `{tool}` returned")
    except schema.Misfit as misfit:
        raise ToolError.failed(f"what `{tool}` returned does not fit: {misfit}") from misfit
    except values.NotJson as problem:
        raise ToolError.failed(str(problem)) from problem


def in_words(error: BaseException) -> str:
    """An exception as one says it: `ValueError: no price (menu.py, line 12)`. Never raises itself, whatever it is given."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 (an author's own `__str__` may do anything)
        message = "its text cannot be shown"
    words = f"{type(error).__name__}: {message}" if message else type(error).__name__
    place = _place(error.__traceback__)
    return f"{words} ({place})" if place else words


def _place(trace: TracebackType | None) -> str:
    """The last place in the author's own code: a library's inside says nothing to him."""
    place = ""
    for frame, line in traceback.walk_tb(trace):
        name = frame.f_globals.get("__name__", "")
        file = frame.f_code.co_filename
        is_ours = name == _PACKAGE or name.startswith(f"{_PACKAGE}.")
        if not is_ours and not file.startswith(("<", "/python/", "/bundled/")) and "site-packages" not in file:
            place = f"{file.rpartition('/')[2]}, line {line}"
    return place


def log_traceback(error: BaseException) -> None:
    """The whole way there, for whoever reads the log."""
    try:
        lines = "".join(traceback.format_exception(error)).splitlines()
    except Exception:  # noqa: BLE001 (as above)
        lines = [in_words(error)]
    for line in lines:
        host.current().log("error", line.encode("utf-8", "replace").decode())
