//! The query language over a base's typed fields: rows, or groups with sums, in an order, a part at a time. Like a filter, a
//! query is checked against the base's fields first, so that a misspelt name is an error with the names that there are.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::KnowledgeError;
use crate::filter::{Filter, filterable};
use crate::spec::{BaseSpec, FieldKind, FieldSpec};

/// More rows at once are a listing, and that has pages.
const MAX_LIMIT: u32 = 1_000;
const USUAL_LIMIT: u32 = 100;
/// Groups by more fields, or more figures, belong into a report of their own.
const MAX_NAMES: usize = 32;
const AGGREGATES: &str = "`count`, `count_distinct`, `sum`, `avg`, `min`, `max`";
/// Columns of a row beside the base's own fields.
pub(crate) const ROW_NAMES: [&str; 2] = ["id", "document"];

/// A checked query of one base.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) shape: Shape,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// Records with these members.
    Rows { select: Vec<String>, order: Vec<Sort<String>> },
    /// One row for each combination of the values of `by`; all records are one group where it is empty.
    Groups { by: Vec<String>, figures: Vec<Figure>, order: Vec<Sort<Member>> },
}

#[derive(Debug)]
pub(crate) struct Sort<By> {
    pub(crate) by: By,
    pub(crate) descending: bool,
}

/// A member of a group's row, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Field(usize),
    Figure(usize),
}

#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) of: Aggregate,
}

#[derive(Debug)]
pub(crate) enum Aggregate {
    CountAll,
    Count(String),
    CountDistinct(String),
    Sum(String),
    Average(String),
    Least(String),
    Greatest(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    filter: Option<Value>,
    select: Vec<String>,
    group_by: Vec<String>,
    aggregate: Map<String, Value>,
    order_by: Vec<WrittenOrder>,
    offset: u32,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOrder {
    by: String,
    #[serde(default)]
    descending: bool,
}

impl Query {
    pub(crate) fn compile(written: &Map<String, Value>, spec: &BaseSpec) -> Result<Query, KnowledgeError> {
        let written: Written = serde_json::from_value(Value::Object(written.clone())).map_err(|error| {
            invalid(
                format!("the query cannot be read: {error}"),
                "its members are `filter`, `select`, `group_by`, `aggregate`, `order_by` ([{\"by\": …, \"descending\": true}]), \
                 `offset` and `limit`",
            )
        })?;
        let Written { filter, select, group_by, aggregate, order_by, offset, limit } = written;
        let limit = limit.unwrap_or(USUAL_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            return Err(invalid(
                format!("`limit` is {limit}; it goes from 1 to {MAX_LIMIT}"),
                "sum up with `aggregate`, or take the rows in parts by `offset`",
            ));
        }
        if [select.len(), group_by.len(), aggregate.len(), order_by.len()].into_iter().any(|it| it > MAX_NAMES) {
            return Err(invalid(
                format!("a query has more than {MAX_NAMES} names in one of its lists"),
                "leave out what is not needed",
            ));
        }
        let filter = Filter::compile(&filter.unwrap_or(Value::Null), spec, &[])?;
        let shape = if group_by.is_empty() && aggregate.is_empty() {
            rows(spec, select, order_by)?
        } else if select.is_empty() {
            groups(spec, group_by, &aggregate, order_by)?
        } else {
            return Err(invalid(
                "`select` is for records, and `group_by` and `aggregate` make groups of them".to_owned(),
                "leave `select` out: a group's row has the fields of `group_by` and the names of `aggregate`",
            ));
        };
        let size = |it: u32| usize::try_from(it).unwrap_or(usize::MAX);
        Ok(Query { filter, shape, offset: size(offset), limit: size(limit) })
    }
}

fn rows(spec: &BaseSpec, select: Vec<String>, order_by: Vec<WrittenOrder>) -> Result<Shape, KnowledgeError> {
    for name in &select {
        if !ROW_NAMES.contains(&name.as_str()) && spec.field(name).is_none() {
            return Err(unknown(format!("`{}` has no field `{name}`", spec.name), name, names_of(&spec.fields)));
        }
    }
    let select = if select.is_empty() { spec.fields.iter().map(|it| it.name.clone()).collect() } else { select };
    let sort = |WrittenOrder { by, descending }: WrittenOrder| {
        single(spec, &by)?;
        Ok(Sort { by, descending })
    };
    Ok(Shape::Rows { select, order: order_by.into_iter().map(sort).collect::<Result<_, _>>()? })
}

fn groups(
    spec: &BaseSpec,
    by: Vec<String>,
    aggregate: &Map<String, Value>,
    order_by: Vec<WrittenOrder>,
) -> Result<Shape, KnowledgeError> {
    for (at, name) in by.iter().enumerate() {
        single(spec, name)?;
        if by.iter().take(at).any(|it| it == name) {
            return Err(invalid(format!("`group_by` names `{name}` twice"), "once is enough"));
        }
    }
    let figures: Vec<Figure> = aggregate
        .iter()
        .map(|(name, written)| {
            if by.contains(name) {
                return Err(invalid(
                    format!("`{name}` is a field of `group_by` and a name in `aggregate`"),
                    "give the figure another name",
                ));
            }
            Ok(Figure { name: name.clone(), of: figure(spec, name, written)? })
        })
        .collect::<Result<_, _>>()?;
    let sort = |WrittenOrder { by: name, descending }: WrittenOrder| {
        let field = by.iter().position(|it| *it == name).map(Member::Field);
        let member = field.or_else(|| figures.iter().position(|it| it.name == name).map(Member::Figure));
        let Some(member) = member else {
            let known: Vec<String> = by.iter().cloned().chain(figures.iter().map(|it| it.name.clone())).collect();
            return Err(unknown(format!("a group's row has no `{name}` to order by"), &name, known));
        };
        Ok(Sort { by: member, descending })
    };
    let order = order_by.into_iter().map(sort).collect::<Result<_, _>>()?;
    Ok(Shape::Groups { by, figures, order })
}

fn figure(spec: &BaseSpec, name: &str, written: &Value) -> Result<Aggregate, KnowledgeError> {
    let one = written.as_object().filter(|it| it.len() == 1).and_then(|it| it.iter().next());
    let Some((function, Value::String(field))) = one else {
        return Err(invalid(
            format!("the figure `{name}` is not written as one function of one field"),
            "for example {\"total\": {\"sum\": \"spend\"}}, or {\"rows\": {\"count\": \"*\"}}",
        ));
    };
    if function == "count" && field == "*" {
        return Ok(Aggregate::CountAll);
    }
    let found = filterable(spec, field)?;
    let of_kinds = |kinds: &[FieldKind], words: &str| {
        if kinds.contains(&found.kind) {
            return Ok(());
        }
        Err(invalid(
            format!("`{field}` is of type {}, which has no `{function}`", found.kind.as_str()),
            &format!("`{function}` is for {words}"),
        ))
    };
    let field = field.clone();
    match function.as_str() {
        "count" => Ok(Aggregate::Count(field)),
        "count_distinct" => {
            single(spec, &field)?;
            Ok(Aggregate::CountDistinct(field))
        }
        "sum" => of_kinds(&[FieldKind::Number], "numbers").map(|()| Aggregate::Sum(field)),
        "avg" => of_kinds(&[FieldKind::Number], "numbers").map(|()| Aggregate::Average(field)),
        "min" => of_kinds(&[FieldKind::Number, FieldKind::Date], "numbers and dates").map(|()| Aggregate::Least(field)),
        "max" => {
            of_kinds(&[FieldKind::Number, FieldKind::Date], "numbers and dates").map(|()| Aggregate::Greatest(field))
        }
        _ => {
            Err(invalid(format!("`{name}` has the unknown function `{function}`"), &format!("there are {AGGREGATES}")))
        }
    }
}

/// A field that can be filtered by and has one value a record: something to group and to order by.
fn single<'spec>(spec: &'spec BaseSpec, name: &str) -> Result<&'spec FieldSpec, KnowledgeError> {
    let field = filterable(spec, name)?;
    if field.kind == FieldKind::List {
        return Err(invalid(
            format!("`{name}` is a list, and a record with several values has no one place"),
            "filter by it instead",
        ));
    }
    Ok(field)
}

fn names_of(fields: &[FieldSpec]) -> Vec<String> {
    fields.iter().map(|it| it.name.clone()).chain(ROW_NAMES.map(str::to_owned)).collect()
}

fn unknown(message: String, name: &str, known: Vec<String>) -> KnowledgeError {
    let close = known.iter().find(|it| it.eq_ignore_ascii_case(name));
    let hint = match close {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("there are {}", known.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")),
    };
    invalid(message, &hint)
}

fn invalid(message: String, hint: &str) -> KnowledgeError {
    KnowledgeError::InvalidRequest { message, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compile(written: Value) -> Result<Query, KnowledgeError> {
        let spec: BaseSpec = BaseSpec::from_yaml(
            "knowledge: ads\nfields:\n  note: { type: text, filter: false, embed: true }\n  channel: keyword\n  spend: number\n  day: date\n  live: boolean\n  tags: list\n",
        )
        .unwrap();
        let Value::Object(written) = written else { panic!("a query is an object") };
        Query::compile(&written, &spec)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let query = compile(json!({})).unwrap();
        assert_eq!((query.offset, query.limit), (0, 100));
        let Shape::Rows { select, order } = query.shape else { panic!("{:?}", query.shape) };
        assert_eq!(select, ["note", "channel", "spend", "day", "live", "tags"]);
        assert!(order.is_empty());
    }

    #[test]
    fn groups_are_ordered_by_what_they_show() {
        let query = compile(json!({
            "group_by": ["channel"], "aggregate": { "total": { "sum": "spend" }, "rows": { "count": "*" } },
            "order_by": [{ "by": "rows", "descending": true }, { "by": "channel" }],
        }))
        .unwrap();
        let Shape::Groups { by, figures, order } = query.shape else { panic!("{:?}", query.shape) };
        assert_eq!(by, ["channel"]);
        assert_eq!(figures.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["total", "rows"]);
        assert_eq!(
            order.iter().map(|it| (it.by, it.descending)).collect::<Vec<_>>(),
            [(Member::Figure(1), true), (Member::Field(0), false)]
        );
    }

    #[test]
    fn every_mistake_says_what_there_is() {
        for (written, words) in [
            (json!({ "selct": ["channel"] }), "unknown field `selct`"),
            (json!({ "select": ["Channel"] }), "did you mean `channel`"),
            (json!({ "select": ["money"] }), "`ads` has no field `money`"),
            (json!({ "select": ["channel"], "group_by": ["channel"] }), "`select` is for records"),
            (json!({ "group_by": ["tags"] }), "`tags` is a list"),
            (json!({ "group_by": ["note"] }), "not for filtering"),
            (json!({ "group_by": ["channel", "channel"] }), "twice"),
            (json!({ "aggregate": { "x": { "sum": "channel" } } }), "which has no `sum`"),
            (json!({ "aggregate": { "x": { "median": "spend" } } }), "unknown function `median`"),
            (json!({ "aggregate": { "x": "spend" } }), "one function of one field"),
            (json!({ "aggregate": { "x": { "sum": "*" } } }), "no field `*`"),
            (json!({ "group_by": ["channel"], "aggregate": { "channel": { "count": "*" } } }), "another name"),
            (
                json!({ "aggregate": { "x": { "count": "*" } }, "order_by": [{ "by": "spend" }] }),
                "no `spend` to order by",
            ),
            (json!({ "order_by": [{ "by": "tags" }] }), "`tags` is a list"),
            (json!({ "order_by": ["spend"] }), "cannot be read"),
            (json!({ "limit": 0 }), "goes from 1 to 1000"),
            (json!({ "limit": 1_000_000 }), "goes from 1 to 1000"),
            (json!({ "filter": { "money": 1 } }), "no field `money`"),
            (json!({ "select": vec!["channel"; 33] }), "more than 32"),
        ] {
            let error = compile(written.clone()).expect_err("it is refused");
            let told = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(told.contains(words), "{written} gives {told}");
        }
    }
}
