"""The services that a plugin's requests reach in a test: rules that the test gives, behind the checks of the server."""

from __future__ import annotations

import json as _json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from ..errors import ToolError
from ..http import Outgoing, Response, header_of
from ..secret import END, START

#: The server's limits; a plugin's test should meet them as its users would.
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 << 10
MAX_URL_BYTES = 8 << 10
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
#: What another host gets of the headers after a redirect.
SENT_ON = ("accept", "accept-language", "content-type", "range", "user-agent")
SET_BY_THE_SERVER = (
    "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
)  # fmt: skip
MASKED = "[secret]"
#: Shorter ones would be found by chance.
MIN_MASKED_LENGTH = 4
USUAL_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Reply:
    """What a service answers."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    failure: ToolError | None = None
    repeats: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        return cls.bytes("application/json", _json.dumps(value, ensure_ascii=False).encode(), status)

    @classmethod
    def text(cls, text: str, status: int = 200) -> Reply:
        return cls.bytes("text/plain; charset=utf-8", text.encode(), status)

    @classmethod
    def html(cls, text: str, status: int = 200) -> Reply:
        return cls.bytes("text/html; charset=utf-8", text.encode(), status)

    @classmethod
    def bytes(cls, kind: str, body: bytes, status: int = 200) -> Reply:
        """A body with its `Content-Type`."""
        return cls(status, body, (("content-type", kind),))

    @classmethod
    def empty(cls, status: int) -> Reply:
        return cls(status)

    @classmethod
    def redirect(cls, location: str) -> Reply:
        """Sends whoever asks on to another address."""
        return cls(302).header("location", location)

    @classmethod
    def echo(cls) -> Reply:
        """Repeats the request's address, headers and body as text: what a service that echoes a secret does."""
        return cls(repeats=True)

    @classmethod
    def error(cls, failure: ToolError) -> Reply:
        """There is no answer."""
        return cls(failure=failure)

    def header(self, name: str, value: str) -> Reply:
        return replace(self, headers=(*self.headers, (name, value)))


@dataclass(frozen=True)
class Sent:
    """A request as it went out, with its secrets filled in."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return header_of(self.headers, name)

    def query(self, name: str) -> str | None:
        """A value of the address's query, decoded."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True)).get(name)

    def json(self) -> Any:
        return _json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass
class Web:
    """The rules of a test and what was sent to them."""

    #: By method and beginning of the address.
    rules: dict[tuple[str, str], deque[Reply]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def add(self, method: str, prefix: str, reply: Reply) -> None:
        self.rules.setdefault((method, prefix), deque()).append(reply)

    def reply(self, sent: Sent) -> Reply:
        """That of the longest rule that fits. Of several replies each answers once, the last for ever."""
        fitting = [rule for rule in self.rules if rule[0] == sent.method and sent.url.startswith(rule[1])]
        if not fitting:
            raise ToolError.unavailable(f"no rule of this test answers {sent.method} {sent.url}")
        replies = self.rules[max(fitting, key=lambda rule: len(rule[1]))]
        return replies.popleft() if len(replies) > 1 else replies[0]

    def exchange(
        self,
        request: Outgoing,
        may_send: Callable[[str, str], None],
        value_of: Callable[[str], str],
    ) -> Response:
        """Sends a request as the server does: checks, fills secrets in, follows redirects, masks what comes back.

        `may_send(method, host)` refuses what is not granted; `value_of(key)` is the value of a secret setting.
        """
        used: list[str] = []
        sent = _ready(request, may_send, value_of, used)
        for _ in range(MAX_REDIRECTS + 1):
            self.sent.append(sent)
            reply = self.reply(sent)
            if reply.failure is not None:
                raise reply.failure
            location = next((value for name, value in reply.headers if name.lower() == "location"), None)
            if reply.status in REDIRECTS and location is not None:
                sent = _redirected(sent, reply.status, location, may_send, used)
                continue
            body = _echo(sent) if reply.repeats else reply.body
            headers = [(name, masked(value, used)) for name, value in reply.headers]
            return Response(reply.status, masked(sent.url, used), headers, _masked_bytes(body, used))
        raise ToolError.failed(f"`{sent.url}` redirects more than {MAX_REDIRECTS} times")


def host_of(url: str) -> str:
    """Who is asked: in small letters, with the port where that is not the usual one."""
    parts = urlsplit(url)
    if parts.scheme not in USUAL_PORTS or not parts.hostname or "@" in parts.netloc or " " in parts.netloc:
        raise ToolError.invalid_input(f"`{url}` begins with neither `https://` nor `http://`, or has a user in it")
    usual = parts.port in (None, USUAL_PORTS[parts.scheme])
    return parts.hostname if usual else f"{parts.hostname}:{parts.port}"


def fits(pattern: str, host: str, setting: Callable[[str], Any]) -> bool:
    """Whether a permission's host is this one."""
    if pattern.startswith("config:"):
        address = setting(pattern.removeprefix("config:"))
        return isinstance(address, str) and host_of(address) == host
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in ("*", host)


def _ready(
    request: Outgoing, may_send: Callable[[str, str], None], value_of: Callable[[str], str], used: list[str]
) -> Sent:
    if len(request.url.encode()) > MAX_URL_BYTES:
        raise ToolError.invalid_input(f"the address has {len(request.url.encode())} bytes; at most {MAX_URL_BYTES} are sent")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in request.headers)
    if len(request.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise ToolError.invalid_input(f"a request has at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together")
    place, mark, query = request.url.partition("?")
    if START in place:
        raise ToolError.invalid_input("a secret may stand in the query of an address or in the value of a header only")
    may_send(request.method, host_of(place))
    url = place + mark + _filled(query, value_of, used, lambda value: quote(value, safe=""))
    headers = []
    for name, value in request.headers:
        if name.lower() in SET_BY_THE_SERVER:
            raise ToolError.invalid_input(f"the header `{name}` is set by the server")
        headers.append((name, _filled(value, value_of, used, str)))
    return Sent(request.method, url, headers, request.body or b"")


def _filled(text: str, value_of: Callable[[str], str], used: list[str], escaped: Callable[[str], str]) -> str:
    """The text with its placeholders replaced; `escaped` writes a value as its place wants it."""
    filled, rest = "", text
    while START in rest:
        before, _, after = rest.partition(START)
        key, end, after = after.partition(END)
        if not end:
            break
        value = value_of(key)
        used.append(value)
        filled, rest = filled + before + escaped(value), after
    return filled + rest


def _redirected(
    sent: Sent, status: int, location: str, may_send: Callable[[str, str], None], used: list[str]
) -> Sent:
    url = urljoin(sent.url, location)
    method, body, headers = sent.method, sent.body, sent.headers
    if status <= 303 and method != "HEAD":
        method, body = "GET", b""
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
    may_send(method, host_of(url))
    if (urlsplit(url).scheme, host_of(url)) != (urlsplit(sent.url).scheme, host_of(sent.url)):
        headers = [(name, value) for name, value in headers if name.lower() in SENT_ON and masked(value, used) == value]
    return Sent(method, url, headers, body)


def _echo(sent: Sent) -> bytes:
    headers = "".join(f"{name}: {value}\n" for name, value in sent.headers)
    return f"{sent.method} {sent.url}\n{headers}\n{sent.text}".encode()


def forms(value: str) -> list[str]:
    """A secret as the other side may repeat it: plain, in an address, in small letters."""
    return [value, quote(value, safe=""), value.lower()]


def masked(text: str, used: list[str]) -> str:
    found = [form for value in used if len(value) >= MIN_MASKED_LENGTH for form in forms(value)]
    for form in sorted(found, key=len, reverse=True):
        text = text.replace(form, MASKED)
    return text


def _masked_bytes(body: bytes, used: list[str]) -> bytes:
    try:
        return masked(body.decode(), used).encode()
    except UnicodeDecodeError:
        # Its places cannot be told from the bytes around them.
        long = [value for value in used if len(value) >= MIN_MASKED_LENGTH]
        return MASKED.encode() if any(form.encode() in body for value in long for form in forms(value)) else body
