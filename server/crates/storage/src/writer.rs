//! The one task that writes.
//!
//! It takes everything that has queued up while the last transaction was being committed and commits it as one: a busy
//! server waits for the disk once per group, a lone write waits for nobody. A write that fails takes nothing of its
//! neighbours with it: the group is rolled back and done again with a savepoint around each write. (Savepoints from the
//! start would cost every group what only the rare one needs.) A write is answered after its group is committed, never
//! before; its work may be done twice, so it touches nothing but the database.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::database::{Alone, Connection, Place, is_passing};
use crate::error::{Cause, Failure, Operation};
use crate::{Durability, Result, Storage, StorageError};

/// Bounds how long the first write of a group waits for the others.
pub(crate) const GROUP: usize = 256;
/// Writes that may queue up; whoever comes then waits before their write is taken, which slows callers down instead of
/// filling the memory.
const QUEUE: usize = 1024;
/// How long writes wait for a database server that is started anew, and for a deadlock to come apart. Callers wait as long.
const RETRIES: [Duration; 6] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
    closing: Arc<Notify>,
}

/// What the writer knows of a write, whatever its result's type is.
trait Job: Send {
    /// Does the work inside the open transaction and keeps the outcome, instead of an earlier one.
    fn attempt<'c>(&'c mut self, connection: &'c mut Connection, again: Again) -> BoxFuture<'c, ()>;
    fn succeeded(&self) -> bool;
    fn alone(&self) -> Alone;
    /// The database's words, if it was the database that refused.
    fn cause(&self) -> Option<Cause>;
    /// Tells the caller; with a cause if the group as a whole was lost.
    fn answer(self: Box<Self>, lost: Option<Cause>);
}

/// Whether the work may have to be done once more, and must be kept for that.
#[derive(Clone, Copy)]
enum Again {
    Perhaps,
    Never,
}

struct Write<T, W> {
    operation: Operation,
    work: Option<W>,
    outcome: Option<Result<T, Failure>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, W> Job for Write<T, W>
where
    T: Send + 'static,
    W: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure>> + Clone + Send + 'static,
{
    fn attempt<'c>(&'c mut self, connection: &'c mut Connection, again: Again) -> BoxFuture<'c, ()> {
        Box::pin(async move {
            self.outcome = None;
            let work = match again {
                Again::Perhaps => self.work.clone(),
                Again::Never => self.work.take(),
            };
            if let Some(work) = work {
                self.outcome = Some(work(connection).await);
            }
        })
    }

    fn succeeded(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }

    fn alone(&self) -> Alone {
        self.operation.alone
    }

    fn cause(&self) -> Option<Cause> {
        match &self.outcome {
            Some(Err(Failure::Database(cause))) => Some(cause.clone()),
            Some(Ok(_) | Err(Failure::Refused(_))) | None => None,
        }
    }

    fn answer(self: Box<Self>, lost: Option<Cause>) {
        let operation = self.operation;
        let answer = match (self.outcome, lost) {
            (Some(Err(Failure::Refused(error))), _) => Err(error),
            (Some(Err(Failure::Database(cause))), _) | (Some(Ok(_)) | None, Some(cause)) => {
                Err(operation.failed(cause))
            }
            (Some(Ok(value)), None) => Ok(value),
            // The work panicked.
            (None, None) => Err(StorageError::Closed { operation: operation.name }),
        };
        // Nobody may be waiting any more; the write stands all the same.
        let _ = self.caller.send(answer);
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl Storage {
    /// Hands a write to the writer and waits until it is committed. A caller that stops waiting does not stop the write.
    pub(crate) async fn write<T, W>(&self, operation: Operation, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure>> + Clone + Send + 'static,
    {
        let closed = || StorageError::Closed { operation: operation.name };
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Write { operation, work: Some(work), outcome: None, caller });
        self.writer.jobs.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Writer {
    pub(crate) fn start(connection: Connection, place: Place, (durability, limit): (Durability, usize)) -> Writer {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let closing = Arc::new(Notify::new());
        let connected = Connected { connection: Some(connection), place, durability };
        let task = tokio::spawn(serve(connected, queue, closing.clone(), limit));
        Writer { jobs, task: Arc::new(Mutex::new(Some(task))), closing }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.jobs.is_closed()
    }

    pub(crate) async fn close(&self) {
        self.closing.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task ends by itself; a panic in it has been reported where it happened.
            let _ = task.await;
        }
    }
}

/// The writer's connection, made anew when it was lost.
struct Connected {
    connection: Option<Connection>,
    place: Place,
    durability: Durability,
}

/// Why nothing of a group is stored.
struct Lost {
    cause: Cause,
    /// Its commit was sent, and nobody can say what came of it.
    in_doubt: bool,
}

impl Lost {
    fn before_commit(cause: impl Into<Cause>) -> Lost {
        Lost { cause: cause.into(), in_doubt: false }
    }

    fn at_commit(cause: impl Into<Cause>) -> Lost {
        Lost { cause: cause.into(), in_doubt: true }
    }
}

async fn serve(mut connected: Connected, mut queue: mpsc::Receiver<Box<dyn Job>>, closing: Arc<Notify>, limit: usize) {
    let mut group = Vec::with_capacity(limit);
    loop {
        let taken = tokio::select! {
            biased;
            taken = queue.recv_many(&mut group, limit) => taken,
            () = closing.notified() => {
                // What is queued is still written; what comes later is refused.
                queue.close();
                continue;
            }
        };
        if taken == 0 {
            break;
        }
        let lost = connected.store(&mut group).await.err();
        if let Some(cause) = &lost {
            tracing::error!(error = %cause, writes = taken, "a group of writes was not stored");
        }
        for job in group.drain(..) {
            job.answer(lost.clone());
        }
    }
    if let Some(connection) = connected.connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(error = %error, "the database was not closed cleanly; what was answered is in it all the same");
    }
}

impl Connected {
    /// Stores a group, on a new connection and again if the old one was lost before it could commit.
    async fn store(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Cause> {
        let mut pauses = RETRIES.iter();
        loop {
            let lost = match self.store_once(group).await {
                Ok(()) => return Ok(()),
                Err(lost) => lost,
            };
            let again = self.place.is_remote() && !lost.in_doubt && is_passing(&lost.cause);
            let Some(pause) = pauses.next().filter(|_| again) else { return Err(lost.cause) };
            tracing::warn!(error = %lost.cause, writes = group.len(), "writes are tried again");
            tokio::time::sleep(*pause).await;
        }
    }

    async fn store_once(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Lost> {
        let mut open = match self.connection.take() {
            Some(open) => open,
            None => self.place.connect(self.durability).await.map_err(Lost::before_commit)?,
        };
        let again = if self.place.is_remote() { Again::Perhaps } else { Again::Never };
        let outcome = write_group(&mut open, group, again).await;
        match outcome {
            Ok(()) => self.connection = Some(open),
            // Its transaction may still be open: closing the connection ends it.
            Err(_) => open.drop_hard().await,
        }
        outcome
    }
}

/// Writes a group and commits it. An error means that the connection is in doubt and that nothing of the group is stored,
/// unless it happened at the commit. `again` is whether the group may come again after an error.
async fn write_group(connection: &mut Connection, group: &mut [Box<dyn Job>], again: Again) -> Result<(), Lost> {
    let alone = if group.iter().all(|it| it.alone() == Alone::No) { Alone::No } else { Alone::Yes };
    connection.begin(alone).await.map_err(Lost::before_commit)?;
    if let [job] = group {
        attempt(job, connection, again).await;
        return match job.succeeded() {
            true => connection.commit().await.map_err(Lost::at_commit),
            false => undone(job.cause(), connection.rollback().await),
        };
    }
    for job in &mut *group {
        attempt(job, connection, Again::Perhaps).await;
        if !job.succeeded() {
            undone(job.cause(), connection.rollback().await)?;
            return write_apart(connection, group, again).await;
        }
    }
    connection.commit().await.map_err(Lost::at_commit)
}

/// Writes a group in which somebody fails: each has a savepoint of its own.
async fn write_apart(connection: &mut Connection, group: &mut [Box<dyn Job>], again: Again) -> Result<(), Lost> {
    connection.begin(Alone::Yes).await.map_err(Lost::before_commit)?;
    for job in group {
        connection.savepoint().await.map_err(Lost::before_commit)?;
        attempt(job, connection, again).await;
        let ended = match job.succeeded() {
            true => connection.keep_since_savepoint().await,
            false => connection.undo_to_savepoint().await,
        };
        // SQLite gives up the whole transaction on a full disk or a failed read; the first words say why.
        undone(job.cause(), ended)?;
    }
    connection.commit().await.map_err(Lost::at_commit)
}

/// A write that failed because the connection did takes its group along; the first words say why.
fn undone(cause: Option<Cause>, ended: Result<(), sqlx::Error>) -> Result<(), Lost> {
    match (cause, ended) {
        (Some(cause), _) if is_passing(&cause) => Err(Lost::before_commit(cause)),
        (_, Ok(())) => Ok(()),
        (cause, Err(error)) => Err(Lost::before_commit(cause.unwrap_or_else(|| Arc::new(error)))),
    }
}

/// Work that panics has no outcome: its changes are rolled back and its caller is told.
async fn attempt(job: &mut Box<dyn Job>, connection: &mut Connection, again: Again) {
    if AssertUnwindSafe(job.attempt(connection, again)).catch_unwind().await.is_err() {
        tracing::error!("a write panicked; it was rolled back");
    }
}

#[cfg(test)]
mod tests;
