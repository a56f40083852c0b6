//! One document from its file into the index: read into records, which are stored; embedded; and put in place of the old
//! version in one step. Between any two steps the process may end: what was stored is not done again.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Chunk, Document, DocumentState, Ingestion, KnowledgeBase, ProgressUnit, TenantId};
use knowledge::{
    BaseRef, Completed, DocumentRef, KnowledgeError, Progress, ReadOptions, Recognised, Record, Sink, TokenCounter,
};
use serde_json::{Map, Value, json};
use storage::{Advance, ClaimedIngestion, Finished, Held, NewRecord, ReadFile};
use tokio::sync::mpsc;

use crate::app::documents::index_version;
use crate::app::incoming::Incoming;
use crate::app::knowledge::unreadable;
use crate::app::{App, AppError, Problem, Result};
use crate::error_codes::ErrorCode;

/// How often progress is stored; also how soon somebody who stops it is heard.
const TELL: Duration = Duration::from_millis(500);
/// Batches of records between the reader and the database: together with the one on each side, all that is in memory.
const BATCHES: usize = 4;
/// Records that go into the index at once.
const RECORDS_AT_ONCE: i64 = 1_000;
/// Pauses after trouble that may pass; after the last one it is told as a failure.
const AGAIN_AFTER: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];
/// A document that has been begun so often, through restarts too, ends the server rather than being read by it.
const MOST_ATTEMPTS: i64 = 20;
/// Problems of a file that are kept with its failure.
const PROBLEMS_KEPT: usize = 50;

/// When a document's records get their vectors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embed {
    Now,
    /// It answers by words until somebody has time: a server that starts with a project does not wait for it.
    Later,
}

/// Why a document is not read to its end.
enum Stopped {
    /// It was stopped, replaced or deleted, or another server has it: there is nothing more to say.
    Gone,
    /// The server stops; it goes on at the next start.
    ServerStops,
    Failed(AppError),
}

impl<E: Into<AppError>> From<E> for Stopped {
    fn from(error: E) -> Stopped {
        Stopped::Failed(error.into())
    }
}

pub(super) struct Reading {
    app: App,
    tenant: TenantId,
    base: KnowledgeBase,
    reference: BaseRef,
    document: Document,
    ingestion: Ingestion,
    held: Held,
}

impl Reading {
    /// None when the document's base is just being deleted.
    pub(super) async fn new(app: &App, claimed: ClaimedIngestion) -> Result<Option<Reading>> {
        let ClaimedIngestion { tenant, document } = claimed;
        let Some(ingestion) = document.ingestion.clone() else { return Ok(None) };
        let bases = app.storage().list_knowledge_bases(tenant).await?;
        let Some(base) = bases.into_iter().find(|it| it.id == document.base) else { return Ok(None) };
        let reference = app.base_ref(&base)?;
        let held = Held { document: document.id, version: ingestion.version, owner: app.lease().owner };
        Ok(Some(Reading { app: app.clone(), tenant, base, reference, document, ingestion, held }))
    }

    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// # Errors
    /// Why the document cannot be read; it is stored beside it as well.
    pub(super) async fn perform(mut self, embed: Embed) -> Result<()> {
        let mut error = match self.perform_steps(embed).await {
            Ok(()) => return Ok(()),
            Err(Stopped::Gone) => return self.leave().await,
            Err(Stopped::ServerStops) => return Ok(()),
            Err(Stopped::Failed(error)) => error,
        };
        if let Some(cause) = error.source() {
            tracing::error!(document.id = %self.document.id, error = cause, "a document cannot be read");
            if error.code == ErrorCode::Internal {
                error.detail = "something went wrong on the server; its log says what".to_owned();
            }
        }
        let now = self.app.clock().now_ms();
        let attempt = usize::try_from(self.ingestion.attempts - 1).unwrap_or(0);
        let again = AGAIN_AFTER.get(attempt).filter(|_| may_pass(error.code));
        let again_at = again.map(|it| now + i64::try_from(it.as_millis()).unwrap_or(0));
        if again_at.is_none() {
            self.discard().await;
        }
        if error.errors.is_empty() {
            error.errors.push(Problem::new(error.code.code(), error.detail.clone()));
        }
        let problems =
            json!({ "errors": error.errors.get(..PROBLEMS_KEPT).unwrap_or(&error.errors), "hint": error.hint });
        let told = (error.detail.clone(), problems);
        self.app.storage().fail_ingestion(self.tenant, self.held, told, (again_at, now)).await?;
        Err(error)
    }

    async fn perform_steps(&mut self, embed: Embed) -> Result<(), Stopped> {
        if self.ingestion.attempts > MOST_ATTEMPTS {
            let message = format!("it was begun {MOST_ATTEMPTS} times and never came to an end");
            return Err(AppError::new(ErrorCode::InvalidDocument, message).hint("split it, and try again").into());
        }
        if self.ingestion.content_hash.is_none() {
            self.advance(DocumentState::Parsing, (0, 0), ProgressUnit::Bytes).await?;
            if !self.fetch().await? {
                return Ok(());
            }
        }
        let read_already = matches!(self.ingestion.state, DocumentState::Embedding | DocumentState::Indexing);
        if !read_already {
            self.read().await?;
        }
        self.stage().await?;
        let reason = self.embed(embed).await?;
        self.put_in_place(reason).await
    }

    /// Gets the file from its address. False when it is the one that answers already.
    async fn fetch(&mut self) -> Result<bool, Stopped> {
        let address = self.ingestion.source.clone().unwrap_or_default();
        let fetched = self.app.fetch_address(&address).await?;
        let same = self.document.is_answering()
            && self.document.content_hash.as_deref() == Some(&fetched.file.hash)
            && self.document.columns == self.ingestion.columns;
        if same {
            self.mine(self.app.storage().drop_ingestion(self.tenant, self.held.clone()).await?)?;
            return Ok(false);
        }
        self.app.keep_file(self.tenant, &fetched.file).await?;
        let size = i64::try_from(fetched.file.size).unwrap_or(i64::MAX);
        let file = (fetched.file.hash.clone(), size);
        let storage = self.app.storage();
        let noted = storage.note_fetched_file(self.tenant, self.held.clone(), file, fetched.media_type.clone()).await?;
        self.mine(noted)?;
        self.ingestion.content_hash = Some(fetched.file.hash);
        self.ingestion.media_type = fetched.media_type;
        self.ingestion.size_bytes = size;
        Ok(true)
    }

    /// Reads the file into records, which are stored as they come.
    async fn read(&mut self) -> Result<(), Stopped> {
        self.advance(DocumentState::Parsing, (0, self.ingestion.size_bytes), ProgressUnit::Bytes).await?;
        // What an earlier attempt left, which may have been of another reading.
        let document = self.indexed();
        let knowledge = self.app.knowledge_index();
        knowledge.discard(&self.tenant.to_string(), &self.reference.id, &document.id, document.version).await?;
        self.app.storage().unstage(self.tenant, self.held.document, self.held.version).await?;
        let hash = self.ingestion.content_hash.clone().unwrap_or_default();
        let file = self.app.fetch_file(self.tenant, &hash).await?;
        let (sender, mut receiver) = mpsc::channel(BATCHES);
        let far = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let reader = self.reader(file, sender, far.clone());
        let mut told = tokio::time::interval(TELL);
        let mut records = 0i64;
        loop {
            tokio::select! {
                batch = receiver.recv() => {
                    let Some(batch) = batch else { break };
                    let batch: Vec<NewRecord> = batch;
                    records += i64::try_from(batch.len()).unwrap_or(0);
                    let stored = self.app.storage().append_chunks(self.tenant, self.held.document, self.held.version, batch);
                    match stored.await {
                        Err(storage::StorageError::NotFound { .. }) => return Err(Stopped::Gone),
                        stored => stored?,
                    }
                }
                _ = told.tick() => {
                    if self.app.is_stopping() {
                        return Err(Stopped::ServerStops);
                    }
                    let so_far = |it: &AtomicU64| i64::try_from(it.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                    self.advance(DocumentState::Parsing, (so_far(&far.0), so_far(&far.1)), ProgressUnit::Bytes).await?;
                }
            }
        }
        let recognised = match reader.await {
            Ok(recognised) => recognised.map_err(unreadable)?,
            Err(panic) => {
                tracing::error!(document = self.document.name, error = %panic, "a reader panicked");
                let name = &self.document.name;
                return Err(AppError::new(ErrorCode::InvalidDocument, format!("`{name}` cannot be read")).into());
            }
        };
        let Recognised { media_type, warnings, .. } = recognised;
        let warnings = warnings.into_iter().map(Value::from).collect();
        let read = ReadFile { records, media_type, warnings, at: self.app.clock().now_ms() };
        self.ingestion.warnings.clone_from(&read.warnings);
        self.ingestion.media_type = Some(read.media_type.clone());
        self.ingestion.total = records;
        self.mine(self.app.storage().note_read_file(self.tenant, self.held.clone(), read).await?)
    }

    /// Parsers run on untrusted bytes: off the async workers. They stop when nobody takes their records any more.
    fn reader(
        &self,
        file: Incoming,
        sender: mpsc::Sender<Vec<NewRecord>>,
        far: Arc<(AtomicU64, AtomicU64)>,
    ) -> tokio::task::JoinHandle<Result<Recognised, KnowledgeError>> {
        let (name, spec) = (self.document.name.clone(), self.reference.spec.clone());
        let media_type = self.ingestion.media_type.clone();
        let text = |it: (&String, &Value)| (it.0.clone(), it.1.as_str().unwrap_or_default().to_owned());
        let columns: BTreeMap<String, String> =
            self.ingestion.columns.as_object().into_iter().flatten().map(text).collect();
        let metadata: Map<String, Value> = self.document.metadata.as_object().cloned().unwrap_or_default();
        let tokens = self.app.token_counter();
        tokio::task::spawn_blocking(move || {
            let options = ReadOptions {
                spec: &spec,
                media_type: media_type.as_deref(),
                columns: &columns,
                tokens: tokens.as_ref(),
                metadata: &metadata,
            };
            let mut sink = Stored { sender, far, tokens: tokens.as_ref() };
            knowledge::read_records(file.path(), &name, &options, &mut sink)
        })
    }

    /// Puts the stored records beside the index, where they wait to be complete.
    async fn stage(&self) -> Result<(), Stopped> {
        let knowledge = self.app.knowledge_index();
        let (tenant, document) = (self.tenant.to_string(), self.indexed());
        let there = knowledge.staged(&tenant, &self.reference.id, &document.id, document.version).await?;
        let mut after = i64::try_from(there).ok().filter(|it| *it > 0).map(|it| it - 1);
        let place = (self.held.document, self.held.version);
        loop {
            if self.app.is_stopping() {
                return Err(Stopped::ServerStops);
            }
            let chunks = self.app.storage().staged_chunks(self.tenant, place, after, RECORDS_AT_ONCE).await?;
            let Some(last) = chunks.last() else { return Ok(()) };
            after = Some(last.ordinal);
            let done = last.ordinal + 1;
            knowledge.stage(&tenant, &self.reference, &document, chunks.into_iter().map(record_of).collect()).await?;
            self.advance(DocumentState::Indexing, (done, self.ingestion.total), ProgressUnit::Records).await?;
        }
    }

    /// Makes the vectors; answers why some are missing.
    async fn embed(&self, embed: Embed) -> Result<Option<String>, Stopped> {
        if self.reference.embedder.is_none() {
            return Ok(Some("no embedding model is set up; found by words only".to_owned()));
        }
        if embed == Embed::Later && !self.document.is_answering() {
            return Ok(Some("waiting to be embedded; found by words until then".to_owned()));
        }
        let (tenant, document) = (self.tenant.to_string(), self.indexed());
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(u64::try_from(self.ingestion.total).unwrap_or(0)));
        let stop = AtomicBool::new(false);
        let progress = |it: Progress| {
            done.store(it.done as u64, Ordering::Relaxed);
            total.store(it.total as u64, Ordering::Relaxed);
        };
        let stopped = || stop.load(Ordering::Relaxed);
        let knowledge = self.app.knowledge_index();
        let work = knowledge.embed_staged(&tenant, &self.reference, &document, &progress, &stopped);
        tokio::pin!(work);
        let mut told = tokio::time::interval(TELL);
        let mut over = None;
        loop {
            tokio::select! {
                report = &mut work => {
                    return match (over, report) {
                        (Some(over), _) => Err(over),
                        (None, report) => Ok(report?.reason),
                    };
                }
                _ = told.tick(), if over.is_none() => {
                    let so_far = |it: &AtomicU64| i64::try_from(it.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                    let place = (so_far(&done), so_far(&total));
                    over = match self.advance(DocumentState::Embedding, place, ProgressUnit::Records).await {
                        Err(stopped) => Some(stopped),
                        Ok(()) if self.app.is_stopping() => Some(Stopped::ServerStops),
                        Ok(()) => None,
                    };
                    stop.store(over.is_some(), Ordering::Relaxed);
                }
            }
        }
    }

    /// The index first: the database's row is what says that the work is done, and doing this again changes nothing.
    async fn put_in_place(&self, reason: Option<String>) -> Result<(), Stopped> {
        let total = self.ingestion.total;
        self.advance(DocumentState::Indexing, (0, total), ProgressUnit::Records).await?;
        let (tenant, document) = (self.tenant.to_string(), self.indexed());
        match self.app.knowledge_index().complete(&tenant, &self.reference, &document).await? {
            Completed::Visible | Completed::Superseded => {}
            // The index was lost meanwhile; the next attempt puts the records there again.
            Completed::Gone => return Err(AppError::internal("the index does not have the new records").into()),
        }
        let waits = reason.is_some();
        let finished = Finished {
            records: total,
            media_type: self.ingestion.media_type.clone(),
            warnings: self.ingestion.warnings.clone(),
            reason,
            at: self.app.clock().now_ms(),
        };
        self.mine(self.app.storage().finish_ingestion(self.tenant, self.held.clone(), finished).await?)?;
        if waits {
            self.app.vectors_are_missing();
        }
        tracing::info!(knowledge.base = self.base.name, document = self.document.name, records = total, "read");
        Ok(())
    }

    async fn advance(
        &self,
        state: DocumentState,
        (done, total): (i64, i64),
        unit: ProgressUnit,
    ) -> Result<(), Stopped> {
        let advance = Advance { state, done, total, unit, at: self.app.clock().now_ms() };
        let until = self.app.lease().until;
        self.mine(self.app.storage().advance_ingestion(self.tenant, self.held.clone(), until, advance).await?)
    }

    fn mine(&self, still: bool) -> Result<(), Stopped> {
        if still { Ok(()) } else { Err(Stopped::Gone) }
    }

    fn indexed(&self) -> DocumentRef {
        DocumentRef {
            id: self.document.id.to_string(),
            name: self.document.name.clone(),
            version: index_version(self.held.version, 0),
            groups: self.document.groups.clone(),
        }
    }

    /// Somebody else decides about the document now. What was made of a version that nobody makes any more goes; one that
    /// was only stopped, or that another server goes on with, is theirs.
    async fn leave(&self) -> Result<()> {
        let document = self.app.storage().document(self.tenant, self.held.document).await?;
        let still = document.and_then(|it| it.ingestion).is_some_and(|it| it.version == self.held.version);
        if !still {
            self.discard().await;
        }
        Ok(())
    }

    /// Takes away what will not be completed. What cannot be taken away now goes with the next version.
    async fn discard(&self) {
        let (tenant, document) = (self.tenant.to_string(), self.indexed());
        let knowledge = self.app.knowledge_index();
        let index = knowledge.discard(&tenant, &self.reference.id, &document.id, document.version).await;
        let records = self.app.storage().unstage(self.tenant, self.held.document, self.held.version).await;
        if let Err(error) = index {
            let error: &(dyn Error + 'static) = &error;
            tracing::warn!(document.id = document.id, error, "unfinished records stay in the index for now");
        }
        if let Err(error) = records {
            let error: &(dyn Error + 'static) = &error;
            tracing::warn!(document.id = document.id, error, "unfinished records stay for now");
        }
    }
}

/// Hands records over to whoever stores them.
struct Stored<'a> {
    sender: mpsc::Sender<Vec<NewRecord>>,
    far: Arc<(AtomicU64, AtomicU64)>,
    tokens: &'a dyn TokenCounter,
}

impl Sink for Stored<'_> {
    fn records(&mut self, records: Vec<Record>) -> ControlFlow<()> {
        let records = records.into_iter().map(|it| new_record(it, self.tokens)).collect();
        match self.sender.blocking_send(records) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn progress(&mut self, done: u64, total: u64) -> ControlFlow<()> {
        self.far.0.store(done, Ordering::Relaxed);
        self.far.1.store(total, Ordering::Relaxed);
        if self.sender.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn new_record(record: Record, tokens: &dyn TokenCounter) -> NewRecord {
    let count = tokens.count(&record.searched_text());
    NewRecord {
        ordinal: i64::from(record.ordinal),
        tokens: i64::try_from(count).unwrap_or(i64::MAX),
        position: serde_json::to_value(&record.position).unwrap_or_default(),
        text: record.text,
        answer: record.answer,
        fields: Value::Object(record.fields),
    }
}

/// A stored record as the index takes it.
pub(crate) fn record_of(chunk: Chunk) -> Record {
    let Chunk { ordinal, text, answer, fields, position, .. } = chunk;
    Record {
        ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
        text,
        answer,
        fields: if let Value::Object(fields) = fields { fields } else { Map::new() },
        position: serde_json::from_value(position).unwrap_or_default(),
    }
}

/// Whether trying once more can help.
fn may_pass(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::InvalidDocument
            | ErrorCode::InvalidInput
            | ErrorCode::TooLarge
            | ErrorCode::NotFound
            | ErrorCode::StorageFull
    )
}
