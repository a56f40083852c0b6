"""Lines in the node's log, which the author of a workflow sees in the trace of a run. Never write secrets.

The host keeps 8 KiB a line and 256 lines a call; it drops the rest and counts it. `print` and Python's own `logging` write
there, too.
"""

from __future__ import annotations

from . import host
from .host import Level


def write(level: Level, message: object) -> None:
    host.current().log(level, str(message))


def debug(message: object) -> None:
    write("debug", message)


def info(message: object) -> None:
    write("info", message)


def warn(message: object) -> None:
    write("warn", message)


def error(message: object) -> None:
    write("error", message)
