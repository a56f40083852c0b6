"""The tenant's settings for this plugin, as declared by `plugin(config=…)`."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

from . import host, schema
from .errors import ToolError
from .secret import Secret

T = TypeVar("T")


def get(key: str) -> Any:
    """One setting by its key; none when the tenant has not set it. A secret one is a placeholder: use `secret`."""
    text = host.current().config(key)
    return None if text is None else json.loads(text)


def secret(key: str) -> Secret:
    """A secret setting, to be used in a request; `failed` names it when the tenant has not filled it in."""
    value = get(key)
    if value is None:
        raise ToolError.failed(f"the setting `{key}` is not filled in")
    return _fitting(Secret, value)


def read(kind: type[T]) -> T:
    """All settings as the dataclass that `plugin(config=…)` was given. A missing required one is an error that names it."""
    found = {field.name: get(field.name) for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return _fitting(kind, {name: value for name, value in found.items() if value is not None})


def _fitting(kind: Any, value: Any) -> Any:
    try:
        return schema.read(kind, value)
    except schema.Misfit as misfit:
        raise ToolError.failed(f"the plugin's settings do not fit: {misfit}") from misfit
