//! The filter language: `{"price": {"lte": 30}, "category": "热菜", "any": [{…}, {…}]}`. A filter is checked against the
//! base's fields first, so that a misspelt field is an error and not an empty result; then it is evaluated over columns.

mod columns;

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use crate::error::KnowledgeError;
use crate::parse::value;
use crate::spec::{BaseSpec, FieldKind, FieldSpec};

pub(crate) use columns::{Cell, Column, ColumnBuilder, Columns};

/// Deeper filters are a mistake, and each level is a call.
const MAX_DEPTH: usize = 16;
const MAX_VALUES: usize = 1000;

/// A checked filter of one base. A record without the field passes only `ne`, `exists: false` and `eq: null`.
#[derive(Debug)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test { field: String, test: Test },
}

#[derive(Debug)]
pub(crate) enum Test {
    Exists(bool),
    /// Any of these; `eq` has one.
    In(Vec<Scalar>),
    Ne(Scalar),
    Order(Order, Scalar),
    /// A part of a text, or an element of a list.
    Contains(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Scalar {
    Number(f64),
    Boolean(bool),
    /// Folded: see [`fold`]. Dates are `YYYY-MM-DD`, whose order is that of their letters.
    Word(String),
}

/// Words are compared without case and with full-width letters as narrow ones.
pub(crate) fn fold(text: &str) -> String {
    text.trim().nfkc().flat_map(char::to_lowercase).collect()
}

impl Filter {
    /// `others` are the other bases of the same search: their fields are known too, and records here do not have them.
    pub(crate) fn compile(written: &Value, spec: &BaseSpec, others: &[&BaseSpec]) -> Result<Filter, KnowledgeError> {
        Compiler { spec, others }.all_of(written, 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Filter::All(all) if all.is_empty())
    }

    /// Which rows pass.
    pub(crate) fn evaluate(&self, columns: &Columns) -> Vec<bool> {
        match self {
            Filter::All(all) => all.iter().fold(vec![true; columns.rows], |passed, filter| {
                passed.into_iter().zip(filter.evaluate(columns)).map(|(a, b)| a && b).collect()
            }),
            Filter::Any(any) => any.iter().fold(vec![false; columns.rows], |passed, filter| {
                passed.into_iter().zip(filter.evaluate(columns)).map(|(a, b)| a || b).collect()
            }),
            Filter::Not(inner) => inner.evaluate(columns).into_iter().map(|it| !it).collect(),
            Filter::Test { field, test } => match columns.named.iter().find(|(name, _)| name == field) {
                Some((_, column)) => column.evaluate(test),
                None => vec![test.passes_without_value(); columns.rows],
            },
        }
    }
}

impl Test {
    pub(crate) fn passes_without_value(&self) -> bool {
        match self {
            Test::Exists(wanted) => !wanted,
            Test::Ne(_) => true,
            Test::In(_) | Test::Order(..) | Test::Contains(_) => false,
        }
    }

    fn passes_number(&self, value: f64) -> bool {
        let equals = |it: &Scalar| matches!(it, Scalar::Number(number) if *number == value);
        match self {
            Test::Exists(wanted) => *wanted,
            Test::In(any) => any.iter().any(equals),
            Test::Ne(it) => !equals(it),
            Test::Order(order, Scalar::Number(limit)) => order.holds(value.total_cmp(limit)),
            Test::Order(_, Scalar::Boolean(_) | Scalar::Word(_)) | Test::Contains(_) => false,
        }
    }

    fn passes_boolean(&self, value: bool) -> bool {
        let equals = |it: &Scalar| matches!(it, Scalar::Boolean(boolean) if *boolean == value);
        match self {
            Test::Exists(wanted) => *wanted,
            Test::In(any) => any.iter().any(equals),
            Test::Ne(it) => !equals(it),
            Test::Order(..) | Test::Contains(_) => false,
        }
    }

    /// `ne` and `exists` of lists are decided over all elements, so here `ne` tells whether the word *is* the value.
    fn passes_word(&self, value: &str) -> bool {
        let equals = |it: &Scalar| matches!(it, Scalar::Word(word) if word == value);
        match self {
            Test::Exists(wanted) => *wanted,
            Test::In(any) => any.iter().any(equals),
            Test::Ne(it) => equals(it),
            Test::Order(order, Scalar::Word(limit)) => order.holds(value.cmp(limit)),
            Test::Order(_, Scalar::Number(_) | Scalar::Boolean(_)) => false,
            Test::Contains(part) => value.contains(part.as_str()),
        }
    }
}

impl Order {
    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Order::Greater => ordering.is_gt(),
            Order::GreaterOrEqual => ordering.is_ge(),
            Order::Less => ordering.is_lt(),
            Order::LessOrEqual => ordering.is_le(),
        }
    }
}

struct Compiler<'a> {
    spec: &'a BaseSpec,
    others: &'a [&'a BaseSpec],
}

const OPERATORS: &str = "eq, ne, in, gt, gte, lt, lte, contains, exists";

fn invalid(message: String, hint: &str) -> KnowledgeError {
    KnowledgeError::InvalidFilter { message, hint: hint.to_owned() }
}

impl Compiler<'_> {
    fn all_of(&self, written: &Value, depth: usize) -> Result<Filter, KnowledgeError> {
        if depth > MAX_DEPTH {
            return Err(invalid(format!("it is nested deeper than {MAX_DEPTH}"), "write it flatter"));
        }
        let members = match written {
            Value::Null => return Ok(Filter::All(Vec::new())),
            Value::Object(members) => members,
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(invalid(
                    format!("an object is wanted, and it is {}", value::shape(other)),
                    "for example {\"price\": {\"lte\": 30}}",
                ));
            }
        };
        let mut all = Vec::new();
        for (name, condition) in members {
            match name.as_str() {
                "all" => all.extend(self.list_of(name, condition, depth)?),
                "any" => all.push(Filter::Any(self.list_of(name, condition, depth)?)),
                "not" => all.push(Filter::Not(Box::new(self.all_of(condition, depth + 1)?))),
                _ => self.conditions(name, condition, &mut all)?,
            }
        }
        Ok(Filter::All(all))
    }

    fn list_of(&self, name: &str, written: &Value, depth: usize) -> Result<Vec<Filter>, KnowledgeError> {
        let Value::Array(items) = written else {
            return Err(invalid(
                format!("`{name}` wants a list of filters, and it is {}", value::shape(written)),
                "for example {\"any\": [{\"price\": {\"lte\": 30}}, {\"category\": \"汤\"}]}",
            ));
        };
        items.iter().map(|it| self.all_of(it, depth + 1)).collect()
    }

    fn conditions(&self, name: &str, written: &Value, all: &mut Vec<Filter>) -> Result<(), KnowledgeError> {
        // A field of another base of this search: here it has no value. Its conditions are checked over there.
        let other = self.others.iter().find(|it| it.field(name).is_some());
        if let (None, Some(other)) = (self.spec.field(name), other) {
            let there = Compiler { spec: other, others: &[] };
            return there.conditions(name, written, all);
        }
        let field = filterable(self.spec, name)?;
        let tests = match written {
            Value::Object(operators) => self.tests(name, field.kind, operators)?,
            Value::Array(_) => {
                return Err(invalid(
                    format!("`{name}` is compared with a list"),
                    "write {\"in\": […]} for any of them",
                ));
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                vec![equality(name, field.kind, scalar)?]
            }
        };
        all.extend(tests.into_iter().map(|test| Filter::Test { field: name.to_owned(), test }));
        Ok(())
    }

    fn tests(&self, name: &str, kind: FieldKind, operators: &Map<String, Value>) -> Result<Vec<Test>, KnowledgeError> {
        if operators.is_empty() {
            return Err(invalid(format!("`{name}` has no operator"), &format!("there are {OPERATORS}")));
        }
        operators.iter().map(|(operator, given)| test(name, kind, operator, given)).collect()
    }
}

/// The field of this name, if records can be told apart by it.
pub(crate) fn filterable<'spec>(spec: &'spec BaseSpec, name: &str) -> Result<&'spec FieldSpec, KnowledgeError> {
    let Some(field) = spec.field(name) else {
        let known: Vec<String> = spec.fields.iter().filter(|it| it.filter).map(|it| format!("`{}`", it.name)).collect();
        let close = spec.fields.iter().map(|it| it.name.as_str()).find(|it| it.eq_ignore_ascii_case(name));
        let hint = match close {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("operators go inside the field: {{\"field\": {{\"gte\": 2}}}}; there are {OPERATORS}"),
        };
        return Err(KnowledgeError::InvalidFilter {
            message: format!(
                "`{}` has no field `{name}`; fields to filter by: {}",
                spec.name,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ),
            hint,
        });
    };
    if !field.filter {
        return Err(invalid(
            format!("the field `{name}` of `{}` is not for filtering", spec.name),
            "give it `filter: true` in the knowledge base's fields, and upload its documents again",
        ));
    }
    Ok(field)
}

fn equality(name: &str, kind: FieldKind, given: &Value) -> Result<Test, KnowledgeError> {
    if given.is_null() {
        return Ok(Test::Exists(false));
    }
    Ok(Test::In(vec![scalar(name, kind, given)?]))
}

fn test(name: &str, kind: FieldKind, operator: &str, given: &Value) -> Result<Test, KnowledgeError> {
    let order = |order: Order| -> Result<Test, KnowledgeError> {
        match kind {
            FieldKind::Number | FieldKind::Date => Ok(Test::Order(order, scalar(name, kind, given)?)),
            FieldKind::Text | FieldKind::Keyword | FieldKind::Boolean | FieldKind::List => Err(invalid(
                format!("`{name}` is of type {}, which has no `{operator}`", kind.as_str()),
                "greater and less are for numbers and dates",
            )),
        }
    };
    match operator {
        "eq" => equality(name, kind, given),
        "ne" if given.is_null() => Ok(Test::Exists(true)),
        "ne" => Ok(Test::Ne(scalar(name, kind, given)?)),
        "in" => match given {
            Value::Array(items) if items.len() <= MAX_VALUES => {
                Ok(Test::In(items.iter().map(|it| scalar(name, kind, it)).collect::<Result<_, _>>()?))
            }
            Value::Array(items) => Err(invalid(
                format!("`in` of `{name}` has {} values, at most {MAX_VALUES}", items.len()),
                "use a range",
            )),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                Err(invalid(
                    format!("`in` of `{name}` wants a list, and it is {}", value::shape(other)),
                    "for example {\"in\": [\"a\", \"b\"]}",
                ))
            }
        },
        "gt" => order(Order::Greater),
        "gte" => order(Order::GreaterOrEqual),
        "lt" => order(Order::Less),
        "lte" => order(Order::LessOrEqual),
        "contains" => match (kind, given) {
            (FieldKind::Text | FieldKind::Keyword, Value::String(part)) => Ok(Test::Contains(fold(part))),
            // Of a list, an element is meant, which is what equality of a list says.
            (FieldKind::List, _) => Ok(Test::In(vec![scalar(name, kind, given)?])),
            (FieldKind::Text | FieldKind::Keyword, other) => Err(invalid(
                format!("`contains` of `{name}` wants text, and it is {}", value::shape(other)),
                "put it in quotes",
            )),
            (FieldKind::Number | FieldKind::Date | FieldKind::Boolean, _) => Err(invalid(
                format!("`{name}` is of type {}, which has no `contains`", kind.as_str()),
                "`contains` is for text, keywords and lists",
            )),
        },
        "exists" => match given {
            Value::Bool(wanted) => Ok(Test::Exists(*wanted)),
            other @ (Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
                Err(invalid(
                    format!("`exists` of `{name}` wants true or false, and it is {}", value::shape(other)),
                    "write true",
                ))
            }
        },
        _ => Err(invalid(format!("`{name}` has the unknown operator `{operator}`"), &format!("there are {OPERATORS}"))),
    }
}

fn scalar(name: &str, kind: FieldKind, given: &Value) -> Result<Scalar, KnowledgeError> {
    let mismatch = || {
        invalid(
            format!("`{name}` is of type {} and is compared with {}", kind.as_str(), value::shape(given)),
            match kind {
                FieldKind::Number => "write a number without quotes",
                FieldKind::Boolean => "write true or false without quotes",
                FieldKind::Date => "write a date: \"2026-10-31\"",
                FieldKind::Text | FieldKind::Keyword | FieldKind::List => "put it in quotes",
            },
        )
    };
    match (kind, given) {
        (FieldKind::Number, Value::Number(it)) => it.as_f64().map(Scalar::Number).ok_or_else(mismatch),
        (FieldKind::Boolean, Value::Bool(it)) => Ok(Scalar::Boolean(*it)),
        (FieldKind::Date, Value::String(it)) => {
            value::date(it).map(Scalar::Word).map_err(|it| invalid(it.message, "write a date: \"2026-10-31\""))
        }
        (FieldKind::Text | FieldKind::Keyword | FieldKind::List, Value::String(it)) => Ok(Scalar::Word(fold(it))),
        _ => Err(mismatch()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> BaseSpec {
        BaseSpec::from_yaml(
            "knowledge: menu\nfields:\n  name: { type: text, filter: false }\n  category: keyword\n  price: number\n  fresh: boolean\n  day: date\n  tags: list\n",
        )
        .unwrap()
    }

    fn passing(filter: Value) -> Vec<usize> {
        let rows = [
            json!({"category": "热菜", "price": 30, "fresh": true, "day": "2026-10-01", "tags": ["辣", "Beef"]}),
            json!({"category": "凉菜", "price": 12.5, "fresh": false, "day": "2026-10-15", "tags": ["素"]}),
            json!({"category": "Soup A", "price": 30}),
            json!({}),
        ];
        let spec = spec();
        let columns = Columns {
            rows: rows.len(),
            named: spec
                .fields
                .iter()
                .filter(|it| it.filter)
                .map(|field| {
                    let mut builder = ColumnBuilder::new(field.kind);
                    rows.iter().for_each(|row| builder.push(row.get(&field.name)));
                    (field.name.clone(), builder.finish())
                })
                .collect(),
        };
        let filter = Filter::compile(&filter, &spec, &[]).unwrap();
        filter.evaluate(&columns).iter().enumerate().filter(|(_, it)| **it).map(|(at, _)| at).collect()
    }

    #[test]
    fn every_operator_selects_what_it_says() {
        assert_eq!(passing(json!({})), [0, 1, 2, 3]);
        assert_eq!(passing(json!({"category": "热菜"})), [0]);
        assert_eq!(passing(json!({"category": {"eq": "ｓｏｕｐ a"}})), [2], "width and case do not matter");
        assert_eq!(passing(json!({"category": {"ne": "热菜"}})), [1, 2, 3]);
        assert_eq!(passing(json!({"category": {"in": ["热菜", "凉菜"]}})), [0, 1]);
        assert_eq!(passing(json!({"category": {"contains": "菜"}})), [0, 1]);
        assert_eq!(passing(json!({"price": 30})), [0, 2]);
        assert_eq!(passing(json!({"price": {"gt": 12.5}})), [0, 2]);
        assert_eq!(passing(json!({"price": {"gte": 12.5, "lt": 30}})), [1]);
        assert_eq!(passing(json!({"price": {"lte": 12.5}})), [1]);
        assert_eq!(passing(json!({"price": {"in": [12.5, 99]}})), [1]);
        assert_eq!(passing(json!({"fresh": true})), [0]);
        assert_eq!(passing(json!({"fresh": {"ne": true}})), [1, 2, 3]);
        assert_eq!(passing(json!({"day": {"gte": "2026/10/2", "lte": "2026-10-31"}})), [1]);
        assert_eq!(passing(json!({"tags": "beef"})), [0]);
        assert_eq!(passing(json!({"tags": {"in": ["素", "辣"]}})), [0, 1]);
        assert_eq!(passing(json!({"tags": {"contains": "辣"}})), [0]);
        assert_eq!(passing(json!({"tags": {"ne": "辣"}})), [1, 2, 3]);
        assert_eq!(passing(json!({"tags": {"exists": true}})), [0, 1]);
        assert_eq!(passing(json!({"tags": null})), [2, 3]);
        assert_eq!(passing(json!({"any": [{"price": {"lt": 20}}, {"category": "热菜"}]})), [0, 1]);
        assert_eq!(passing(json!({"not": {"price": 30}})), [1, 3]);
        assert_eq!(passing(json!({"all": [{"price": 30}, {"fresh": true}]})), [0]);
        assert_eq!(passing(json!({"any": []})), [0usize; 0]);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (filter, words) in [
            (json!({"spice": 1}), "no field `spice`; fields to filter by: `category`, `price`, `fresh`, `day`, `tags`"),
            (json!({"name": "x"}), "not for filtering"),
            (json!({"price": "30"}), "type number and is compared with the text “30”"),
            (json!({"price": {"gte": null}}), "null"),
            (json!({"price": {"above": 3}}), "unknown operator `above`"),
            (json!({"category": {"gt": "a"}}), "no `gt`"),
            (json!({"day": "someday"}), "not a date"),
            (json!({"fresh": 1}), "boolean"),
            (json!({"tags": ["a"]}), "compared with a list"),
            (json!({"price": {}}), "no operator"),
            (json!({"any": {"price": 1}}), "list of filters"),
            (json!([1]), "an object is wanted"),
        ] {
            let error = Filter::compile(&filter, &spec(), &[]).unwrap_err();
            assert!(error.to_string().contains(words), "{filter} gives {error}");
            assert_eq!(error.code(), "invalid_filter");
            assert!(error.hint().is_some());
        }
    }
}
