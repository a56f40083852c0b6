//! A host in memory, so that a plugin's tools run in plain `cargo test`.
//!
//! ```ignore
//! let host = FakeHost::new().knowledge_base("menu", [json!({"name": "水煮鱼", "spice_level": 3})]);
//! let answer = host.call::<menu::Plugin>("find", json!({"query": "鱼"}))?;
//! ```
//!
//! It answers as the server does: the same filters, the same kinds of error, the same refusal of what the manifest does not
//! ask for. Only its search is simple: it counts shared words and pairs of Chinese characters. Requests are answered by
//! rules, models by what the test has written for them; secrets are placeholders to the plugin, as on the server.

mod address;
mod filter;
mod http;
mod model;
mod query;
mod secrets;
mod storage;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

pub use self::http::{Reply, Sent};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::http::{Outgoing, Response};
use crate::knowledge::{Entry, Found, Hit, MAX_PAGE, MAX_TOP_K, Page, Rows, Search, Status};
use crate::log::Level;
use crate::manifest::Manifest;
use crate::model::{Completion, Embeddings, Purpose, Request};
use crate::plugin::Plugin;
use crate::secret::{END, START};
use crate::storage::{Entry as Stored, Keep, Page as Keys};

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
    /// Knowledge bases by name; anything else as grants are written, `http: api.example.com`.
    refused: RefCell<BTreeSet<String>>,
    config: RefCell<BTreeMap<String, Value>>,
    /// Keys that are secret although no manifest says so.
    secrets: RefCell<BTreeSet<String>>,
    web: RefCell<http::Web>,
    models: RefCell<model::Models>,
    stored: RefCell<BTreeMap<String, Stored>>,
    /// Every text that the plugin was given or gave away.
    crossed: RefCell<Vec<String>>,
    now_ms: Cell<u64>,
    idempotency_key: RefCell<Option<String>>,
    logs: RefCell<Vec<(Level, String)>>,
    searches: RefCell<Vec<Search>>,
    /// What the running plugin asks for; none outside of [`FakeHost::call`], where everything is allowed.
    asked: RefCell<Option<Manifest>>,
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

    /// The tenant has not granted this: a knowledge base by its name, or `http: HOST`, `model: ROLE`, `storage`. Everything
    /// else that the manifest asks for is granted.
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

    /// A secret setting: the plugin gets a placeholder, a request that goes out gets the value.
    #[must_use]
    pub fn secret(self, key: &str, value: &str) -> Self {
        self.state.secrets.borrow_mut().insert(key.to_owned());
        self.config(key, value)
    }

    /// Answers requests of a method to addresses that begin so; the longest rule that fits is taken. Of several replies for
    /// one rule each answers once, in order, and the last for ever. What no rule fits is unavailable.
    #[must_use]
    pub fn http(self, method: &str, prefix: &str, reply: Reply) -> Self {
        self.state.web.borrow_mut().add(method, prefix, reply);
        self
    }

    /// What the model of a role says. Of several answers each is given once, in order, and the last for ever.
    #[must_use]
    pub fn model(self, role: &str, answer: impl Into<String>) -> Self {
        self.state.models.borrow_mut().add(role, Ok(answer.into()));
        self
    }

    /// The model of a role fails.
    #[must_use]
    pub fn model_fails(self, role: &str, error: Error) -> Self {
        self.state.models.borrow_mut().add(role, Err(error));
        self
    }

    /// A value that an earlier call has stored.
    #[must_use]
    pub fn stored(self, key: &str, value: impl Into<String>) -> Self {
        let entry = Stored { value: value.into(), version: 1, expires_at: None };
        self.state.stored.borrow_mut().insert(key.to_owned(), entry);
        self
    }

    /// Sets the clock. Clones are the same host, so `host.clone().now_ms(…)` moves it between two calls.
    #[must_use]
    pub fn now_ms(self, now_ms: u64) -> Self {
        self.state.now_ms.set(now_ms);
        self
    }

    /// As if a workflow's node called: what [`crate::system::idempotency_key`] gives.
    #[must_use]
    pub fn idempotency_key(self, key: &str) -> Self {
        *self.state.idempotency_key.borrow_mut() = Some(key.to_owned());
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
        *self.state.asked.borrow_mut() = Some(P::manifest());
        self.state.web.borrow_mut().requests = 0;
        self.state.models.borrow_mut().tokens = 0;
        let output = self.run(|| P::invoke(tool, &input.to_string()));
        *self.state.asked.borrow_mut() = None;
        self.state.crosses(match &output {
            Ok(output) => output.clone(),
            Err(error) => error.to_string(),
        });
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

    /// Checks that the plugin never had a secret: not in what it was given, and not in what it answered, logged, stored or
    /// told a model. Secrets are those of [`FakeHost::secret`].
    ///
    /// # Panics
    /// When it had one; that is what makes it a test.
    pub fn assert_secrets_kept(&self) {
        let leaks = self.state.leaks();
        assert!(leaks.is_empty(), "the plugin has seen a secret:\n{}", leaks.join("\n"));
    }

    /// The requests that went out so far, secrets filled in, redirects included.
    pub fn requests(&self) -> Vec<Sent> {
        self.state.web.borrow().sent.clone()
    }

    /// What models were asked so far.
    pub fn model_requests(&self) -> Vec<Request> {
        self.state.models.borrow().requests.clone()
    }

    /// The value of a key in the plugin's store.
    pub fn stored_value(&self, key: &str) -> Option<String> {
        self.state.stored.borrow().get(key).map(|entry| entry.value.clone())
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
        let names = |manifest: &Manifest| {
            manifest.permissions.knowledge.iter().any(|it| it.name == "*" || it.name == knowledge_base)
        };
        if !self.asked.borrow().as_ref().is_none_or(names) {
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
        let known: BTreeSet<String> = fields(&entries).into_iter().collect();
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

    fn query(&self, knowledge_base: &str, query: &Map<String, Value>) -> Result<Rows> {
        let known = fields(&self.entries(knowledge_base)?);
        let entries = self.filtered(knowledge_base, query.get("filter").filter(|it| !it.is_null()))?;
        query::rows(query, &entries, &known)
    }

    fn send(&self, request: &Outgoing) -> Result<Response> {
        let answer = self.exchange(request);
        self.crosses(match &answer {
            Ok(Response { url, headers, body, .. }) => format!("{url} {headers:?} {}", String::from_utf8_lossy(body)),
            Err(error) => error.to_string(),
        });
        answer
    }

    fn complete(&self, request: &Request) -> Result<Completion> {
        self.crosses(format!("{request:?}"));
        self.completed(request)
    }

    fn embed(&self, texts: &[String], _purpose: Purpose) -> Result<Embeddings> {
        self.crosses(format!("{texts:?}"));
        self.embedded(texts)
    }

    fn stored(&self, key: &str) -> Result<Option<Stored>> {
        self.read(key)
    }

    fn store(&self, key: &str, value: &str, keep: Keep) -> Result<u64> {
        self.crosses(format!("{key} {value}"));
        self.write(key, value, keep)
    }

    fn delete_stored(&self, key: &str) -> Result<bool> {
        self.remove(key)
    }

    fn stored_keys(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Keys> {
        self.keys(prefix, cursor, limit)
    }

    fn log(&self, level: Level, message: &str) {
        self.crosses(message);
        self.logs.borrow_mut().push((level, message.to_owned()));
    }

    fn config(&self, key: &str) -> Option<String> {
        let config = self.config.borrow();
        let value = config.get(key).filter(|_| self.is_declared(key))?;
        let text =
            if self.is_secret(key) { Value::from(format!("{START}{key}{END}")) } else { value.clone() }.to_string();
        self.crosses(text.as_str());
        Some(text)
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn idempotency_key(&self) -> Option<String> {
        self.idempotency_key.borrow().clone()
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

/// The fields that any of the entries has, in the order in which they are met.
fn fields(entries: &[Entry]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in entries.iter().flat_map(|entry| entry.fields.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
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
