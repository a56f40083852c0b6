//! Runs in progress as their readers see them: what was stored, in order, plus the text as it grows.
//!
//! The driver of a run is the only writer. A run that waits for a person is not in progress: nothing of it is here. A reader first takes a [`Subscription`], then replays from storage up to
//! `stored_through`, then follows. Text deltas are not stored; whoever comes later gets the text so far in one piece.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::RunId;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

/// Frames a slow reader may lag behind before it has to replay from storage. Every run in progress pays for the room, 64
/// bytes each.
const BACKLOG: usize = 64;

#[derive(Clone, Debug)]
pub enum Frame {
    /// Stored under this sequence number.
    Stored { seq: i64, name: &'static str, data: Arc<str> },
    /// More of the answer.
    Delta { text: Arc<str> },
    /// Something that helps a watcher but is not part of the record.
    Note { name: &'static str, data: Arc<str> },
}

#[derive(Debug)]
pub struct LiveRun {
    state: Mutex<State>,
    sender: broadcast::Sender<Frame>,
    /// Cancelled by whoever presses stop; the driver listens.
    pub cancel: CancellationToken,
    /// Cancelled when the driver has left: the run is over, or it waits, and that is stored.
    pub done: CancellationToken,
    /// Set by whoever answered something that the run waits for; the driver takes it back when it looks.
    poked: AtomicBool,
    poke: Notify,
}

#[derive(Debug, Default)]
struct State {
    stored_through: i64,
    text: String,
}

/// Where a reader joined.
pub struct Subscription {
    pub stored_through: i64,
    pub text: String,
    pub frames: broadcast::Receiver<Frame>,
}

impl LiveRun {
    fn new(stored_through: i64, text: String) -> LiveRun {
        LiveRun {
            state: Mutex::new(State { stored_through, text }),
            sender: broadcast::channel(BACKLOG).0,
            cancel: CancellationToken::new(),
            done: CancellationToken::new(),
            poked: AtomicBool::new(false),
            poke: Notify::new(),
        }
    }

    pub fn subscribe(&self) -> Subscription {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Subscription { stored_through: state.stored_through, text: state.text.clone(), frames: self.sender.subscribe() }
    }

    pub(crate) fn publish(&self, frame: Frame) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &frame {
            Frame::Stored { seq, .. } => state.stored_through = *seq,
            Frame::Delta { text } => state.text.push_str(text),
            Frame::Note { .. } => {}
        }
        // No receiver is fine: the run goes on when nobody watches.
        let _ = self.sender.send(frame);
    }
}

impl LiveRun {
    /// Resolves when somebody has poked since the last time.
    pub(crate) async fn poked(&self) {
        while !self.poked.swap(false, Ordering::SeqCst) {
            self.poke.notified().await;
        }
    }
}

/// All runs that this process is driving, or is about to: those have no [`LiveRun`] yet.
#[derive(Default, Debug)]
pub struct LiveRuns(Mutex<HashMap<RunId, Option<Arc<LiveRun>>>>);

/// The exclusive right to drive a run in this process.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    runs: &'a LiveRuns,
    run: RunId,
    begun: bool,
}

impl Reserved<'_> {
    pub(crate) fn begin(mut self, stored_through: i64, text: String) -> Arc<LiveRun> {
        let live = Arc::new(LiveRun::new(stored_through, text));
        self.runs.all().insert(self.run, Some(live.clone()));
        self.begun = true;
        live
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.begun {
            self.runs.all().remove(&self.run);
        }
    }
}

impl LiveRuns {
    fn all(&self) -> MutexGuard<'_, HashMap<RunId, Option<Arc<LiveRun>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when somebody else here drives the run or is about to.
    pub(crate) fn reserve(&self, run: RunId) -> Option<Reserved<'_>> {
        let mut all = self.all();
        if all.contains_key(&run) {
            return None;
        }
        all.insert(run, None);
        Some(Reserved { runs: self, run, begun: false })
    }

    /// True when the run was poked after its driver had looked for the last time: somebody has to look again.
    pub(crate) fn end(&self, run: RunId) -> bool {
        let Some(Some(live)) = self.all().remove(&run) else { return false };
        live.done.cancel();
        live.poked.load(Ordering::SeqCst)
    }

    /// Tells the run's driver that there is something to look at. None when no driver of this process has the run.
    pub(crate) fn poke(&self, run: RunId) -> Option<Arc<LiveRun>> {
        // Under the lock, so that either the driver sees it or whoever ends the run does.
        let all = self.all();
        let live = all.get(&run)?.clone()?;
        live.poked.store(true, Ordering::SeqCst);
        live.poke.notify_one();
        Some(live)
    }

    pub fn get(&self, run: RunId) -> Option<Arc<LiveRun>> {
        self.all().get(&run)?.clone()
    }

    /// Whether the run is driven here or about to be.
    pub(crate) fn has(&self, run: RunId) -> bool {
        self.all().contains_key(&run)
    }

    pub fn count(&self) -> usize {
        self.all().len()
    }
}
