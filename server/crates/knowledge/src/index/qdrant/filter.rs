//! Filters as Qdrant evaluates them. What is the same for every record is decided here, so that no condition has to stand for
//! always or never.

use qdrant_client::qdrant::{Condition, Filter as Conditions, Range, r#match::MatchValue};

use super::point::{BASE, DOCUMENT, GROUPS, LIVE, Place, TENANT, VERSION};
use crate::filter::{Filter, Order, Scalar, Test};
use crate::spec::{BaseSpec, FieldKind};

/// Where a payload has a field's value. Bases of all tenants are in one collection, and what one calls a number another
/// calls a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Word,
    Number,
    Boolean,
    Date,
}

impl Slot {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Slot::Word => "word",
            Slot::Number => "number",
            Slot::Boolean => "boolean",
            Slot::Date => "date",
        }
    }
}

pub(super) fn slot_of(kind: FieldKind) -> Slot {
    match kind {
        FieldKind::Text | FieldKind::Keyword | FieldKind::List => Slot::Word,
        FieldKind::Number => Slot::Number,
        FieldKind::Boolean => Slot::Boolean,
        FieldKind::Date => Slot::Date,
    }
}

/// A field's path within a payload.
pub(super) fn path(kind: FieldKind, name: &str) -> String {
    format!("{}.{name}", slot_of(kind).as_str())
}

/// `2026-10-31` as 20261031, whose order is that of the days.
pub(super) fn day(date: &str) -> Option<i64> {
    let digits: String = date.trim().chars().filter(|it| *it != '-').collect();
    (digits.len() == 8).then(|| digits.parse().ok()).flatten()
}

/// Which records pass.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a search has a few, for a moment")]
pub(super) enum Passing {
    All,
    None,
    Some(Condition),
}

impl Passing {
    fn not(self) -> Passing {
        match self {
            Passing::All => Passing::None,
            Passing::None => Passing::All,
            Passing::Some(condition) => Passing::Some(Conditions::must_not([condition]).into()),
        }
    }

    fn always(passes: bool) -> Passing {
        if passes { Passing::All } else { Passing::None }
    }

    fn all(parts: impl Iterator<Item = Passing>) -> Passing {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Passing::All => {}
                Passing::None => return Passing::None,
                Passing::Some(condition) => conditions.push(condition),
            }
        }
        match conditions.len() {
            0 => Passing::All,
            1 => conditions.pop().map_or(Passing::All, Passing::Some),
            _ => Passing::Some(Conditions::must(conditions).into()),
        }
    }

    fn any(parts: impl Iterator<Item = Passing>) -> Passing {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Passing::All => return Passing::All,
                Passing::None => {}
                Passing::Some(condition) => conditions.push(condition),
            }
        }
        match conditions.len() {
            0 => Passing::None,
            1 => conditions.pop().map_or(Passing::None, Passing::Some),
            _ => Passing::Some(Conditions::should(conditions).into()),
        }
    }
}

/// A checked filter over the fields of its base.
pub(super) fn passing(filter: &Filter, spec: &BaseSpec) -> Passing {
    match filter {
        Filter::All(all) => Passing::all(all.iter().map(|it| passing(it, spec))),
        Filter::Any(any) => Passing::any(any.iter().map(|it| passing(it, spec))),
        Filter::Not(inner) => passing(inner, spec).not(),
        Filter::Test { field, test } => match spec.field(field).filter(|it| it.filter) {
            Some(field) => passes(&path(field.kind, &field.name), test),
            // A field of another base of the same search: here no record has it.
            None => Passing::always(test.passes_without_value()),
        },
    }
}

fn passes(path: &str, test: &Test) -> Passing {
    match test {
        Test::Exists(wanted) => {
            let missing = Passing::Some(Condition::is_empty(path));
            if *wanted { missing.not() } else { missing }
        }
        Test::In(any) => one_of(path, any),
        Test::Ne(one) => one_of(path, std::slice::from_ref(one)).not(),
        Test::Order(order, limit) => match number(path, limit) {
            Some(limit) => Passing::Some(Condition::range(path, range(*order, limit))),
            None => Passing::None,
        },
        // Every word has nothing in it.
        Test::Contains(part) if part.is_empty() => Passing::Some(Condition::is_empty(path)).not(),
        Test::Contains(part) => Passing::Some(Condition::matches_substring(path, part.as_str())),
    }
}

fn one_of(path: &str, any: &[Scalar]) -> Passing {
    let mut words = Vec::new();
    let mut days = Vec::new();
    let mut others = Vec::new();
    let dates = is_date(path);
    for scalar in any {
        match scalar {
            Scalar::Word(word) if dates => days.extend(day(word)),
            Scalar::Word(word) => words.push(word.clone()),
            Scalar::Boolean(boolean) => others.push(Condition::matches(path, *boolean)),
            // Qdrant compares numbers with a fraction only by their order.
            Scalar::Number(number) => others
                .push(Condition::range(path, Range { gte: Some(*number), lte: Some(*number), ..Range::default() })),
        }
    }
    if !words.is_empty() {
        others.push(Condition::matches(path, MatchValue::from(words)));
    }
    if !days.is_empty() {
        others.push(Condition::matches(path, MatchValue::from(days)));
    }
    Passing::any(others.into_iter().map(Passing::Some))
}

fn is_date(path: &str) -> bool {
    path.split_once('.').is_some_and(|(slot, _)| slot == Slot::Date.as_str())
}

fn number(path: &str, limit: &Scalar) -> Option<f64> {
    match limit {
        Scalar::Number(number) => Some(*number),
        // Eight digits are exact.
        Scalar::Word(word) if is_date(path) => day(word).map(|it| it as f64),
        Scalar::Word(_) | Scalar::Boolean(_) => None,
    }
}

fn range(order: Order, limit: f64) -> Range {
    let limit = Some(limit);
    match order {
        Order::Greater => Range { gt: limit, ..Range::default() },
        Order::GreaterOrEqual => Range { gte: limit, ..Range::default() },
        Order::Less => Range { lt: limit, ..Range::default() },
        Order::LessOrEqual => Range { lte: limit, ..Range::default() },
    }
}

fn word(key: &str, value: &str) -> Condition {
    // Said outright: of a plain text with a space, the client makes a search for its words.
    Condition::matches(key, MatchValue::Keyword(value.to_owned()))
}

/// Everything of one base.
pub(super) fn of_base(tenant: &str, base: &str) -> Vec<Condition> {
    vec![word(TENANT, tenant), word(BASE, base)]
}

/// Everything of one document.
fn of_document(place: Place<'_>) -> Vec<Condition> {
    let mut all = of_base(place.tenant, place.base);
    all.push(word(DOCUMENT, place.document));
    all
}

pub(super) fn of_version(place: Place<'_>) -> Vec<Condition> {
    let mut all = of_document(place);
    all.push(Condition::matches(VERSION, place.number));
    all
}

pub(super) fn of_older_versions(place: Place<'_>) -> Vec<Condition> {
    let mut all = of_document(place);
    all.push(Condition::range(VERSION, Range { lt: Some(place.number as f64), ..Range::default() }));
    all
}

pub(super) fn is_live(live: bool) -> Condition {
    Condition::matches(LIVE, live)
}

/// What of one base answers, for somebody in these groups.
pub(super) fn answering(tenant: &str, base: &str, groups: Option<&[String]>) -> Vec<Condition> {
    let mut all = of_base(tenant, base);
    all.push(is_live(true));
    if let Some(groups) = groups {
        let open = Condition::is_empty(GROUPS);
        all.push(if groups.is_empty() {
            open
        } else {
            Conditions::should([open, Condition::matches(GROUPS, MatchValue::from(groups.to_vec()))]).into()
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec() -> BaseSpec {
        BaseSpec::from_yaml(
            "knowledge: menu\nfields:\n  name: { type: text, filter: true }\n  price: number\n  fresh: boolean\n  day: date\n  tags: list\n",
        )
        .unwrap()
    }

    fn made(filter: Value) -> Passing {
        passing(&Filter::compile(&filter, &spec(), &[]).unwrap(), &spec())
    }

    #[test]
    fn what_holds_for_every_record_needs_no_condition() {
        assert_eq!(made(json!({})), Passing::All);
        assert_eq!(made(json!({"any": []})), Passing::None);
        assert_eq!(made(json!({"name": {"in": []}})), Passing::None);
        assert_eq!(made(json!({"not": {"any": []}})), Passing::All);
        assert_eq!(made(json!({"price": 3, "any": []})), Passing::None);
        assert_eq!(made(json!({"any": [{}, {"price": 3}]})), Passing::All);
        let other = BaseSpec::from_yaml("knowledge: other\nfields:\n  body: text\n  colour: keyword\n").unwrap();
        let elsewhere = |filter: Value| {
            let filter = Filter::compile(&filter, &spec(), &[&other]).unwrap();
            passing(&filter, &spec())
        };
        assert_eq!(elsewhere(json!({"colour": "red"})), Passing::None);
        assert_eq!(elsewhere(json!({"colour": {"ne": "red"}})), Passing::All);
    }

    #[test]
    fn every_kind_is_compared_in_its_own_slot() {
        let range = |it: Range| Passing::Some(Condition::range("number.price", it));
        assert_eq!(made(json!({"price": 3})), range(Range { gte: Some(3.0), lte: Some(3.0), ..Range::default() }));
        assert_eq!(made(json!({"price": {"gt": 3}})), range(Range { gt: Some(3.0), ..Range::default() }));
        assert_eq!(
            made(json!({"day": {"lte": "2026-10-31"}})),
            Passing::Some(Condition::range("date.day", Range { lte: Some(20_261_031.0), ..Range::default() }))
        );
        assert_eq!(
            made(json!({"tags": {"in": ["Ｂeef"]}})),
            Passing::Some(Condition::matches("word.tags", vec!["beef".to_owned()]))
        );
        assert_eq!(
            made(json!({"name": {"contains": "鱼"}})),
            Passing::Some(Condition::matches_substring("word.name", "鱼"))
        );
        assert_eq!(made(json!({"fresh": null})), Passing::Some(Condition::is_empty("boolean.fresh")));
        assert_eq!(
            made(json!({"name": {"contains": ""}})),
            Passing::Some(Conditions::must_not([Condition::is_empty("word.name")]).into())
        );
    }
}
