//! The tenant's knowledge bases. Needs the permission `knowledge(name = "…")` in `#[plugin]` and the tenant's grant.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::host;

/// Most hits that one search gives.
pub const MAX_TOP_K: u32 = 100;
/// Most entries on one page of [`list`].
pub const MAX_PAGE: u32 = 1000;

/// One record or passage.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: String,
    /// Name of the document it came from.
    pub document: String,
    pub text: String,
    /// The typed fields of the knowledge base.
    pub fields: Map<String, Value>,
}

impl Entry {
    /// The fields as a type of yours; the error names the field that does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_path_to_error::deserialize(Value::Object(self.fields.clone()))
            .map_err(|error| Error::Failed(format!("record {} of {}: {error}", self.id, self.document)))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub entry: Entry,
    /// Higher is better; comparable within one result only.
    pub score: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There are hits.
    Ok,
    /// Nothing in scope matched.
    Empty,
    /// Something matched, but nothing reached `min_score`.
    BelowThreshold,
    /// There may be better hits than these; the reason says why.
    Degraded,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Empty => "empty",
            Self::BelowThreshold => "below_threshold",
            Self::Degraded => "degraded",
        }
    }
}

/// What to look for. Start from [`Search::new`] and change what should differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub knowledge_base: String,
    /// Plain words, at most 8 KiB.
    pub query: String,
    /// 1 to [`MAX_TOP_K`].
    pub top_k: u32,
    /// A typed filter, for example `{"spice_level": {"gte": 2}}`.
    pub filter: Option<Value>,
    pub min_score: Option<f64>,
    /// `hybrid` (also when none), `dense` or `lexical`.
    pub mode: Option<String>,
}

impl Search {
    pub fn new(knowledge_base: impl Into<String>, query: impl Into<String>) -> Self {
        Self {
            knowledge_base: knowledge_base.into(),
            query: query.into(),
            top_k: 8,
            filter: None,
            min_score: None,
            mode: None,
        }
    }

    /// What does not fit into typed fields travels as JSON, so that it can grow without breaking old plugins.
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "the fake host reads the fields themselves"))]
    pub(crate) fn options_json(&self) -> String {
        let mut options = Map::new();
        if let Some(filter) = &self.filter {
            options.insert("filter".to_owned(), filter.clone());
        }
        if let Some(min_score) = self.min_score {
            options.insert("min_score".to_owned(), min_score.into());
        }
        if let Some(mode) = &self.mode {
            options.insert("mode".to_owned(), mode.as_str().into());
        }
        if options.is_empty() { String::new() } else { Value::Object(options).to_string() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub status: Status,
    pub reason: Option<String>,
    pub hits: Vec<Hit>,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Pass it to the next [`list`]; none on the last page.
    pub next_cursor: Option<String>,
}

/// The best hits for a question, by meaning and by words.
pub fn search(search: &Search) -> Result<Found> {
    host::current(|host| host.search(search))
}

/// One entry by its id.
pub fn get(knowledge_base: &str, id: &str) -> Result<Entry> {
    host::current(|host| host.get(knowledge_base, id))
}

/// Entries that pass a filter, in the order of the document, one page of at most [`MAX_PAGE`].
pub fn list(knowledge_base: &str, filter: Option<&Value>, cursor: Option<&str>, limit: u32) -> Result<Page> {
    host::current(|host| host.list(knowledge_base, filter, cursor, limit))
}

/// Rows, or groups with figures, over a knowledge base's typed fields: sums are made on the server, and only they come here.
///
/// ```ignore
/// let by_channel = Query::new().filter(json!({"date": {"gte": "2026-10-01"}})).group_by("channel").sum("total", "spend");
/// let rows: Vec<Channel> = by_channel.order_by_descending("total").limit(10).run("ads")?.read()?;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a query is answered by `run`"]
pub struct Query {
    members: Map<String, Value>,
}

impl Query {
    /// Every record with all its fields, 100 of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// A query as JSON, with the members of the contract's `knowledge.query`.
    pub fn from_json(members: Map<String, Value>) -> Self {
        Self { members }
    }

    pub fn filter(mut self, filter: Value) -> Self {
        self.members.insert("filter".to_owned(), filter);
        self
    }

    /// A field of each record; `id` and `document` can be had as well. Not together with groups and figures.
    pub fn select(self, field: &str) -> Self {
        self.push("select", field.into())
    }

    /// One row for each value of this field.
    pub fn group_by(self, field: &str) -> Self {
        self.push("group_by", field.into())
    }

    /// How many records there are, under this name.
    pub fn count(self, name: &str) -> Self {
        self.figure(name, "count", "*")
    }

    pub fn count_distinct(self, name: &str, field: &str) -> Self {
        self.figure(name, "count_distinct", field)
    }

    /// Of nothing it is null, as in SQL; so are the next three.
    pub fn sum(self, name: &str, field: &str) -> Self {
        self.figure(name, "sum", field)
    }

    pub fn average(self, name: &str, field: &str) -> Self {
        self.figure(name, "avg", field)
    }

    pub fn min(self, name: &str, field: &str) -> Self {
        self.figure(name, "min", field)
    }

    pub fn max(self, name: &str, field: &str) -> Self {
        self.figure(name, "max", field)
    }

    /// The smallest first; what has no value comes last either way.
    pub fn order_by(self, name: &str) -> Self {
        self.push("order_by", serde_json::json!({ "by": name }))
    }

    pub fn order_by_descending(self, name: &str) -> Self {
        self.push("order_by", serde_json::json!({ "by": name, "descending": true }))
    }

    pub fn offset(mut self, rows: u32) -> Self {
        self.members.insert("offset".to_owned(), rows.into());
        self
    }

    /// 1 to 1000; 100 where it is not said.
    pub fn limit(mut self, rows: u32) -> Self {
        self.members.insert("limit".to_owned(), rows.into());
        self
    }

    fn push(mut self, list: &str, item: Value) -> Self {
        if let Value::Array(items) = self.members.entry(list).or_insert_with(|| Value::Array(Vec::new())) {
            items.push(item);
        }
        self
    }

    fn figure(mut self, name: &str, function: &str, field: &str) -> Self {
        if let Value::Object(all) = self.members.entry("aggregate").or_insert_with(|| Value::Object(Map::new())) {
            all.insert(name.to_owned(), serde_json::json!({ function: field }));
        }
        self
    }

    /// # Errors
    /// `Denied` when the knowledge base is not granted, `InvalidInput` for a name that it does not have.
    pub fn run(self, knowledge_base: &str) -> Result<Rows> {
        host::current(|host| host.query(knowledge_base, &self.members))
    }
}

/// What a query gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Objects with the same members in the same order.
    pub rows: Vec<Map<String, Value>>,
    /// How many there would be without the query's limit.
    pub total: u64,
}

impl Rows {
    /// The rows as a type of yours; the error names the row and the member that does not fit.
    pub fn read<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        let read = |(at, row): (usize, Map<String, Value>)| {
            serde_path_to_error::deserialize(Value::Object(row))
                .map_err(|error| Error::Failed(format!("row {} of the query: {error}", at + 1)))
        };
        self.rows.into_iter().enumerate().map(read).collect()
    }
}

/// All entries that pass a filter, page by page. More than `at_most` is an error, because a part of them would give a
/// wrong sum without anybody noticing.
pub fn list_all(knowledge_base: &str, filter: Option<&Value>, at_most: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = list(knowledge_base, filter, cursor.as_deref(), MAX_PAGE)?;
        entries.extend(page.entries);
        if entries.len() > at_most {
            return Err(Error::InvalidInput(format!(
                "`{knowledge_base}` has more than {at_most} matching records; narrow the filter"
            )));
        }
        match page.next_cursor {
            // A host that gives the same place twice would keep us here until the time is up.
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            Some(_) | None => return Ok(entries),
        }
    }
}
