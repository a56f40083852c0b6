"""The user's source as a function, and what went wrong in it, in words with its place."""

from __future__ import annotations

import ast
import linecache
import traceback
from collections import deque
from types import TracebackType
from typing import Any

from parlour_plugin import ToolError, log

#: What Python calls the user's source in tracebacks; no file has such a name.
FILE = "<code>"
FUNCTION = "main"


#: Of a deep recursion the last calls say all.
MOST_FRAMES = 8


class SourceError(Exception):
    """The source is no Python; it is the same with any input."""


class Source:
    """The body of a function that gets `inputs`."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines(keepends=True)
        try:
            # A `return` that stands alone is refused by `compile` and not by `parse`. So the source is read as it is, and put
            # into a function afterwards: every line and column stays the author's own.
            body = ast.parse(text, FILE).body
            function = ast.parse(f"def {FUNCTION}(inputs): pass", FILE).body[0]
            function.body = body or function.body  # type: ignore[attr-defined]
            self._code = compile(ast.Module([function], []), FILE, "exec")
        except SyntaxError as error:
            place = f" (line {error.lineno}, column {error.offset})" if error.lineno and error.offset else ""
            raise SourceError(f"{type(error).__name__}: {error.msg}{place}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise SourceError(f"{type(error).__name__}: {error}") from None

    def run(self, inputs: dict[str, Any]) -> Any:
        # With this a traceback shows the lines that it is about.
        linecache.cache[FILE] = (len(self._lines), None, self._lines, FILE)
        surroundings: dict[str, Any] = {"__name__": "__main__"}
        exec(self._code, surroundings)  # noqa: S102 (what this plugin is for)
        try:
            return surroundings[FUNCTION](inputs)
        # `SystemExit` and `KeyboardInterrupt` as well: nothing here ends but the call.
        except BaseException as error:  # noqa: BLE001
            self._tell(error)
            raise ToolError.failed(self._in_words(error)) from None

    def _in_words(self, error: BaseException) -> str:
        """What was raised, as a person would say it. Never raises itself, whatever it is given."""
        name = type(error).__name__
        try:
            message = str(error)
        except Exception:  # noqa: BLE001
            message = "its text cannot be shown"
        if isinstance(error, SystemExit):
            name, message = "SystemExit", "the code ends with `return`, there is no program to leave"
        if isinstance(error, MemoryError):
            message = message or "the code needs more memory than it may have"
        return f"{f'{name}: {message}' if message else name}{self._place(error)}"

    def _place(self, error: BaseException) -> str:
        """Where in the source it came from: the innermost place of the user's own."""
        frames = _frames(error)
        if not frames or frames[-1].lineno is None:
            return ""
        line, start = frames[-1].lineno, frames[-1].colno
        if start is None or line > len(self._lines):
            return f" (line {line})"
        # Python counts bytes, people count characters.
        column = len(self._lines[line - 1].encode()[:start].decode("utf-8", "ignore")) + 1
        return f" (line {line}, column {column})"

    def _tell(self, error: BaseException) -> None:
        """The way there goes to the log, where there is one: calls of the user's own functions, with their lines."""
        frames = _frames(error)
        if len(frames) < 2:  # noqa: PLR2004
            return
        for line in "".join(traceback.StackSummary.from_list(frames).format()).splitlines():
            log.error(line)


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The last frames of the user's own. Only these are looked at closely, which takes a third of a millisecond each."""
    steps: deque[TracebackType] = deque(maxlen=MOST_FRAMES)
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == FILE:
            steps.append(step)
        step = step.tb_next
    return [frame for step in steps for frame in traceback.extract_tb(step, limit=1)]
