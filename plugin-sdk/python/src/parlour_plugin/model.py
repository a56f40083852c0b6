"""The tenant's language models. Needs the permission `ask.model("…", max_tokens=…)` and the tenant's grant.

    summary = model.complete("fast", system="Summarise in one sentence.", user=text, max_tokens=200).text
    topic = model.complete_as(Topic, "fast", user=text)
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from . import host, schema
from .errors import ToolError

T = TypeVar("T")


@dataclass(frozen=True)
class Message:
    author: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """A question as it crosses to the host."""

    role: str
    messages: list[Message]
    max_tokens: int | None
    temperature: float | None
    #: JSON Schema of the answer; none for plain text.
    schema: dict[str, Any] | None


@dataclass(frozen=True)
class Completion:
    #: With a schema: JSON that fits it.
    text: str
    #: The model's own name.
    model: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Embeddings:
    #: One a text, in their order, all of one length.
    vectors: list[list[float]]
    #: The model's own name; vectors of different models cannot be compared.
    model: str
    #: As the provider counts them; 0 for the model in the server's own process.
    input_tokens: int


def complete(
    role: str = "default",
    *,
    system: str | None = None,
    user: str | None = None,
    messages: Sequence[Message] = (),
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> Completion:
    """The answer as text. `role` is what the model is for, as the tenant names its models.

    `messages` stand between `system` and `user`; all together are at most 100 and 1 MiB. `denied` when the role is not
    granted, `failed` when the call's tokens are used up, and whatever the model's provider says.
    """
    return host.current().complete(_request(role, system, user, messages, max_tokens, temperature))


def complete_as(
    kind: type[T],
    role: str = "default",
    *,
    system: str | None = None,
    user: str | None = None,
    messages: Sequence[Message] = (),
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> T:
    """The answer as a type of yours, whose schema the model is given: it reads the descriptions of the fields."""
    request = _request(role, system, user, messages, max_tokens, temperature)
    answer = host.current().complete(replace(request, schema=schema.of(kind)))
    try:
        return schema.read(kind, json.loads(answer.text))
    except ValueError as error:
        raise ToolError.failed(f"the answer of the model `{answer.model}` does not fit: {error}") from error


def _request(
    role: str,
    system: str | None,
    user: str | None,
    messages: Sequence[Message],
    max_tokens: int | None,
    temperature: float | None,
) -> Request:
    before = [] if system is None else [Message("system", system)]
    after = [] if user is None else [Message("user", user)]
    return Request(role, [*before, *messages, *after], max_tokens, temperature, None)


def embed(texts: Sequence[str], *, purpose: Literal["query", "passage"] = "passage") -> Embeddings:
    """Texts as vectors, by the model with the role `embedding`: 1 to 100 texts of at most 8 KiB each. Some models tell what is
    asked (`query`) from what is looked through."""
    return host.current().embed(list(texts), purpose)


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """How alike two vectors are: 1 for the same direction, 0 for nothing in common. Of different lengths, or without a
    direction, it is 0."""
    if len(one) != len(other):
        return 0.0
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths > 0 else 0.0
