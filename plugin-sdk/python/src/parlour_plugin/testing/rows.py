"""The typed filter and the query, as the server understands them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import ToolError
from ..knowledge import MAX_PAGE, Entry, Rows

Fields = Mapping[str, Any]

#: Rows of a query that says no limit.
USUAL_ROWS = 100
_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "count_distinct": lambda values: len({_folded(value) for value in values}),
    "sum": lambda values: _whole(sum(values)) if values else None,
    "avg": lambda values: _whole(sum(values) / len(values)) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}
#: What every record has besides its fields.
_ALWAYS = ("id", "document")


def known_fields(entries: Iterable[Entry]) -> list[str]:
    return sorted({name for entry in entries for name in entry.fields})


def filtered(entries: list[Entry], filter: Any) -> list[Entry]:
    """The entries whose fields pass; `invalid_input` for a filter that no field or operator has."""
    if filter is None:
        return entries
    known = known_fields(entries)
    return [entry for entry in entries if _passes(filter, entry.fields, known)]


def _passes(filter: Any, fields: Fields, known: list[str]) -> bool:
    """Every member of the object must hold; `any`, `all` and `not` combine. None is skipped, so that each is checked."""
    if not isinstance(filter, Mapping):
        raise ToolError.invalid_input("a filter is an object")
    return all([_holds(name, condition, fields, known) for name, condition in filter.items()])


def _holds(name: str, condition: Any, fields: Fields, known: list[str]) -> bool:
    match name:
        case "any" | "all":
            if not isinstance(condition, list | tuple):
                raise ToolError.invalid_input("`any` and `all` take a list of filters")
            parts = [_passes(part, fields, known) for part in condition]
            return any(parts) if name == "any" else all(parts)
        case "not":
            return not _passes(condition, fields, known)
        case _ if name in known:
            return _matches(fields.get(name), condition)
        case _:
            raise ToolError.invalid_input(f"there is no field `{name}`; the fields are {', '.join(known)}")


def _matches(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return _equal(value, condition)
    return all([_compared(value, operator, operand) for operator, operand in condition.items()])


def _compared(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "eq":
            return _equal(value, operand)
        case "ne":
            return not _equal(value, operand)
        case "in":
            return isinstance(operand, list | tuple) and any(_equal(value, it) for it in operand)
        case "gt" | "gte" | "lt" | "lte":
            if not _comparable(value, operand):
                return False
            return {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[operator]
        case "contains":
            if isinstance(value, str) and isinstance(operand, str):
                return operand in value
            return isinstance(value, list) and operand in value
        case "exists":
            return (value is not None) == (operand is not False)
        case _:
            raise ToolError.invalid_input(f"there is no operator `{operator}`")


def _equal(value: Any, operand: Any) -> bool:
    """A list is equal to a value when it has it."""
    if isinstance(value, list):
        return any(_equal(it, operand) for it in value)
    # To Python, True is 1.
    return isinstance(value, bool) == isinstance(operand, bool) and value == operand


def _comparable(value: Any, operand: Any) -> bool:
    def number(it: Any) -> bool:
        return isinstance(it, int | float) and not isinstance(it, bool)

    return (number(value) and number(operand)) or (isinstance(value, str) and isinstance(operand, str))


def queried(entries: list[Entry], query: Mapping[str, Any]) -> Rows:
    """Rows and sums of the entries' fields."""
    known = known_fields(entries)
    unknown = query.keys() - {"filter", "select", "group_by", "aggregate", "order_by", "offset", "limit"}
    if unknown:
        raise ToolError.invalid_input(f"a query has no `{min(unknown)}`")
    groups, aggregates, select = query.get("group_by"), query.get("aggregate"), query.get("select")
    if select and (groups or aggregates):
        raise ToolError.invalid_input("`select` does not stand together with `group_by` and `aggregate`")
    limit = query.get("limit", USUAL_ROWS)
    if not 1 <= limit <= MAX_PAGE:
        raise ToolError.invalid_input(f"`limit` is {limit}; it goes from 1 to {MAX_PAGE}")
    for name in [*(groups or []), *(select or [])]:
        _check_field(name, known)
    records = [_whole_record(entry) for entry in filtered(entries, query.get("filter"))]
    if not groups and not aggregates:
        # What rows are ordered by need not be shown.
        rows = [({name: record.get(name) for name in select or known}, record) for record in records]
        ordered_by = [*known, *_ALWAYS]
    else:
        made = _grouped(records, list(groups or []), dict(aggregates or {}), known)
        rows = [(row, row) for row in made]
        ordered_by = [*(groups or []), *(aggregates or {})]
    for order in reversed(query.get("order_by", [])):
        name = order["by"]
        if name not in ordered_by:
            raise ToolError.invalid_input(f"there is no `{name}` to order by; there are {', '.join(ordered_by)}")
        # What has no value comes last, whichever way the others go.
        there = [row for row in rows if row[1].get(name) is not None]
        there.sort(key=lambda row: row[1][name], reverse=order.get("descending", False))
        rows = there + [row for row in rows if row[1].get(name) is None]
    offset = query.get("offset", 0)
    return Rows([row for row, _ in rows[offset : offset + limit]], len(rows))


def _whole_record(entry: Entry) -> dict[str, Any]:
    return {**entry.fields, "id": entry.id, "document": entry.document}


def _check_field(name: str, known: list[str]) -> None:
    if name not in known and name not in _ALWAYS:
        raise ToolError.invalid_input(f"there is no field `{name}`; the fields are {', '.join(known)}")


def _grouped(
    records: list[dict[str, Any]], groups: list[str], aggregates: dict[str, Mapping[str, str]], known: list[str]
) -> list[dict[str, Any]]:
    of: dict[tuple[Any, ...], list[dict[str, Any]]] = {} if groups else {(): []}
    for record in records:
        of.setdefault(tuple(_folded(record.get(name)) for name in groups), []).append(record)
    rows = []
    for members in of.values():
        row = {name: members[0].get(name) for name in groups}
        for name, wanted in aggregates.items():
            ((kind, field),) = wanted.items()
            if kind not in _AGGREGATES:
                raise ToolError.invalid_input(f"there is no aggregate `{kind}`; there are {', '.join(_AGGREGATES)}")
            if (kind, field) == ("count", "*"):
                row[name] = len(members)
                continue
            _check_field(field, known)
            row[name] = _AGGREGATES[kind]([it[field] for it in members if it.get(field) is not None])
        rows.append(row)
    return rows


def _folded(value: Any) -> str:
    """Words that a filter calls equal are one group."""
    return repr(value).lower()


def _whole(number: float) -> float:
    """28, not 28.0."""
    return int(number) if number == int(number) else number
