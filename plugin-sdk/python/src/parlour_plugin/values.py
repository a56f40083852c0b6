"""Values as JSON, strictly: a value that JSON has no word for is an error with its path, where Python's own `json` would
write something that is no JSON (`NaN`), change it in silence (a number as a key) or say only its type."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import types
import uuid
from collections.abc import Iterable, Mapping, Set
from typing import Any

#: The host reads JSON of 128 levels, and a wrapper or two around this is its own.
MOST_LEVELS = 120
#: Levels that the quick look goes into; what contains itself has more.
MOST_PLAIN_LEVELS = 64
#: What the host's numbers hold; a larger one would become another number on its way.
SMALLEST_INT, LARGEST_INT = -(2**63), 2**64 - 1


class NotJson(ValueError):
    """A value that JSON cannot hold; the text says where it is and what to write instead."""


class Checked:
    """A value that `check` has let pass, inside another one: it is not looked at again."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


# Taken here, because a tool's own code may replace what it finds.
_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    separators=(",", ":"),
    default=lambda checked: checked.value,
).encode


def to_json(value: Any, what: str = "the value") -> str:
    """JSON text of a value. `what` names the value itself in an error, as `total[1].price` names what is inside it."""
    check(value, what)
    text = _encode(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotJson(f"{what} has a text with half of a surrogate pair, which JSON cannot hold") from None
    return text


def check(value: Any, what: str = "the value") -> Checked:
    """The value, for one that JSON can hold; `NotJson` for another."""
    if not _is_plain(value, 0):
        _find_problem(value, what)
    return Checked(value)


def _is_plain(value: Any, level: int) -> bool:
    """Whether a quick look finds nothing that JSON could lose or refuse, as it nearly always does; `_find_problem` has the words."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return SMALLEST_INT <= value <= LARGEST_INT
    if kind is float:
        # Neither infinite nor NaN.
        return value - value == 0.0
    if kind is Checked:
        return True
    if level == MOST_PLAIN_LEVELS:
        return False
    if kind is dict:
        for key, member in value.items():
            if type(key) is not str or not (type(member) is str or _is_plain(member, level + 1)):
                return False
        return True
    if kind is list or kind is tuple:
        for member in value:
            if not (type(member) is str or _is_plain(member, level + 1)):
                return False
        return True
    return False


def _find_problem(outermost: Any, what: str) -> None:
    """Walks without recursion: what is too deep must be an error and not the end of the stack."""
    inside: set[int] = set()
    path: list[str] = []

    def place() -> str:
        return f"`{''.join(path).removeprefix('.')}`" if path else what

    def members(value: Any) -> Iterable[tuple[str, Any]]:
        if isinstance(value, dict):
            for key, member in value.items():
                if not isinstance(key, str):
                    raise NotJson(f"{place()} has the key {key!r}, and JSON's keys are texts; write `str(…)` of it")
                yield f".{key}", member
        else:
            for index, member in enumerate(value):
                yield f"[{index}]", member

    if _is_leaf(outermost, place):
        return
    inside.add(id(outermost))
    walks = [(outermost, iter(members(outermost)))]
    while walks:
        holder, rest = walks[-1]
        for step, value in rest:
            path.append(step)
            if not _is_leaf(value, place):
                if id(value) in inside:
                    raise NotJson(f"{place()} contains itself, which JSON cannot hold")
                if len(walks) >= MOST_LEVELS:
                    raise NotJson(f"{what} has more than {MOST_LEVELS} levels")
                inside.add(id(value))
                walks.append((value, iter(members(value))))
                break
            path.pop()
        else:
            walks.pop()
            inside.discard(id(holder))
            if path:
                path.pop()


def _is_leaf(value: Any, place: Any) -> bool:
    """False for a list or a dict, whose members come next; raises for what JSON cannot hold."""
    match value:
        case None | bool() | str() | Checked():
            return True
        case int():
            if SMALLEST_INT <= value <= LARGEST_INT:
                return True
            raise NotJson(f"{place()} is a whole number of more than 64 bits, which would lose digits; write `str(…)` of it")
        case float():
            if value - value == 0.0:
                return True
            raise NotJson(f"{place()} is {value}, which JSON cannot hold")
        case list() | tuple() | dict():
            return False
    raise NotJson(f"{place()} is {_named(type(value))}, which JSON cannot hold{_instead(value)}")


def _instead(value: Any) -> str:
    match value:
        case type() | types.FunctionType() | types.BuiltinFunctionType() | types.MethodType() | types.ModuleType():
            return ""
        case types.CoroutineType():
            return "; a tool is no async function"
        case enum.Enum():
            advice = "write `.value` of it"
        case datetime.datetime() | datetime.date() | datetime.time():
            advice = "write `.isoformat()` of it"
        case datetime.timedelta():
            advice = "write `.total_seconds()` of it"
        case decimal.Decimal() | fractions.Fraction():
            advice = "write `float(…)`, or `str(…)` to keep every digit"
        case bytes() | bytearray() | memoryview():
            advice = "write `.decode()`, or `base64.b64encode(…).decode()`"
        case BaseException() | uuid.UUID():
            advice = "write `str(…)` of it"
        case Set():
            advice = "write `sorted(…)` or `list(…)` of it"
        case Mapping():
            advice = "write `dict(…)` of it"
        case complex():
            advice = "write `[it.real, it.imag]`"
        case _ if dataclasses.is_dataclass(value):
            advice = "write `dataclasses.asdict(…)` of it"
        case Iterable():
            advice = "write `list(…)` of it"
        case _ if hasattr(value, "__dict__"):
            advice = "write a dict of its parts"
        case _:
            return ""
    return f"; {advice}"


def _named(kind: type) -> str:
    name = kind.__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
