"""The tenant's knowledge bases. Needs the permission `ask.knowledge("…")` and the tenant's grant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from . import host, schema
from .errors import ToolError

#: Most hits that one search gives.
MAX_TOP_K = 100
#: Most entries on one page of `entries`, and rows of one `query`.
MAX_PAGE = 1000

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One record or passage."""

    id: str
    #: Name of the document it came from.
    document: str
    text: str
    #: The typed fields of the knowledge base.
    fields: dict[str, Any]

    def read(self, kind: type[T]) -> T:
        """The fields as a type of yours; the error names the field that does not fit."""
        try:
            return schema.read(kind, self.fields)
        except schema.Misfit as misfit:
            raise ToolError.failed(f"record {self.id} of {self.document}: {misfit}") from misfit


@dataclass(frozen=True)
class Hit:
    entry: Entry
    #: Higher is better; comparable within one result only.
    score: float


@dataclass(frozen=True)
class Found:
    #: `degraded`: there may be better hits than these, and `reason` says why.
    status: Literal["ok", "empty", "below_threshold", "degraded"]
    reason: str | None
    hits: list[Hit]


@dataclass(frozen=True)
class Page:
    entries: list[Entry]
    #: Pass it to the next `page`; none on the last one.
    next_cursor: str | None


@dataclass(frozen=True)
class Rows:
    """What a query gives: each row has the same members in the same order."""

    rows: list[dict[str, Any]]
    #: How many rows there are in all; more than were given where the query has a limit.
    total: int

    def read(self, kind: type[T]) -> list[T]:
        """The rows as a type of yours; the error names the member that does not fit."""
        try:
            return [schema.read(kind, row) for row in self.rows]
        except schema.Misfit as misfit:
            raise ToolError.failed(f"a row of the query does not fit: {misfit}") from misfit


@dataclass(frozen=True)
class Search:
    """A search as it crosses to the host."""

    knowledge_base: str
    query: str
    top_k: int
    filter: dict[str, Any] | None
    min_score: float | None
    mode: str | None


def search(
    knowledge_base: str,
    query: str,
    *,
    top_k: int = 8,
    filter: Mapping[str, Any] | None = None,
    min_score: float | None = None,
    mode: Literal["hybrid", "dense", "lexical"] | None = None,
) -> Found:
    """The best hits for a question, by meaning and by words.

    `query` is plain words, at most 8 KiB; `filter` a typed filter such as `{"spice_level": {"gte": 2}}`.
    """
    asked = Search(knowledge_base, query, top_k, None if filter is None else dict(filter), min_score, mode)
    return host.current().search(asked)


def get(knowledge_base: str, id: str) -> Entry:
    """One entry by its id."""
    return host.current().entry(knowledge_base, id)


def page(
    knowledge_base: str, *, filter: Mapping[str, Any] | None = None, cursor: str | None = None, limit: int = MAX_PAGE
) -> Page:
    """Entries that pass a filter, in the order of the document, one page."""
    return host.current().entries(knowledge_base, None if filter is None else dict(filter), cursor, limit)


def entries(knowledge_base: str, *, filter: Mapping[str, Any] | None = None, at_most: int = 10_000) -> list[Entry]:
    """All entries that pass a filter. More than `at_most` is an error, because a part of them would give a wrong sum
    without anybody noticing."""
    found: list[Entry] = []
    for entry in _pages(knowledge_base, filter):
        found.append(entry)
        if len(found) > at_most:
            raise ToolError.invalid_input(f"`{knowledge_base}` has more than {at_most} matching records; narrow the filter")
    return found


def _pages(knowledge_base: str, filter: Mapping[str, Any] | None) -> Iterator[Entry]:
    cursor = None
    while True:
        here = page(knowledge_base, filter=filter, cursor=cursor)
        yield from here.entries
        # A host that gives the same place twice would keep us here until the time is up.
        if here.next_cursor is None or here.next_cursor == cursor:
            return
        cursor = here.next_cursor


def query(
    knowledge_base: str,
    *,
    filter: Mapping[str, Any] | None = None,
    select: Sequence[str] | None = None,
    group_by: Sequence[str] | None = None,
    aggregate: Mapping[str, Mapping[str, str]] | None = None,
    order_by: Sequence[str | Mapping[str, Any]] | None = None,
    offset: int | None = None,
    limit: int | None = None,
) -> Rows:
    """Rows and sums over the typed fields of a knowledge base's records.

    `select` names fields and does not stand together with `group_by` and `aggregate`. `aggregate` is the name of a result
    to `{"count": "*"}` or to one of `count`, `count_distinct`, `sum`, `avg`, `min` and `max` of a field. `order_by` has
    names, or `{"by": name, "descending": True}`. `limit` is 1 to 1000, 100 where it is not said. An empty group sums to
    null, as in SQL.

        knowledge.query("ads", group_by=["channel"], aggregate={"spent": {"sum": "cost"}}, order_by=["channel"])
    """
    order = None if order_by is None else [{"by": it} if isinstance(it, str) else dict(it) for it in order_by]
    members = {
        "filter": filter,
        "select": select,
        "group_by": group_by,
        "aggregate": aggregate,
        "order_by": order,
        "offset": offset,
        "limit": limit,
    }
    return host.current().query(knowledge_base, {name: it for name, it in members.items() if it is not None})
