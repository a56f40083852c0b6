//! Filters as a Qdrant server evaluates them: the conditions that the index sends, and a loud refusal of all others.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, FieldCondition, Filter, Range, Value, condition::ConditionOneOf, r#match::MatchValue, value::Kind,
};
use tonic::Status;

use super::store::Point;

pub(super) fn passes(filter: &Filter, point: &Point) -> Result<bool, Status> {
    let Filter { should, must, must_not, min_should } = filter;
    if min_should.is_some() {
        return Err(Status::unimplemented("the test server has no `min_should`"));
    }
    let mut any = should.is_empty();
    for condition in should {
        any |= holds(condition, point)?;
    }
    let mut all = true;
    for condition in must {
        all &= holds(condition, point)?;
    }
    for condition in must_not {
        all &= !holds(condition, point)?;
    }
    Ok(any && all)
}

fn holds(condition: &Condition, point: &Point) -> Result<bool, Status> {
    match condition.condition_one_of.as_ref() {
        Some(ConditionOneOf::Filter(filter)) => passes(filter, point),
        Some(ConditionOneOf::Field(field)) => field_holds(field, point),
        Some(ConditionOneOf::IsEmpty(it)) => Ok(values(&point.payload, &it.key).is_empty()),
        Some(ConditionOneOf::HasVector(it)) => Ok(point.vectors.contains_key(&it.has_vector)),
        other => Err(Status::unimplemented(format!("the test server does not know the condition {other:?}"))),
    }
}

fn field_holds(condition: &FieldCondition, point: &Point) -> Result<bool, Status> {
    let values = values(&point.payload, &condition.key);
    let known = FieldCondition { key: String::new(), r#match: None, range: None, ..condition.clone() };
    if known != FieldCondition::default() {
        return Err(Status::unimplemented(format!("the test server does not know the condition {known:?}")));
    }
    let mut holds = true;
    if let Some(wanted) = &condition.r#match {
        let wanted =
            wanted.match_value.as_ref().ok_or_else(|| Status::invalid_argument("Malformed Match condition"))?;
        let mut any = false;
        for value in &values {
            any |= matches(wanted, value)?;
        }
        holds &= any;
    }
    if let Some(range) = &condition.range {
        holds &= values.iter().any(|it| within(range, it));
    }
    Ok(holds)
}

fn matches(wanted: &MatchValue, value: &Value) -> Result<bool, Status> {
    Ok(match (wanted, value.kind.as_ref()) {
        (MatchValue::Keyword(wanted), Some(Kind::StringValue(it))) => it == wanted,
        (MatchValue::Keywords(wanted), Some(Kind::StringValue(it))) => wanted.strings.contains(it),
        (MatchValue::Substring(wanted), Some(Kind::StringValue(it))) => it.contains(wanted),
        (MatchValue::Integer(wanted), Some(Kind::IntegerValue(it))) => it == wanted,
        (MatchValue::Integers(wanted), Some(Kind::IntegerValue(it))) => wanted.integers.contains(it),
        (MatchValue::Boolean(wanted), Some(Kind::BoolValue(it))) => it == wanted,
        (
            MatchValue::Keyword(_)
            | MatchValue::Keywords(_)
            | MatchValue::Substring(_)
            | MatchValue::Integer(_)
            | MatchValue::Integers(_)
            | MatchValue::Boolean(_),
            _,
        ) => false,
        (other, _) => return Err(Status::unimplemented(format!("the test server does not know the match {other:?}"))),
    })
}

fn within(range: &Range, value: &Value) -> bool {
    let number = match value.kind.as_ref() {
        Some(Kind::IntegerValue(it)) => *it as f64,
        Some(Kind::DoubleValue(it)) => *it,
        _ => return false,
    };
    range.lt.is_none_or(|it| number < it)
        && range.gt.is_none_or(|it| number > it)
        && range.gte.is_none_or(|it| number >= it)
        && range.lte.is_none_or(|it| number <= it)
}

/// What stands at a path; the elements of a list one by one.
fn values(payload: &HashMap<String, Value>, path: &str) -> Vec<Value> {
    let mut steps = path.split('.');
    let mut found = steps.next().and_then(|it| payload.get(it));
    for step in steps {
        found = match found.and_then(|it| it.kind.as_ref()) {
            Some(Kind::StructValue(it)) => it.fields.get(step),
            _ => None,
        };
    }
    match found.and_then(|it| it.kind.clone()) {
        None | Some(Kind::NullValue(_)) => Vec::new(),
        Some(Kind::ListValue(it)) => it.values,
        Some(kind) => vec![Value { kind: Some(kind) }],
    }
}
