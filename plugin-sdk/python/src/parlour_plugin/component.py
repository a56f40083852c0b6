"""What a component exports, and the server through the generated bindings (`wit_world`, which exist in a component only). The
build imports the plugin's module and then this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import config as wit_config
from wit_world.imports import http as wit_http
from wit_world.imports import knowledge as wit_knowledge
from wit_world.imports import log as wit_log
from wit_world.imports import model as wit_model
from wit_world.imports import storage as wit_storage
from wit_world.imports import system as wit_system
from wit_world.imports import types

from . import call, host, http, knowledge, model, storage, surroundings
from .declaration import declared
from .errors import ToolError
from .host import Level

T = TypeVar("T")

_LEVELS = {level: wit_log.Level[level.upper()] for level in ("debug", "info", "warn", "error")}
_AUTHORS = {author: wit_model.Author[author.upper()] for author in ("system", "user", "assistant")}
#: By what the contract calls the kinds.
_KINDS: list[tuple[type, Callable[[Any], ToolError]]] = [
    (types.Error_InvalidInput, ToolError.invalid_input),
    (types.Error_NotFound, ToolError.not_found),
    (types.Error_Denied, ToolError.denied),
    (types.Error_RateLimited, ToolError.rate_limited),
    (types.Error_Unavailable, ToolError.unavailable),
    (types.Error_Failed, ToolError.failed),
]


def _asked(question: Callable[..., T], *arguments: Any) -> T:
    """Asks the host; what it refuses is a `ToolError` of the same kind."""
    try:
        return question(*arguments)
    except Err as refused:
        said = refused.value
        raise next(make for kind, make in _KINDS if isinstance(said, kind))(said.value) from None


def _told(error: ToolError) -> Any:
    """An error as the contract has it."""
    message = error.message.encode("utf-8", "replace").decode()
    match error.kind:
        case "invalid_input":
            return types.Error_InvalidInput(message)
        case "not_found":
            return types.Error_NotFound(message)
        case "denied":
            return types.Error_Denied(message)
        case "rate_limited":
            return types.Error_RateLimited(error.retry_after)
        case "unavailable":
            return types.Error_Unavailable(message)
        case "failed":
            return types.Error_Failed(message)


def _entry(entry: wit_knowledge.Entry) -> knowledge.Entry:
    return knowledge.Entry(entry.id, entry.document, entry.text, json.loads(entry.fields_json))


def _json(value: dict[str, Any] | None) -> str:
    return "" if not value else json.dumps(value, ensure_ascii=False)


class Server:
    """The host that every call of a component has."""

    def search(self, search: knowledge.Search) -> knowledge.Found:
        options = {"filter": search.filter, "min_score": search.min_score, "mode": search.mode}
        options = {name: it for name, it in options.items() if it is not None}
        request = wit_knowledge.SearchRequest(search.knowledge_base, search.query, search.top_k, _json(options))
        found = _asked(wit_knowledge.search, request)
        hits = [knowledge.Hit(_entry(hit.entry), hit.score) for hit in found.hits]
        return knowledge.Found(found.status.name.lower(), found.reason, hits)  # type: ignore[arg-type]

    def entry(self, knowledge_base: str, id: str) -> knowledge.Entry:
        return _entry(_asked(wit_knowledge.get, knowledge_base, id))

    def entries(
        self, knowledge_base: str, filter: dict[str, Any] | None, cursor: str | None, limit: int
    ) -> knowledge.Page:
        page = _asked(wit_knowledge.list, wit_knowledge.ListRequest(knowledge_base, _json(filter), cursor, limit))
        return knowledge.Page([_entry(entry) for entry in page.entries], page.next_cursor)

    def query(self, knowledge_base: str, query: dict[str, Any]) -> knowledge.Rows:
        found = _asked(wit_knowledge.query, knowledge_base, json.dumps(query, ensure_ascii=False))
        return knowledge.Rows(json.loads(found.rows_json), found.total)

    def send(self, request: http.Outgoing) -> http.Response:
        headers = [wit_http.Header(name, value) for name, value in request.headers]
        sent = wit_http.Request(request.method, request.url, headers, request.body, request.timeout_ms)
        answer = _asked(wit_http.send, sent)
        return http.Response(answer.status, answer.url, [(it.name, it.value) for it in answer.headers], answer.body)

    def complete(self, request: model.Request) -> model.Completion:
        messages = [wit_model.Message(_AUTHORS[it.author], it.content) for it in request.messages]
        asked = wit_model.Request(
            request.role, messages, request.max_tokens, request.temperature, _json(request.schema)
        )
        said = _asked(wit_model.complete, asked)
        return model.Completion(said.text, said.model, said.input_tokens, said.output_tokens)

    def embed(self, texts: Sequence[str], purpose: str) -> model.Embeddings:
        found = _asked(wit_model.embed, list(texts), wit_model.Purpose[purpose.upper()])
        return model.Embeddings([list(vector) for vector in found.vectors], found.model, found.input_tokens)

    def stored(self, key: str) -> storage.Entry[str] | None:
        entry = _asked(wit_storage.get, key)
        return None if entry is None else storage.Entry(entry.value, entry.version, entry.expires_at)

    def store(self, key: str, value: str, ttl_s: int | None, expected: int | None) -> int:
        return _asked(wit_storage.set, key, value, ttl_s, expected)

    def delete_stored(self, key: str) -> bool:
        return _asked(wit_storage.delete, key)

    def stored_keys(self, prefix: str, cursor: str | None, limit: int) -> storage.Page:
        page = _asked(wit_storage.list, prefix, cursor, limit)
        return storage.Page(page.keys, page.next_cursor)

    def log(self, level: Level, message: str) -> None:
        wit_log.write(_LEVELS[level], message)

    def config(self, key: str) -> str | None:
        return wit_config.get(key)

    def now_ms(self) -> int:
        return wit_system.now_ms()

    def random(self, length: int) -> bytes:
        return wit_system.random(length)

    def idempotency_key(self) -> str | None:
        return wit_system.idempotency_key()


# All of this happens when the plugin is built; a call begins with it done.
_MANIFEST = json.dumps(declared.manifest(), ensure_ascii=False)
host.running.append(Server())
surroundings.install()


class Tools(exports.Tools):
    """The contract's exports."""

    def describe(self) -> str:
        return _MANIFEST

    def invoke(self, tool: str, input: str) -> str:
        surroundings.begin()
        try:
            return call.invoke(declared, tool, input)
        except ToolError as error:
            _raise(error)
        finally:
            surroundings.end()


def _raise(error: ToolError) -> NoReturn:
    raise Err(_told(error)) from None


surroundings.settle()
