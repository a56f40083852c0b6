"""What a plugin asks the tenant to grant, each with the reason that an admin reads: `plugin(permissions=[ask.http(…)])`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .text import Text, both

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Permission:
    kind: Literal["knowledge", "http", "model", "storage"]
    #: As the manifest writes it (`manifest.schema.json`).
    wanted: dict[str, Any]


def knowledge(name: str, *, reason: Text) -> Permission:
    """Reading a knowledge base; `*` means whichever the caller names."""
    return Permission("knowledge", {"name": name, "reason": both(reason, f"the permission `knowledge: {name}`")})


def http(host: str, *methods: str, reason: Text) -> Permission:
    """Requests to a host: `api.example.com`, `*.example.com` for every host below it, `*` for any, `config:KEY` for that of
    the address in a setting. `GET` and `HEAD` unless said otherwise."""
    wrong = [method for method in methods if method not in METHODS]
    if wrong:
        raise TypeError(f"`{wrong[0]}` is no method; there are {', '.join(METHODS)}")
    if "/" in host.removeprefix("config:"):
        raise TypeError(f"`{host}` is an address; a permission names the host alone")
    wanted = {"host": host, "methods": list(methods or METHODS[:2])}
    return Permission("http", wanted | {"reason": both(reason, f"the permission `http: {host}`")})


def model(*roles: str, max_tokens: int, reason: Text) -> Permission:
    """The tenant's language models of these roles, and so many tokens in one call of a tool, input and output together."""
    wanted = {"roles": list(roles or ("default",)), "max_tokens_per_call": max_tokens}
    return Permission("model", wanted | {"reason": both(reason, "the permission `model`")})


def storage(*, max_bytes: int, reason: Text) -> Permission:
    """Keeping values between calls; keys and values together."""
    return Permission("storage", {"max_bytes": max_bytes, "reason": both(reason, "the permission `storage`")})


def as_manifest(permissions: list[Permission]) -> dict[str, Any]:
    """The manifest's member `permissions`."""
    lists: dict[str, Any] = {"knowledge": [], "http": []}
    for permission in permissions:
        if permission.kind in lists and isinstance(lists[permission.kind], list):
            lists[permission.kind].append(permission.wanted)
        elif permission.kind in lists:
            raise TypeError(f"a plugin asks for `{permission.kind}` once")
        else:
            lists[permission.kind] = permission.wanted
    return lists
