"""Values that outlive the call: one store per tenant and plugin. Needs the permission `ask.storage(max_bytes=…)` and the
tenant's grant.

    visits = storage.update("visits", int, lambda seen: (seen or 0) + 1)
    storage.set("session", token, ttl_s=3600)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import host, schema, values
from .errors import ToolError

#: Most keys on one page of `keys`.
MAX_PAGE = 1000
#: Each lost race means that another call has won one, so a few tries are plenty.
TRIES = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    value: T
    #: 1, 2, 3, …: counts the values that this key has had.
    version: int
    #: Milliseconds since 1970; none for a value that stays.
    expires_at: int | None


@dataclass(frozen=True)
class Page:
    keys: list[str]
    #: Pass it to the next `keys`; none on the last page.
    next_cursor: str | None


def get(key: str) -> Entry[str] | None:
    """The value of a key; none when there is none, or no longer."""
    return host.current().stored(key)


def set(key: str, value: str, *, ttl_s: int | None = None, expected: int | None = None) -> int:
    """Stores a text and answers its version. Keys have 1 to 200 bytes.

    `ttl_s` is the seconds until it is gone. With `expected` it is stored only if the present version is that one (0: there
    is none), and is `invalid_input` otherwise.
    """
    return host.current().store(key, value, ttl_s, expected)


def get_json(key: str, kind: type[T] = Any) -> Entry[T] | None:  # type: ignore[assignment]
    """The value of a key as a type of yours; the error names the member that does not fit."""
    entry = get(key)
    if entry is None:
        return None
    try:
        value = schema.read(kind, json.loads(entry.value))
    except ValueError as error:
        raise ToolError.failed(f"the stored value `{key}` does not fit: {error}") from error
    return Entry(value, entry.version, entry.expires_at)


def set_json(
    key: str, value: Any, kind: Any = None, *, ttl_s: int | None = None, expected: int | None = None
) -> int:
    """Stores a value of a type, by default of its own, as JSON."""
    plain = schema.write(kind or _type_of(value), value)
    return set(key, values.to_json(plain, f"the value of `{key}`"), ttl_s=ttl_s, expected=expected)


def _type_of(value: Any) -> Any:
    """JSON's own values need no type; `Any` passes them on, and says of anything else what to write."""
    return Any if isinstance(value, None | bool | int | float | str | list | tuple | dict) else type(value)


def update(key: str, kind: type[T], change: Callable[[T | None], T]) -> T:
    """Changes a value so that no other call's change is lost: reads it, makes the new one, and stores that only if nobody
    was faster; else it begins again. Answers the new value, which stays for ever."""
    for _ in range(TRIES):
        present = get_json(key, kind)
        value = change(None if present is None else present.value)
        try:
            set_json(key, value, kind, expected=0 if present is None else present.version)
        except ToolError as error:
            # The kind says that the version was another one; a key that cannot be has failed in `get` already.
            if error.kind != "invalid_input":
                raise
        else:
            return value
    raise ToolError.unavailable(f"`{key}` was changed by others {TRIES} times meanwhile")


def delete(key: str) -> bool:
    """False when there was none."""
    return host.current().delete_stored(key)


def keys(prefix: str = "", *, cursor: str | None = None, limit: int = MAX_PAGE) -> Page:
    """Keys that begin so, sorted, one page."""
    return host.current().stored_keys(prefix, cursor, limit)
