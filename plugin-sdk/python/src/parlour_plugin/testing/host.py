"""The fake host: what a test puts into it, what a plugin gets of it, and what it saw."""

from __future__ import annotations

import json
import re
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import call, host
from ..declaration import declared
from ..errors import ToolError
from ..host import Level
from ..http import Outgoing, Response
from ..knowledge import MAX_PAGE, MAX_TOP_K, Entry, Found, Hit, Page, Rows, Search
from ..model import Completion, Embeddings, Request
from ..secret import END, START
from ..storage import MAX_PAGE as MAX_KEYS
from ..storage import Entry as Stored
from ..storage import Page as Keys
from . import rows
from .web import Reply, Sent, Web, fits, forms

MAX_RANDOM = 4096
MAX_REQUESTS = 50
MAX_MESSAGES = 100
MAX_MESSAGE_BYTES = 1 << 20
MAX_TEXTS, MAX_TEXT_BYTES = 100, 8 << 10
MAX_KEY_BYTES = 200
#: About what tokenizers make of European languages; a test needs no more.
BYTES_PER_TOKEN = 4
#: 2026-01-01T00:00:00Z
START_OF_TIME_MS = 1_767_225_600_000
#: Enough that two words of a test seldom meet.
DIMENSIONS = 256


class FakeHost:
    """A host with what you put into it; its clock stands at 2026-01-01T00:00:00Z.

    What puts something in gives the host back, so that it can be written in one expression.
    """

    def __init__(self) -> None:
        self._bases: dict[str, list[Entry]] = {}
        #: Knowledge bases by name; anything else as grants are written, `http: api.example.com`.
        self._refused: set[str] = set()
        self._config: dict[str, Any] = {}
        #: Keys that are secret although no manifest says so.
        self._secrets: set[str] = set()
        self._web = Web()
        self._models: dict[str, deque[str | ToolError]] = {}
        self._stored: dict[str, Stored[str]] = {}
        #: Every text that the plugin was given or gave away.
        self._crossed: list[str] = []
        self._now_ms = START_OF_TIME_MS
        self._idempotency_key: str | None = None
        #: What the running plugin asks for; none outside of `call`, where everything is allowed.
        self._asked: dict[str, Any] | None = None
        #: Of the running call.
        self._requests, self._tokens = 0, 0
        #: What was logged so far, as level and message.
        self.logs: list[tuple[Level, str]] = []
        #: What was searched for so far.
        self.searches: list[Search] = []
        #: What was queried so far, as knowledge base and query.
        self.queries: list[tuple[str, dict[str, Any]]] = []
        #: What models were asked so far.
        self.model_requests: list[Request] = []

    # What a test puts in.

    def knowledge_base(self, name: str, records: Iterable[Mapping[str, Any]]) -> FakeHost:
        """Adds a knowledge base. Each record is an object of fields; its text is all its texts, one after the other."""
        entries = []
        for index, record in enumerate(records, 1):
            text = " ".join(it for it in record.values() if isinstance(it, str))
            entries.append(Entry(f"{name}-{index}", f"{name}.csv", text, dict(record)))
        self._bases[name] = entries
        return self

    def refuse(self, name: str) -> FakeHost:
        """The tenant has not granted this: a knowledge base by its name, or `http: HOST`, `model: ROLE`, `storage`.
        Everything else that the manifest asks for is granted."""
        self._refused.add(name)
        return self

    def config(self, key: str, value: Any) -> FakeHost:
        """A setting that the tenant has made."""
        self._config[key] = value
        return self

    def secret(self, key: str, value: str) -> FakeHost:
        """A secret setting: the plugin gets a placeholder, a request that goes out gets the value."""
        self._secrets.add(key)
        return self.config(key, value)

    def http(self, method: str, prefix: str, *replies: Reply) -> FakeHost:
        """Answers requests of a method to addresses that begin so; the longest rule that fits is taken. Of several replies
        each answers once, in order, and the last for ever. What no rule fits is unavailable."""
        for reply in replies:
            self._web.add(method, prefix, reply)
        return self

    def model(self, role: str, *answers: str | ToolError) -> FakeHost:
        """What the model of a role says, or how it fails. Of several answers each is given once, and the last for ever."""
        self._models.setdefault(role, deque()).extend(answers)
        return self

    def stored(self, key: str, value: str) -> FakeHost:
        """A value that an earlier call has stored."""
        self._stored[key] = Stored(value, 1, None)
        return self

    def now_ms(self, now_ms: int) -> FakeHost:
        """Sets the clock."""
        self._now_ms = now_ms
        return self

    def idempotency_key(self, key: str) -> FakeHost:
        """As if a workflow's node called."""
        self._idempotency_key = key
        return self

    # What a test does with it.

    def __enter__(self) -> FakeHost:
        """For calling a tool as the plain function it is: `with FakeHost(): find("鱼")`."""
        host.running.append(_Running(self))
        return self

    def __exit__(self, *_: object) -> None:
        host.running.pop()

    def call(self, tool: str, given: Any) -> Any:
        """Calls a tool as the server does: JSON in, JSON out, and only what the manifest asks for. Import the plugin's
        module first."""
        manifest = declared.manifest()
        told = next((it for it in manifest["tools"] if it["name"] == tool), None)
        if told is not None:
            _check(told["input"], given, lambda problem: ToolError.invalid_input(problem))
        self._asked, self._requests, self._tokens = manifest, 0, 0
        try:
            with self:
                text = call.invoke(declared, tool, json.dumps(given))
        except ToolError as error:
            self._crossed.append(str(error))
            raise
        finally:
            self._asked = None
        self._crossed.append(text)
        output = json.loads(text)
        if told is not None:
            _check(told["output"], output, lambda problem: ToolError.failed(f"what `{tool}` returned: {problem}"))
        return output

    def check_examples(self) -> None:
        """Runs every example of the manifest that states its output; an `AssertionError` says which give another one."""
        problems = []
        for tool in declared.manifest()["tools"]:
            for example in (it for it in tool["examples"] if "output" in it):
                name = f"{tool['name']} “{example['title']['en']}”"
                try:
                    output = self.call(tool["name"], example["input"])
                except ToolError as error:
                    problems.append(f"{name}: {error}")
                    continue
                if output != example["output"]:
                    problems.append(f"{name}:\n  stated {example['output']}\n  is     {output}")
        assert not problems, "examples of the manifest that are not true:\n" + "\n".join(problems)

    def assert_secrets_kept(self) -> None:
        """Checks that the plugin never had a secret: not in what it was given, and not in what it answered, logged, stored
        or told a model."""
        values = {key: value for key, value in self._config.items() if self._is_secret(key) and isinstance(value, str)}
        leaks = [
            f"`{key}` in: {text}"
            for text in self._crossed
            for key, value in values.items()
            if any(form in text for form in forms(value))
        ]
        assert not leaks, "the plugin has seen a secret:\n" + "\n".join(leaks)

    @property
    def requests(self) -> list[Sent]:
        """The requests that went out so far, secrets filled in, redirects included."""
        return self._web.sent

    def stored_value(self, key: str) -> str | None:
        """The value of a key in the plugin's store."""
        entry = self._stored.get(key)
        return None if entry is None else entry.value

    # What the manifest asks for.

    def _permission(self, kind: str) -> Any:
        """What is asked for; none where everything is allowed."""
        return None if self._asked is None else self._asked["permissions"].get(kind) or []

    def _setting(self, key: str) -> dict[str, Any] | None:
        """The schema of a declared setting; empty where everything is allowed."""
        if self._asked is None:
            return {}
        return (self._asked["config"] or {}).get("properties", {}).get(key)

    def _is_secret(self, key: str) -> bool:
        return key in self._secrets or bool((self._setting(key) or {}).get("secret"))


def _check(schema: dict[str, Any], value: Any, failure: Any) -> None:
    """As the server checks what goes in and what comes out."""
    try:
        import jsonschema
    except ImportError:
        raise RuntimeError("the fake host checks values by their schemas with `jsonschema`: `pip install jsonschema`") from None
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        path = error.json_path.removeprefix("$").removeprefix(".")
        raise failure(f"`{path}`: {error.message}" if path else error.message)


class _Running:
    """The host as the plugin sees it."""

    def __init__(self, fake: FakeHost) -> None:
        self._fake = fake

    def _entries(self, knowledge_base: str) -> list[Entry]:
        fake = self._fake
        asked = fake._permission("knowledge")
        if asked is not None and not any(it["name"] in ("*", knowledge_base) for it in asked):
            raise ToolError.denied(f"the manifest does not ask for the knowledge base `{knowledge_base}`")
        if knowledge_base in fake._refused:
            raise ToolError.denied(f"the tenant has not granted the knowledge base `{knowledge_base}`")
        if knowledge_base not in fake._bases:
            raise ToolError.not_found(f"there is no knowledge base `{knowledge_base}`")
        return fake._bases[knowledge_base]

    def search(self, search: Search) -> Found:
        self._fake.searches.append(search)
        if not 1 <= search.top_k <= MAX_TOP_K:
            raise ToolError.invalid_input(f"top_k is {search.top_k}; it goes from 1 to {MAX_TOP_K}")
        wanted = _terms(search.query)
        entries = rows.filtered(self._entries(search.knowledge_base), search.filter)
        hits = [Hit(entry, len(wanted & _terms(entry.text)) / max(1, len(wanted))) for entry in entries]
        hits = sorted((hit for hit in hits if hit.score > 0), key=lambda hit: -hit.score)
        if not hits:
            return Found("empty", None, [])
        hits = [hit for hit in hits if hit.score >= (search.min_score or 0)][: search.top_k]
        return Found("ok" if hits else "below_threshold", None, hits)

    def entry(self, knowledge_base: str, id: str) -> Entry:
        found = next((it for it in self._entries(knowledge_base) if it.id == id), None)
        if found is None:
            raise ToolError.not_found(f"there is no `{id}` in `{knowledge_base}`")
        return found

    def entries(self, knowledge_base: str, filter: dict[str, Any] | None, cursor: str | None, limit: int) -> Page:
        if not 1 <= limit <= MAX_PAGE:
            raise ToolError.invalid_input(f"limit is {limit}; it goes from 1 to {MAX_PAGE}")
        if cursor is not None and not cursor.isdigit():
            raise ToolError.invalid_input(f"`{cursor}` is no cursor")
        passed = rows.filtered(self._entries(knowledge_base), filter)
        start = int(cursor or 0)
        end = start + limit
        return Page(passed[start:end], str(end) if end < len(passed) else None)

    def query(self, knowledge_base: str, query: dict[str, Any]) -> Rows:
        self._fake.queries.append((knowledge_base, query))
        return rows.queried(self._entries(knowledge_base), query)

    def send(self, request: Outgoing) -> Response:
        fake = self._fake
        fake._requests += 1
        if fake._requests > MAX_REQUESTS and fake._asked is not None:
            raise ToolError.failed(f"the call has sent its {MAX_REQUESTS} requests")
        try:
            answer = fake._web.exchange(request, self._may_send, self._value_of)
        except ToolError as error:
            fake._crossed.append(str(error))
            raise
        fake._crossed.append(f"{answer.url} {answer.headers} {answer.text}")
        return answer

    def _may_send(self, method: str, to: str) -> None:
        """Asked for in the manifest, and not refused by the test."""
        fake = self._fake
        asked = fake._permission("http")
        if asked is not None:
            fitting = [it for it in asked if fits(it["host"], to, fake._config.get)]
            if not fitting:
                raise ToolError.denied(f"the manifest does not ask for requests to `{to}`")
            if not any(method in it["methods"] for it in fitting):
                raise ToolError.denied(f"the manifest does not ask for {method} requests to `{to}`")
        refused = [it.removeprefix("http: ") for it in fake._refused if it.startswith("http: ")]
        if any(fits(pattern, to, fake._config.get) for pattern in refused):
            raise ToolError.denied(f"requests to `{to}` are not granted to this plugin")

    def _value_of(self, key: str) -> str:
        value = self._fake._config.get(key)
        if not isinstance(value, str) or not value:
            raise ToolError.failed(f"the setting `{key}` is not filled in")
        return value

    def complete(self, request: Request) -> Completion:
        fake = self._fake
        fake._crossed.append(repr(request))
        self._check_role(request.role)
        size = sum(len(it.content.encode()) for it in request.messages)
        if not 1 <= len(request.messages) <= MAX_MESSAGES or size > MAX_MESSAGE_BYTES:
            raise ToolError.invalid_input(
                f"a model is given 1 to {MAX_MESSAGES} messages of at most {MAX_MESSAGE_BYTES} bytes together"
            )
        if request.temperature is not None and not 0 <= request.temperature <= 2:
            raise ToolError.invalid_input("`temperature` goes from 0 to 2")
        fake.model_requests.append(request)
        text = self._said(request.role)
        read, written = sum(_tokens(it.content) for it in request.messages), _tokens(text)
        fake._tokens += read + written
        return Completion(text, f"fake-{request.role}", read, written)

    def _said(self, role: str) -> str:
        answers = self._fake._models.get(role)
        if not answers:
            raise ToolError.unavailable(f"this test has no model `{role}`")
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, ToolError):
            raise answer
        return answer

    def _check_role(self, role: str) -> None:
        fake = self._fake
        if f"model: {role}" in fake._refused:
            raise ToolError.denied(f"the model `{role}` is not granted to this plugin")
        asked = fake._permission("model")
        if asked is None:
            return
        if not asked or role not in asked["roles"]:
            raise ToolError.denied(f"the manifest does not ask for the model `{role}`")
        if fake._tokens >= asked["max_tokens_per_call"]:
            allowed = asked["max_tokens_per_call"]
            raise ToolError.failed(f"the call has used the {allowed} tokens that are granted to the plugin for one call")

    def embed(self, texts: Sequence[str], purpose: str) -> Embeddings:
        """Texts that share terms have vectors that lie near each other; that is all a test can rely on."""
        self._check_role("embedding")
        if not 1 <= len(texts) <= MAX_TEXTS or any(len(text.encode()) > MAX_TEXT_BYTES for text in texts):
            raise ToolError.invalid_input(f"1 to {MAX_TEXTS} texts of at most {MAX_TEXT_BYTES} bytes each are embedded")
        self._fake._crossed.extend(texts)
        return Embeddings([_vector(text) for text in texts], "fake-embedding", 0)

    def _quota(self) -> float:
        """How many bytes the plugin may keep."""
        if "storage" in self._fake._refused:
            raise ToolError.denied("storage is not granted to this plugin")
        asked = self._fake._permission("storage")
        if asked is None:
            return float("inf")
        if not asked:
            raise ToolError.denied("the manifest does not ask for storage")
        return asked["max_bytes"]

    def _kept(self, key: str | None = None) -> dict[str, Stored[str]]:
        """What is stored and not past its time."""
        fake = self._fake
        if key is not None and (not 1 <= len(key.encode()) <= MAX_KEY_BYTES or "\0" in key):
            raise ToolError.invalid_input(f"a key has 1 to {MAX_KEY_BYTES} bytes; this one has {len(key.encode())}")
        now = fake._now_ms
        fake._stored = {name: it for name, it in fake._stored.items() if it.expires_at is None or it.expires_at > now}
        return fake._stored

    def stored(self, key: str) -> Stored[str] | None:
        self._quota()
        return self._kept(key).get(key)

    def store(self, key: str, value: str, ttl_s: int | None, expected: int | None) -> int:
        quota, kept = self._quota(), self._kept(key)
        self._fake._crossed.append(f"{key} {value}")
        present = kept[key].version if key in kept else 0
        if expected is not None and expected != present:
            raise ToolError.invalid_input(f"the present version of `{key}` is {present}, not {expected}; read it again")
        others = sum(len(name.encode()) + len(it.value.encode()) for name, it in kept.items() if name != key)
        if others + len(key.encode()) + len(value.encode()) > quota:
            raise ToolError.failed(f"the plugin may keep {quota} bytes; with this value it would be more")
        expires_at = None if ttl_s is None else self._fake._now_ms + ttl_s * 1000
        kept[key] = Stored(value, present + 1, expires_at)
        return present + 1

    def delete_stored(self, key: str) -> bool:
        self._quota()
        return self._kept(key).pop(key, None) is not None

    def stored_keys(self, prefix: str, cursor: str | None, limit: int) -> Keys:
        self._quota()
        if not 1 <= limit <= MAX_KEYS:
            raise ToolError.invalid_input(f"`limit` is {limit}; it goes from 1 to {MAX_KEYS}")
        found = sorted(it for it in self._kept() if it.startswith(prefix) and (cursor is None or it > cursor))
        page = found[:limit]
        return Keys(page, page[-1] if len(found) > limit else None)

    def log(self, level: Level, message: str) -> None:
        self._fake._crossed.append(message)
        self._fake.logs.append((level, message))

    def config(self, key: str) -> str | None:
        fake = self._fake
        if key not in fake._config or fake._setting(key) is None:
            return None
        text = json.dumps(f"{START}{key}{END}" if fake._is_secret(key) else fake._config[key], ensure_ascii=False)
        fake._crossed.append(text)
        return text

    def now_ms(self) -> int:
        return self._fake._now_ms

    def random(self, length: int) -> bytes:
        """The same bytes every time, so that tests do not depend on chance."""
        state, made = 0x9E37_79B9, bytearray()
        for _ in range(min(length, MAX_RANDOM)):
            state ^= state << 13 & 0xFFFF_FFFF
            state ^= state >> 17
            state ^= state << 5 & 0xFFFF_FFFF
            made.append(state & 0xFF)
        return bytes(made)

    def idempotency_key(self) -> str | None:
        return self._fake._idempotency_key


def _terms(text: str) -> set[str]:
    """Words of letters, and pairs of neighbouring Chinese characters (a single one stands for itself)."""
    terms: set[str] = set()
    for run in re.findall(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+", text.lower()):
        is_han = "\u3400" <= run[0] <= "\u9fff"
        terms.update([run[at : at + 2] for at in range(len(run) - 1)] if is_han and len(run) > 1 else [run])
    return terms


def _vector(text: str) -> list[float]:
    """Of the words that a text has: texts that share words are alike, and equal texts are equal."""
    numbers = [0.0] * DIMENSIONS
    for term in _terms(text):
        numbers[zlib.crc32(term.encode()) % DIMENSIONS] += 1.0
    return numbers


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
