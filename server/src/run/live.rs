//! Runs in progress as their readers see them: what was stored, in order, plus the text as it grows.
//!
//! The driver of a run is the only writer. A reader first takes a [`Subscription`], then replays from storage up to
//! `stored_through`, then follows. Text deltas are not stored; whoever comes later gets the text so far in one piece.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::RunId;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Frames a slow reader may lag behind before it has to replay from storage. A chat answer has a few hundred.
const BACKLOG: usize = 1024;

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
    /// Cancelled by the driver when the terminal event is stored.
    pub done: CancellationToken,
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

/// All runs that this process is driving.
#[derive(Default, Debug)]
pub struct LiveRuns(Mutex<HashMap<RunId, Arc<LiveRun>>>);

impl LiveRuns {
    pub(crate) fn begin(&self, run: RunId, stored_through: i64, text: String) -> Arc<LiveRun> {
        let live = Arc::new(LiveRun::new(stored_through, text));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run, live.clone());
        live
    }

    pub(crate) fn end(&self, run: RunId) {
        if let Some(live) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run) {
            live.done.cancel();
        }
    }

    pub fn get(&self, run: RunId) -> Option<Arc<LiveRun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
