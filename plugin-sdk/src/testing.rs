//! A host in memory, so that a plugin's tools run in plain `cargo test`.
//!
//! ```ignore
//! let host = FakeHost::new().knowledge_base("menu", [json!({"name": "水煮鱼", "spice_level": 3})]);
//! let answer = host.call::<menu::Plugin>("find", json!({"query": "鱼"}))?;
//! ```
//!
//! It answers as the server does: the same filters, the same kinds of error, the same refusal of what the manifest does not
//! ask for. Only its search is simple: it counts shared words and pairs of Chinese characters.

mod filter;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::knowledge::{Entry, Found, Hit, MAX_PAGE, MAX_TOP_K, Page, Search, Status};
use crate::log::Level;
use crate::manifest::Manifest;
use crate::plugin::Plugin;

/// The random bytes that the server gives at most per call.
const MAX_RANDOM: u32 = 4096;

thread_local! {
    /// The hosts that are running something on this thread; the last one answers.
    static RUNNING: RefCell<Vec<Rc<State>>> = const { RefCell::new(Vec::new()) };
}

/// A host with what you put into it.
#[derive(Clone, Default)]
pub struct FakeHost {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    bases: RefCell<BTreeMap<String, Vec<Entry>>>,
    refused: RefCell<BTreeSet<String>>,
    config: RefCell<BTreeMap<String, Value>>,
    now_ms: Cell<u64>,
    logs: RefCell<Vec<(Level, String)>>,
    searches: RefCell<Vec<Search>>,
    /// The names that the running plugin's manifest asks for; none outside of [`FakeHost::call`].
    asked: RefCell<Option<BTreeSet<String>>>,
}

impl FakeHost {
    /// A host with nothing in it; its clock stands at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        let host = Self::default();
        host.state.now_ms.set(1_767_225_600_000);
        host
    }

    /// Adds a knowledge base. Each record is an object of fields; its text is all its texts, one after the other.
    ///
    /// # Panics
    /// When a record is not an object.
    #[must_use]
    pub fn knowledge_base(self, name: &str, records: impl IntoIterator<Item = Value>) -> Self {
        let entries = records.into_iter().enumerate().map(|(index, record)| {
            let Value::Object(fields) = record else { panic!("record {} of `{name}` is not an object", index + 1) };
            let texts: Vec<&str> = fields.values().filter_map(Value::as_str).collect();
            let (id, text) = (format!("{name}-{}", index + 1), texts.join(" "));
            Entry { id, document: format!("{name}.csv"), text, fields }
        });
        self.state.bases.borrow_mut().insert(name.to_owned(), entries.collect());
        self
    }

    /// The tenant has not granted this knowledge base. Everything else that the manifest asks for is granted.
    #[must_use]
    pub fn refuse(self, name: &str) -> Self {
        self.state.refused.borrow_mut().insert(name.to_owned());
        self
    }

    /// A setting that the tenant has made.
    #[must_use]
    pub fn config(self, key: &str, value: impl Into<Value>) -> Self {
        self.state.config.borrow_mut().insert(key.to_owned(), value.into());
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn now_ms(self, now_ms: u64) -> Self {
        self.state.now_ms.set(now_ms);
        self
    }

    /// Runs something that calls the host: a tool as the plain function it is.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                RUNNING.with_borrow_mut(|running| running.pop());
            }
        }
        RUNNING.with_borrow_mut(|running| running.push(Rc::clone(&self.state)));
        let _leave = Leave;
        work()
    }

    /// Calls a tool as the server does: JSON in, JSON out, and only what the manifest asks for.
    pub fn call<P: Plugin>(&self, tool: &str, input: Value) -> Result<Value> {
        let manifest = P::manifest();
        let asked = manifest.permissions.knowledge.iter().map(|permission| permission.name.clone()).collect();
        *self.state.asked.borrow_mut() = Some(asked);
        let output = self.run(|| P::invoke(tool, &input.to_string()));
        *self.state.asked.borrow_mut() = None;
        Ok(serde_json::from_str(&output?)?)
    }

    /// Runs every example of the manifest that states its output, and says which give another one.
    ///
    /// # Panics
    /// When one does; that is what makes it a test.
    pub fn check_examples<P: Plugin>(&self) {
        let mut problems = Vec::new();
        let Manifest { tools, .. } = P::manifest();
        for tool in tools {
            for example in tool.examples {
                let Some(expected) = example.output else { continue };
                match self.call::<P>(&tool.name, example.input) {
                    Ok(output) if output == expected => {}
                    Ok(output) => problems
                        .push(format!("{} “{}”:\n  stated {expected}\n  is     {output}", tool.name, example.title.en)),
                    Err(error) => problems.push(format!("{} “{}”: {error}", tool.name, example.title.en)),
                }
            }
        }
        assert!(problems.is_empty(), "examples of the manifest that are not true:\n{}", problems.join("\n"));
    }

    /// What was logged so far.
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.state.logs.borrow().clone()
    }

    /// What was searched for so far.
    pub fn searches(&self) -> Vec<Search> {
        self.state.searches.borrow().clone()
    }
}

/// Calls the host that is running on this thread.
///
/// # Panics
/// When there is none.
pub(crate) fn with_current<T>(call: impl FnOnce(&dyn Host) -> T) -> T {
    let state = RUNNING.with_borrow(|running| running.last().cloned());
    let Some(state) = state else {
        panic!("there is no host here: call the tool inside `FakeHost::new().run(|| …)` or by `FakeHost::call`");
    };
    call(&*state)
}

impl State {
    /// The entries of a base, if the plugin may read it.
    fn entries(&self, knowledge_base: &str) -> Result<Vec<Entry>> {
        let asked = self.asked.borrow();
        let asked = asked.as_ref().is_none_or(|asked| asked.contains("*") || asked.contains(knowledge_base));
        if !asked {
            return Err(Error::Denied(format!("the manifest does not ask for the knowledge base `{knowledge_base}`")));
        }
        if self.refused.borrow().contains(knowledge_base) {
            return Err(Error::Denied(format!("the tenant has not granted the knowledge base `{knowledge_base}`")));
        }
        let bases = self.bases.borrow();
        bases
            .get(knowledge_base)
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("there is no knowledge base `{knowledge_base}`")))
    }

    fn filtered(&self, knowledge_base: &str, filter: Option<&Value>) -> Result<Vec<Entry>> {
        let entries = self.entries(knowledge_base)?;
        let Some(filter) = filter else { return Ok(entries) };
        let known: BTreeSet<String> = entries.iter().flat_map(|entry| entry.fields.keys().cloned()).collect();
        let mut passed = Vec::new();
        for entry in entries {
            if filter::passes(filter, &entry.fields, &known)? {
                passed.push(entry);
            }
        }
        Ok(passed)
    }
}

impl Host for State {
    fn search(&self, search: &Search) -> Result<Found> {
        self.searches.borrow_mut().push(search.clone());
        if !(1..=MAX_TOP_K).contains(&search.top_k) {
            return Err(Error::InvalidInput(format!("top_k is {}; it goes from 1 to {MAX_TOP_K}", search.top_k)));
        }
        let wanted = terms(&search.query);
        let mut hits: Vec<Hit> = self
            .filtered(&search.knowledge_base, search.filter.as_ref())?
            .into_iter()
            .map(|entry| Hit { score: shared(&wanted, &terms(&entry.text)), entry })
            .filter(|hit| hit.score > 0.0)
            .collect();
        if hits.is_empty() {
            return Ok(Found { status: Status::Empty, reason: None, hits });
        }
        hits.sort_by(|one, other| other.score.total_cmp(&one.score));
        let best = search.min_score.unwrap_or(0.0);
        hits.retain(|hit| hit.score >= best);
        hits.truncate(usize::try_from(search.top_k).unwrap_or(usize::MAX));
        let status = if hits.is_empty() { Status::BelowThreshold } else { Status::Ok };
        Ok(Found { status, reason: None, hits })
    }

    fn get(&self, knowledge_base: &str, id: &str) -> Result<Entry> {
        let entries = self.entries(knowledge_base)?;
        let found = entries.into_iter().find(|entry| entry.id == id);
        found.ok_or_else(|| Error::NotFound(format!("there is no `{id}` in `{knowledge_base}`")))
    }

    fn list(&self, knowledge_base: &str, filter: Option<&Value>, cursor: Option<&str>, limit: u32) -> Result<Page> {
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Error::InvalidInput(format!("limit is {limit}; it goes from 1 to {MAX_PAGE}")));
        }
        let start: usize = match cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| Error::InvalidInput(format!("`{cursor}` is no cursor")))?,
        };
        let entries = self.filtered(knowledge_base, filter)?;
        let end = start.saturating_add(usize::try_from(limit).unwrap_or(usize::MAX)).min(entries.len());
        let page = entries.get(start..end).map(<[Entry]>::to_vec).unwrap_or_default();
        Ok(Page { entries: page, next_cursor: (end < entries.len()).then(|| end.to_string()) })
    }

    fn log(&self, level: Level, message: &str) {
        self.logs.borrow_mut().push((level, message.to_owned()));
    }

    fn config(&self, key: &str) -> Option<String> {
        self.config.borrow().get(key).map(Value::to_string)
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// The same bytes every time, so that tests do not depend on chance.
    fn random(&self, length: u32) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let bytes = (0..length.min(MAX_RANDOM)).map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        });
        bytes.collect()
    }
}

/// Words of letters, and pairs of neighbouring Chinese characters (a single one stands for itself).
fn terms(text: &str) -> BTreeSet<String> {
    let is_han = |character: char| ('\u{3400}'..='\u{9fff}').contains(&character);
    let mut terms = BTreeSet::new();
    for part in text.to_lowercase().split(|character: char| !character.is_alphanumeric()) {
        let characters: Vec<char> = part.chars().collect();
        for run in characters.chunk_by(|one, next| is_han(*one) == is_han(*next)) {
            if run.first().copied().is_some_and(is_han) && run.len() > 1 {
                terms.extend(run.windows(2).map(|pair| pair.iter().collect::<String>()));
            } else if !run.is_empty() {
                terms.insert(run.iter().collect());
            }
        }
    }
    terms
}

/// The part of the wanted terms that is there.
fn shared(wanted: &BTreeSet<String>, there: &BTreeSet<String>) -> f64 {
    if wanted.is_empty() {
        return 0.0;
    }
    wanted.intersection(there).count() as f64 / wanted.len() as f64
}
