"""Requests to other services. Needs the permission `ask.http("…")` and the tenant's grant.

    found = http.get(
        "https://api.example.com/v1/search", query={"q": text}, headers={"Authorization": key.after("Bearer ")}
    ).raise_for_status().json(Found)
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from . import host, schema, values
from .errors import ToolError
from .secret import START, Value, split

#: As much of an answer's own words as an error repeats.
QUOTED_CHARACTERS = 300

T = TypeVar("T")


@dataclass(frozen=True)
class Outgoing:
    """A request as it crosses to the host: secrets are placeholders."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | None
    timeout_ms: int | None


def header_of(headers: list[tuple[str, str]], name: str) -> str | None:
    """The first header of this name, without regard to case."""
    return next((value for present, value in headers if present.lower() == name.lower()), None)


@dataclass(frozen=True)
class Response:
    """What came back. Any status is an answer; `raise_for_status` makes an error of the bad ones."""

    status: int
    #: The last address, after redirects.
    url: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name, without regard to case."""
        return header_of(self.headers, name)

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not becomes `U+FFFD`."""
        return self.body.decode("utf-8", "replace")

    def json(self, kind: type[T] = Any) -> T:  # type: ignore[assignment]
        """The body as a type of yours; the error names the member that does not fit."""
        try:
            return schema.read(kind, _json.loads(self.body))
        except ValueError as error:
            raise ToolError.failed(f"the answer of {self._place} does not fit: {error}") from error

    def raise_for_status(self) -> Response:
        """Passes 2xx on. Otherwise: 404 is `not_found`, 401 and 403 are `denied`, 408 and 429 are `rate_limited` for as
        many seconds as `Retry-After` says, 5xx is `unavailable`, and anything else `failed`."""
        if 200 <= self.status < 300:
            return self
        said = self._said()
        message = f"{self._place} answered {self.status}{f': {said}' if said else ''}"
        match self.status:
            case 404:
                raise ToolError.not_found(message)
            case 401 | 403:
                raise ToolError.denied(message)
            case 408 | 429:
                raise ToolError.rate_limited(self._retry_after())
            case status if 500 <= status < 600:
                raise ToolError.unavailable(message)
            case _:
                raise ToolError.failed(message)

    def _retry_after(self) -> int | None:
        """The seconds of `Retry-After`. A date there is not read: the engine has a pause of its own."""
        text = (self.header("Retry-After") or "").strip()
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def _place(self) -> str:
        """The address without its query, which may say what a visitor asked."""
        return f"`{self.url.partition('?')[0].partition('#')[0]}`"

    def _said(self) -> str:
        """The beginning of what the other side said, on one line. A page would say nothing to anybody."""
        kind = (self.header("Content-Type") or "").lower()
        if "html" in kind or not (kind == "" or "json" in kind or kind.startswith("text/")):
            return ""
        line = " ".join(self.text.split())
        return line if len(line) <= QUOTED_CHARACTERS else f"{line[:QUOTED_CHARACTERS]}…"


def request(
    method: str,
    url: str,
    *,
    query: Mapping[str, Value] | None = None,
    headers: Mapping[str, Value] | None = None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    timeout: float | None = None,
) -> Response:
    """Sends a request and waits for its answer.

    `url` may have a query of its own; `query` adds to it and is encoded here. `json` and `form` set the `Content-Type`;
    that of `body` is yours to set. `timeout` is seconds for everything together, redirects and the whole answer: 30 unless
    said otherwise, and never more than is left of the call's own time.

    `denied` when the host or the method is not granted, `unavailable` when there was no answer, `invalid_input` when the
    request cannot be sent at all, `failed` when a secret is not filled in or the call's budget is used up.
    """
    if START in url:
        raise ToolError.invalid_input("the address has a secret's placeholder in it; give secrets to `query` or `headers`")
    if sum(it is not None for it in (json, form, body)) > 1:
        raise TypeError("a request has one of `json`, `form` and `body`")
    sent: dict[str, tuple[str, str]] = {}
    if json is not None:
        body = values.to_json(json, "the body")
        sent["content-type"] = ("Content-Type", "application/json")
    elif form is not None:
        body = urlencode(form)
        sent["content-type"] = ("Content-Type", "application/x-www-form-urlencoded")
    for name, value in (headers or {}).items():
        text, placeholder = split(value)
        if START in text:
            raise ToolError.invalid_input(f"the header `{name}` has a secret's placeholder in its text")
        sent[name.lower()] = (name, text + placeholder)
    outgoing = Outgoing(
        method.upper(),
        _address(url, query or {}),
        list(sent.values()),
        body.encode() if isinstance(body, str) else body,
        None if timeout is None else max(1, round(timeout * 1000)),
    )
    return host.current().send(outgoing)


def _address(url: str, query: Mapping[str, Value]) -> str:
    # A fragment never leaves a browser either, and a query after it would be part of it.
    url = url.partition("#")[0]
    parts = []
    for name, value in query.items():
        text, placeholder = split(value)
        # Braces are encoded, so a text can never look like a placeholder.
        parts.append(f"{quote(name, safe='')}={quote(text, safe='')}{placeholder}")
    if not parts:
        return url
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(parts)}"


def get(url: str, **options: Any) -> Response:
    """`GET`, with the options of `request`."""
    return request("GET", url, **options)


def head(url: str, **options: Any) -> Response:
    """`HEAD`, with the options of `request`."""
    return request("HEAD", url, **options)


def post(url: str, **options: Any) -> Response:
    """`POST`, with the options of `request`."""
    return request("POST", url, **options)


def put(url: str, **options: Any) -> Response:
    """`PUT`, with the options of `request`."""
    return request("PUT", url, **options)


def patch(url: str, **options: Any) -> Response:
    """`PATCH`, with the options of `request`."""
    return request("PATCH", url, **options)


def delete(url: str, **options: Any) -> Response:
    """`DELETE`, with the options of `request`."""
    return request("DELETE", url, **options)
