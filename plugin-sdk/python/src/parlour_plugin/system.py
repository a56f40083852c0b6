"""What the host knows and Python has no name for. The time and random numbers are Python's own: `time`, `datetime`,
`random`, `secrets` and `uuid` work."""

from __future__ import annotations

from . import host


def now_ms() -> int:
    """Milliseconds since 1970-01-01T00:00:00Z. In a test it is the fake host's, which `time.time()` is not."""
    return host.current().now_ms()


def random(length: int) -> bytes:
    """Bytes from the host's generator; at most 4096 a call."""
    return host.current().random(length)


def idempotency_key() -> str | None:
    """The same for every attempt of one node in one run, and for nothing else: send it along to a service that must not do
    a thing twice. None when a tool is tried by hand."""
    return host.current().idempotency_key()
