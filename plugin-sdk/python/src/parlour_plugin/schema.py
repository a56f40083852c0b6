"""Types: the JSON Schema (2020-12) of one, and values read and written by one. mashumaro does the work; this adds the
descriptions, secrets, and errors in the words of whoever called."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from functools import cache
from typing import Any, get_type_hints

from mashumaro.codecs import BasicDecoder, BasicEncoder
from mashumaro.exceptions import InvalidFieldValue, MissingField
from mashumaro.jsonschema import DRAFT_2020_12, build_json_schema
from mashumaro.jsonschema.models import Context, JSONSchema, JSONSchemaInstanceType
from mashumaro.jsonschema.plugins import BasePlugin
from mashumaro.jsonschema.schema import Instance

from .secret import Secret
from .text import Zh, of_docstring

#: Divides a description from members that mashumaro's schema has no place for; `_finished` puts them where they belong.
_MARK = "\0"


class Extra(dict[str, Any]):
    """More members of a schema, in an `Annotated[…]`: `Annotated[str, Extra({"x-widget": "code"})]`."""


class _Notes(BasePlugin):
    """What stands in `Annotated[…]`, the docstrings of dataclasses, and the type `Secret`."""

    def get_schema(self, instance: Instance, ctx: Context, schema: JSONSchema | None = None) -> JSONSchema | None:
        extra: dict[str, Any] = {}
        if instance.type is Secret:
            schema = JSONSchema(type=JSONSchemaInstanceType.STRING)
            extra["secret"] = True
        if schema is None:
            return None
        if dataclasses.is_dataclass(instance.type) and _has_docstring(instance.type):
            schema.description = of_docstring(instance.type.__doc__)
        for note in instance.annotations:
            match note:
                case str():
                    schema.description = of_docstring(note)
                case Zh():
                    extra["x-description"] = {"zh": note.text}
                case Extra():
                    extra.update(note)
        if extra:
            schema.description = f"{schema.description or ''}{_MARK}{json.dumps(extra)}"
        return schema


def _has_docstring(kind: type) -> bool:
    # The one that `dataclass` writes by itself is the signature.
    return bool(kind.__doc__) and not (kind.__doc__ or "").startswith(f"{kind.__name__}(")


def of(kind: Any) -> dict[str, Any]:
    """The schema of a type: flat where it can be, because forms and models' tool calling read flat schemas best."""
    schema = build_json_schema(kind, dialect=DRAFT_2020_12, plugins=[_Notes()])
    return _finished(schema.to_dict())


def of_arguments(kind: Any) -> dict[str, Any]:
    """The schema of an argument object."""
    return {"type": "object", "properties": {}, "additionalProperties": False} | of(kind)


def _finished(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_finished(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: it if key in ("default", "const", "enum") else _finished(it) for key, it in schema.items()}
    # The name of a dataclass is no title for people. A property of that name is no text.
    if isinstance(schema.get("title"), str):
        del schema["title"]
    # To JSON every name is a text.
    if schema.get("propertyNames") == {"type": "string"}:
        del schema["propertyNames"]
    if schema.get("enum") and "type" not in schema and all(isinstance(it, str) for it in schema["enum"]):
        schema = {"type": "string"} | schema
    match schema.get("anyOf"):
        case [{"type": str(kind)} as one, {"type": "null"}] if "const" not in one:
            rest = {key: it for key, it in schema.items() if key != "anyOf"}
            enum = {"enum": [*one["enum"], None]} if "enum" in one else {}
            schema = one | {"type": [kind, "null"]} | enum | rest
    description = schema.get("description")
    if isinstance(description, str):
        text, _, extra = description.partition(_MARK)
        del schema["description"]
        schema = schema | ({"description": text} if text else {}) | (json.loads(extra) if extra else {})
    return schema


def arguments(function: Callable[..., Any]) -> tuple[type, bool]:
    """The type of a function's argument object, and whether that object is its only parameter.

    A single parameter named `input` whose type is a dataclass is the whole object; otherwise each parameter is a member.
    """
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{_named(function)} is asynchronous or a generator; a tool is a plain function")
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{_named(function)}: `{parameter}` has no name that a caller could use")
        if name not in hints:
            raise TypeError(f"{_named(function)}: `{name}` needs a type, because the schema is made of it")
        if parameter.default is parameter.empty:
            fields.append((name, hints[name]))
        elif isinstance(parameter.default, list | dict | set):
            value = parameter.default
            fields.append((name, hints[name], dataclasses.field(default_factory=lambda value=value: type(value)(value))))
        else:
            fields.append((name, hints[name], dataclasses.field(default=parameter.default)))
    if [name for name, *_ in fields] == ["input"] and dataclasses.is_dataclass(hints["input"]):
        return hints["input"], True
    made = dataclasses.make_dataclass(f"{function.__name__}_arguments", fields, kw_only=True)
    return made, False


def result(function: Callable[..., Any]) -> Any:
    """The type that a function returns."""
    hints = get_type_hints(function, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{_named(function)} needs a type after `->`, because the schema of its output is made of it")
    return hints["return"]


def _named(function: Callable[..., Any]) -> str:
    return f"the tool `{function.__name__}`"


class Misfit(ValueError):
    """A value that is not of its type; the text says where."""


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    return BasicDecoder(kind).decode


@cache
def _encoder(kind: Any) -> Callable[[Any], Any]:
    return BasicEncoder(kind).encode


def prepare(kind: Any) -> None:
    """Makes reading and writing of a type ready, so that no call has to; and says now if there is no way."""
    _decoder(kind)
    _encoder(kind)


def read(kind: Any, value: Any) -> Any:
    """JSON's plain values as a type of the author's. Members that the type does not have are left out: a record has more
    fields than one tool reads. (What a tool is given has none, because its schema is closed and the host checks it.)"""
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and not isinstance(value, dict):
        raise Misfit(f"this is {_said(value)}, and an object is needed")
    try:
        return _decoder(kind)(value)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Misfit(_in_words(error)) from error


def write(kind: Any, value: Any) -> Any:
    """A value of a type as JSON's plain values."""
    if kind is Any:
        return value
    try:
        return _encoder(kind)(value)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Misfit(f"it is {_said(value)}, and not of its type: {_in_words(error)}") from error


def _in_words(error: BaseException) -> str:
    path: list[str] = []
    words = ""
    while True:
        match error:
            case InvalidFieldValue():
                path.append(error.field_name)
                words = f"{_said(error.field_value)} does not fit{f', {error.msg}' if error.msg else ''}"
            case MissingField():
                path.append(error.field_name)
                words = "this is missing"
            case _ if str(error):
                words = f"{words}: {error}" if words else str(error)
        inner = error.__cause__ or error.__context__
        if inner is None or not isinstance(error, InvalidFieldValue):
            break
        error = inner
    return f"`{'.'.join(path)}`: {words}" if path else words


def _said(value: Any) -> str:
    """A value by its kind: what it holds may be long, or somebody's own."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"of the type {type(value).__name__}"
