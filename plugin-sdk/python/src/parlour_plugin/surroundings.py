"""What Python takes for granted and a component has not: lines of `print` and `logging` become lines of the node's log, time
zones are kept in memory, and `random` begins anew in every call. The interpreter is started when the plugin is built and each
call goes on from there, so what was random then would be the same in every call."""

from __future__ import annotations

import codecs
import gc
import importlib
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import NoReturn

from . import host
from .host import Level

#: The host keeps no longer lines; cutting them here spares the copying.
LONGEST_LINE = 8192
#: As many bytes as the generator behind `random` takes to be seeded well.
SEED_BYTES = 32


#: What the standard library imports by itself when it is used for the first time, and encodings that texts come in.
INWARD = ("_strptime", "_colorize", "zoneinfo", "stringprep")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "ascii", "gbk", "gb18030", "big5", "shift_jis", "idna", "punycode")


#: Bytes of the blocks in which free memory is looked for; and how many at most, because not every allocator gives the lowest
#: address first.
LARGEST_BLANK, SMALLEST_BLANK, MOST_BLANKS = 1 << 20, 16, 100_000


class LogLines(io.TextIOBase):
    """A stream whose lines are lines of the log. Each goes out when it is whole, so that a call which is ended before its time
    leaves what it said."""

    def __init__(self, level: Level) -> None:
        super().__init__()
        self._level = level
        self._begun: list[str] = []

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        first, *others = text.split("\n")
        self._begun.append(first)
        for line in others:
            self._end()
            self._begun.append(line)
        return len(text)

    def flush(self) -> None:
        """Half a line stays until it is whole: `print("a", end="", flush=True)` is no line yet."""

    def end(self) -> None:
        """The call is over: what is left is a line."""
        if any(self._begun):
            self._end()

    def _end(self) -> None:
        line = "".join(self._begun)[:LONGEST_LINE]
        self._begun.clear()
        # Half of a surrogate pair is no text to the host.
        host.current().log(self._level, line.encode("utf-8", "replace").decode())


class LogHandler(logging.Handler):
    """Python's `logging` by its levels."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            levels: list[tuple[int, Level]] = [(logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")]
            level = next((it for least, it in levels if record.levelno >= least), "debug")
            for line in self.format(record).splitlines() or [""]:
                host.current().log(level, line[:LONGEST_LINE].encode("utf-8", "replace").decode())
        except Exception:  # noqa: BLE001 (as every handler of `logging`: a broken record must not end who logs it)
            self.handleError(record)


def install() -> None:
    """Once, when the plugin is built."""
    root = logging.getLogger()
    root.addHandler(LogHandler())
    root.setLevel(logging.DEBUG)
    logging.lastResort = None
    # There is no source to show the line of.
    warnings.formatwarning = lambda message, kind, file, line, text=None: f"{kind.__name__}: {message} (line {line})\n"  # type: ignore[assignment]
    for module in INWARD:
        # Not every version of Python has all of them.
        if importlib.util.find_spec(module):
            importlib.import_module(module)
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    keep_time_zones()


_nothing, _out, _err = io.StringIO(), LogLines("info"), LogLines("warn")


def begin() -> None:
    """Before a call."""
    # Not when the plugin is built: what goes wrong then belongs on the terminal of whoever builds, and there are files to import.
    sys.stdin, sys.stdout, sys.stderr = _nothing, _out, _err
    sys.meta_path[:] = [*(it for it in sys.meta_path if it is not PathFinder), Absent()]
    generator = sys.modules.get("random")
    if generator is not None:
        generator.seed(host.current().random(SEED_BYTES))


def end() -> None:
    """After a call, whatever came of it."""
    _out.end()
    _err.end()


def keep_time_zones() -> None:
    """Keeps the package `tzdata` in memory, if it is there: `zoneinfo` would look for its files, and a component has none."""
    if importlib.util.find_spec("tzdata") is None:
        return
    import zoneinfo
    from importlib.resources import files
    from zoneinfo import _common  # type: ignore[attr-defined]

    package = files("tzdata")
    names = (package / "zones").read_text("utf-8").split()
    data = {name: package.joinpath("zoneinfo", *name.split("/")).read_bytes() for name in names}

    def load_tzdata(key: str) -> io.BytesIO:
        if key not in data:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(data[key])

    _common.load_tzdata = load_tzdata
    zoneinfo.available_timezones = lambda: set(data)


def settle() -> None:
    """Last of all when the plugin is built: what is in memory now is what every call begins with."""
    # A collection would look at all that was made so far, and memory that is looked at is memory that every call copies.
    gc.collect()
    gc.freeze()
    # What was there before, such as the sources of all that was imported, would be in the component, for nothing.
    highest = id(bytes(LARGEST_BLANK))
    blanked: list[bytes] = []
    size = LARGEST_BLANK
    while size >= SMALLEST_BLANK and len(blanked) < MOST_BLANKS:
        block = bytes(size)
        if id(block) < highest:
            blanked.append(block)
        else:
            # There is no free block of this size left: this one is new memory.
            size //= 2


class Absent(MetaPathFinder):
    """Asked for a module that nothing has."""

    words: Callable[[str], str] = staticmethod(
        lambda name: f"there is no module `{name}` in this plugin; a module that is imported inside a function has to be "
        "imported at the top of one as well, because only what is imported when the plugin is built is there"
    )

    def find_spec(self, name: str, path: object = None, target: object = None) -> NoReturn:
        raise ModuleNotFoundError(self.words(name), name=name)


def explain_absent(words: Callable[[str], str]) -> None:
    """Says in other words that a module is not there."""
    Absent.words = staticmethod(words)
