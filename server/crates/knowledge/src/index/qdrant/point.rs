//! A record as a point: an id that every server computes alike, its two vectors, and the payload that filters speak of.

use std::collections::HashMap;

use qdrant_client::qdrant::{NamedVectors, PointStruct, Value as Stored, Vector};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::filter::{Slot, slot_of};
use crate::error::KnowledgeError;
use crate::filter::fold;
use crate::index::postings::term_weights;
use crate::spec::{BaseSpec, FieldKind};

/// The named vectors of a collection.
pub(super) const DENSE: &str = "dense";
pub(super) const LEXICAL: &str = "lexical";

/// The members of a payload that are not fields.
pub(super) const TENANT: &str = "tenant";
pub(super) const BASE: &str = "base";
pub(super) const DOCUMENT: &str = "document";
pub(super) const VERSION: &str = "version";
pub(super) const ORDINAL: &str = "ordinal";
pub(super) const LIVE: &str = "live";
pub(super) const GROUPS: &str = "groups";

/// What the ids of points are made under.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0a_2c5e_9a3d_4f57_8f5e_0d61_7c1b_42aa);

/// Of how many words and characters a record is taken to be on average. A point is written once, so it cannot follow what its
/// base's average becomes; this is a passage of two hundred Chinese characters, each of which counts beside its words.
const AVERAGE_LENGTH: f32 = 300.0;

/// A document's version, as points name it. Its number is the same on every server, and its row is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) tenant: &'a str,
    pub(super) base: &'a str,
    pub(super) document: &'a str,
    pub(super) number: i64,
}

impl Place<'_> {
    pub(super) fn id(&self, ordinal: u32) -> String {
        let Place { tenant, base, document, number } = self;
        let name = format!("{tenant}\n{base}\n{document}\n{number}\n{ordinal}");
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }
}

/// What of a record its point is made of.
pub(super) struct Written {
    pub(super) ordinal: u32,
    pub(super) vector: Option<Vec<f32>>,
    /// As `records.terms` has them.
    pub(super) terms: Vec<u8>,
    pub(super) fields: Map<String, Value>,
}

pub(super) fn point(
    place: Place<'_>,
    (groups, live): (&[String], bool),
    spec: &BaseSpec,
    record: Written,
) -> Result<PointStruct, KnowledgeError> {
    let Written { ordinal, vector, terms, fields } = record;
    let mut vectors: HashMap<String, Vector> = HashMap::new();
    if let Some(vector) = vector {
        vectors.insert(DENSE.to_owned(), Vector::new_dense(vector));
    }
    let (indices, values) = sparse(&terms).ok_or_else(|| KnowledgeError::Damaged {
        tenant: place.tenant.to_owned(),
        message: "a record's words cannot be read".to_owned(),
    })?;
    if !indices.is_empty() {
        vectors.insert(LEXICAL.to_owned(), Vector::new_sparse(indices, values));
    }
    let mut payload = payload_of(&fields, spec);
    payload.extend([
        (TENANT.to_owned(), Stored::from(place.tenant)),
        (BASE.to_owned(), Stored::from(place.base)),
        (DOCUMENT.to_owned(), Stored::from(place.document)),
        (VERSION.to_owned(), Stored::from(place.number)),
        (ORDINAL.to_owned(), Stored::from(i64::from(ordinal))),
        (LIVE.to_owned(), Stored::from(live)),
        (GROUPS.to_owned(), words(groups.iter().cloned())),
    ]);
    Ok(PointStruct::new(place.id(ordinal), NamedVectors { vectors }, payload))
}

pub(super) fn words(all: impl Iterator<Item = String>) -> Stored {
    Stored::from(all.map(Stored::from).collect::<Vec<_>>())
}

/// The filterable fields, under the name of their slot: bases may use one name for values of several kinds. Words are
/// folded as filters fold theirs.
fn payload_of(fields: &Map<String, Value>, spec: &BaseSpec) -> HashMap<String, Stored> {
    let mut slots: HashMap<Slot, Vec<(&str, Stored)>> = HashMap::new();
    for field in spec.fields.iter().filter(|it| it.filter) {
        let Some(value) = fields.get(&field.name) else { continue };
        let stored = match field.kind {
            FieldKind::Number => value.as_f64().map(Stored::from),
            FieldKind::Boolean => value.as_bool().map(Stored::from),
            FieldKind::Date => value.as_str().and_then(super::filter::day).map(Stored::from),
            FieldKind::Text | FieldKind::Keyword => value.as_str().map(|it| Stored::from(fold(it))),
            FieldKind::List => {
                let items: Vec<String> =
                    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(fold).collect();
                (!items.is_empty()).then(|| words(items.into_iter()))
            }
        };
        if let Some(stored) = stored {
            slots.entry(slot_of(field.kind)).or_default().push((&field.name, stored));
        }
    }
    slots.into_iter().map(|(slot, members)| (slot.as_str().to_owned(), Stored::from(members))).collect()
}

/// What a record's words weigh; Qdrant multiplies by how rare each is where it searches. None for what cannot be read.
fn sparse(terms: &[u8]) -> Option<(Vec<u32>, Vec<f32>)> {
    let mut weights: HashMap<u32, f32> = HashMap::new();
    for (key, weight) in term_weights(terms, AVERAGE_LENGTH)? {
        *weights.entry(dimension(key)).or_default() += weight;
    }
    let mut weights: Vec<(u32, f32)> = weights.into_iter().collect();
    weights.sort_unstable_by_key(|it| it.0);
    Some(weights.into_iter().unzip())
}

/// A word's number in 32 bits: characters keep theirs, and words have 31 bits of their hash above those.
pub(super) fn dimension(key: u64) -> u32 {
    const WORDS: u32 = 1 << 31;
    const CHARACTERS: u64 = 1 << 21;
    let low = u32::try_from(key & u64::from(WORDS - 1)).unwrap_or_default();
    if key < CHARACTERS { low } else { WORDS | low }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::index::postings::encode;
    use crate::lexical::{Names, terms_of_text};

    #[test]
    fn a_point_is_named_by_everything_that_tells_it_apart() {
        let place = Place { tenant: "t", base: "b", document: "d", number: 3 };
        let ids = [
            place.id(0),
            place.id(1),
            Place { number: 4, ..place }.id(0),
            Place { document: "e", ..place }.id(0),
            Place { base: "c", ..place }.id(0),
            Place { tenant: "u", ..place }.id(0),
        ];
        let distinct: std::collections::HashSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(place.id(0), "cfda11ad-18b1-54bc-a871-d052a8b1c039", "servers of different versions agree");
    }

    #[test]
    fn words_weigh_more_than_characters_and_repetitions_less_than_twice() {
        let terms = encode(&terms_of_text("豆腐 tofu tofu 鱼", &Names::default()));
        let (indices, values) = sparse(&terms).unwrap();
        assert!(indices.windows(2).all(|it| it[0] < it[1]), "each once, in order");
        let weight = |key: u64| values[indices.iter().position(|it| *it == dimension(key)).unwrap()];
        let keys = crate::index::postings::query_keys(&terms_of_text("豆腐 tofu", &Names::default()));
        let (word, twice) = (weight(keys[0]), weight(keys[1]));
        let character = weight(u64::from(u32::from('豆')));
        assert!(character < word && word < twice && twice < 2.0 * word, "{character} {word} {twice}");
        assert!(sparse(&[0x80]).is_none());
        assert!(sparse(&[]).unwrap().0.is_empty());
    }

    #[test]
    fn fields_are_stored_as_filters_compare_them() {
        let spec = BaseSpec::from_yaml(
            "knowledge: menu\nfields:\n  body: text\n  category: keyword\n  price: number\n  day: date\n  tags: list\n  fresh: boolean\n",
        )
        .unwrap();
        let fields = json!({"body": "not for filtering", "category": "ＳＯＵＰ", "price": 30, "day": "2026-10-01",
            "tags": ["Beef", 7], "fresh": false});
        let payload = payload_of(fields.as_object().unwrap(), &spec);
        let stored = |slot: &str, name: &str| payload[slot].get_value(name).cloned();
        assert_eq!(stored("word", "category"), Some(Stored::from("soup")));
        assert_eq!(stored("word", "tags"), Some(words(["beef".to_owned()].into_iter())));
        assert_eq!(stored("word", "body"), None);
        assert_eq!(stored("number", "price"), Some(Stored::from(30.0)));
        assert_eq!(stored("date", "day"), Some(Stored::from(20_261_001)));
        assert_eq!(stored("boolean", "fresh"), Some(Stored::from(false)));
        assert!(payload_of(json!({"tags": [], "price": null}).as_object().unwrap(), &spec).is_empty());
    }
}
