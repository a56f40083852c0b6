"""A secret of the plugin's settings. The plugin holds only its place: the server puts the value in when a request goes out,
and takes it out of whatever comes back, so that no plugin can lose what it never had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from mashumaro.types import SerializableType

START = "{{secret:"
END = "}}"


class Secret(SerializableType):
    """The place of a secret setting, for the value of a header or of an address's query.

    As a field of the settings' type it says by itself that the setting is secret: `api_key: Secret`, or `Secret | None` for
    one that may be left out. It is no text, so that it cannot get into one by accident.
    """

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def after(self, text: str) -> Part:
        """The secret with a text before it, such as `Bearer `."""
        return Part(text, self)

    @property
    def placeholder(self) -> str:
        """What stands for the secret in what the plugin sees."""
        return f"{START}{self._key}{END}"

    def __repr__(self) -> str:
        return f"Secret({self._key!r})"

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError(
            f"the secret `{self._key}` cannot stand in a text; give it to `headers` or `query`, "
            "or write `secret.after('Bearer ')`"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def _serialize(self) -> NoReturn:
        raise TypeError(f"the secret `{self._key}` cannot be written out")

    @classmethod
    def _deserialize(cls, value: str) -> Secret:
        if isinstance(value, str) and value.startswith(START) and value.endswith(END):
            return cls(value[len(START) : -len(END)])
        # The text itself stays out of the message: it may be the secret.
        raise ValueError("this is no placeholder of a secret; the setting is not marked as one")


@dataclass(frozen=True)
class Part:
    """A secret with a text before it.

    Texts and secrets are told apart, so that a text which only looks like a placeholder, because a visitor wrote it, is
    never filled in.
    """

    text: str
    secret: Secret


#: What a header or a member of an address's query may be.
Value = str | int | float | bool | Secret | Part


def split(value: Value) -> tuple[str, str]:
    """A value as its text and the placeholder after it, if any."""
    match value:
        case Secret():
            return "", value.placeholder
        case Part():
            return value.text, value.secret.placeholder
        case bool():
            return ("true" if value else "false"), ""
        case str() | int() | float():
            return str(value), ""
        case _:
            raise TypeError(f"a header or a query holds texts, numbers and secrets, not {type(value).__name__}")
