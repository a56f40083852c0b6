//! The one task that writes.
//!
//! It takes everything that has queued up while the last transaction was being committed and commits it as one: a busy
//! server waits for the disk once per group, a lone write waits for nobody. A write that fails takes nothing of its
//! neighbours with it: the group is rolled back and done again with a savepoint around each write. (Savepoints from the
//! start would cost every group what only the rare one needs.) A write is answered after its group is committed, never
//! before; its work may be done twice, so it touches nothing but the database.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::Connection as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::database::{BEGIN_WRITE, Connection, connect_writer};
use crate::error::{Cause, Failure, Operation};
use crate::{Durability, Result, Storage, StorageError};

/// Bounds how long the first write of a group waits for the others.
pub(crate) const GROUP: usize = 256;
/// Writes that may queue up; whoever comes then waits before their write is taken, which slows callers down instead of
/// filling the memory.
const QUEUE: usize = 1024;

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
    pub(crate) fn start(connection: Connection, path: PathBuf, (durability, group): (Durability, usize)) -> Writer {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let closing = Arc::new(Notify::new());
        let task = tokio::spawn(serve(Some(connection), queue, closing.clone(), (path, durability, group)));
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

async fn serve(
    mut connection: Option<Connection>,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    closing: Arc<Notify>,
    (path, durability, limit): (PathBuf, Durability, usize),
) {
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
        let mut open = match connection.take() {
            Some(open) => open,
            None => match connect_writer(&path, durability).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::error!(error = %error, writes = taken, "the database cannot be opened again for writing");
                    // A dropped job tells its caller that nothing was stored.
                    group.clear();
                    continue;
                }
            },
        };
        let outcome = write_group(&mut open, &mut group).await;
        let lost = match outcome {
            Ok(()) => {
                connection = Some(open);
                None
            }
            Err(cause) => {
                tracing::error!(error = %cause, writes = taken, "a group of writes was not stored");
                // Its transaction may still be open: closing the connection ends it.
                let _ = open.close_hard().await;
                Some(cause)
            }
        };
        for job in group.drain(..) {
            job.answer(lost.clone());
        }
    }
    if let Some(connection) = connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(error = %error, "the database was not closed cleanly; what was answered is in it all the same");
    }
}

/// Writes a group and commits it. An error means that nothing of the group is stored and the connection is in doubt.
async fn write_group(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), Cause> {
    if let [job] = group {
        return write_alone(connection, job).await;
    }
    let mut transaction = connection.begin_with(BEGIN_WRITE).await.map_err(Arc::new)?;
    for job in &mut *group {
        attempt(job, &mut transaction, Again::Perhaps).await;
        if !job.succeeded() {
            transaction.rollback().await.map_err(|error| job.cause().unwrap_or_else(|| Arc::new(error)))?;
            return write_apart(connection, group).await;
        }
    }
    transaction.commit().await.map_err(Arc::new)
}

async fn write_alone(connection: &mut Connection, job: &mut Box<dyn Job>) -> Result<(), Cause> {
    let mut transaction = connection.begin_with(BEGIN_WRITE).await.map_err(Arc::new)?;
    attempt(job, &mut transaction, Again::Never).await;
    let ended = if job.succeeded() { transaction.commit().await } else { transaction.rollback().await };
    ended.map_err(|error| job.cause().unwrap_or_else(|| Arc::new(error)))
}

/// Writes a group in which somebody fails: each has a savepoint of its own.
async fn write_apart(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), Cause> {
    let mut transaction = connection.begin_with(BEGIN_WRITE).await.map_err(Arc::new)?;
    for job in group {
        let mut savepoint = transaction.begin().await.map_err(Arc::new)?;
        attempt(job, &mut savepoint, Again::Never).await;
        let ended = if job.succeeded() { savepoint.commit().await } else { savepoint.rollback().await };
        // SQLite gives up the whole transaction on a full disk or a failed read; the first words say why.
        ended.map_err(|error| job.cause().unwrap_or_else(|| Arc::new(error)))?;
    }
    transaction.commit().await.map_err(Arc::new)
}

/// Work that panics has no outcome: its changes are rolled back and its caller is told.
async fn attempt(job: &mut Box<dyn Job>, connection: &mut Connection, again: Again) {
    if AssertUnwindSafe(job.attempt(connection, again)).catch_unwind().await.is_err() {
        tracing::error!("a write panicked; it was rolled back");
    }
}

#[cfg(test)]
mod tests;
