//! A run as server-sent events: what was stored after the reader's last id, then what happens, until the run is over or
//! waits.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::{RunId, RunStatus, TenantId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::app::runs::Started;
use crate::run::frames::is_terminal;
use crate::run::live::{Frame, LiveRun, Subscription};

/// Stored events are read in pages of this size.
const PAGE: i64 = 500;
/// How soon what another server stored is seen here.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Proxies close a silent connection after 30 to 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where the reader left off, by the standard header that a browser sends when it connects again.
pub(super) fn last_event_id(headers: &HeaderMap) -> i64 {
    headers.get("last-event-id").and_then(|it| it.to_str().ok()).and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}

/// What was stored after `after`, then what happens.
pub(super) fn respond(app: App, tenant: TenantId, run: RunId, after: i64) -> Response {
    stream(Reader::of(app, (tenant, run), after, Vec::new()))
}

/// What happened in the first step, then what happens.
pub(super) fn respond_begun(app: App, tenant: TenantId, started: Started) -> Response {
    stream(Reader::of(app, (tenant, started.run.id), started.after, started.frames))
}

/// The connection itself asks for the next event, so that no task and no queue stands between a run and its reader.
fn stream(reader: Reader) -> Response {
    let events = futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"));
    // A proxy that buffers would turn a stream into a wait.
    ([("x-accel-buffering", "no"), ("cache-control", "no-store")], stream).into_response()
}

pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(axum::http::header::ACCEPT);
    accepted.iter().any(|it| it.to_str().is_ok_and(|it| it.contains("text/event-stream")))
}

struct Reader {
    app: App,
    tenant: TenantId,
    run: RunId,
    /// The number of the last event that was told.
    after: i64,
    /// What comes next.
    events: VecDeque<Event>,
    place: Place,
}

/// Where in a run's life its reader is.
enum Place {
    /// Looking whether somebody here drives it.
    Looking,
    /// Reading what was stored before it joined.
    CatchingUp(Arc<LiveRun>, Subscription),
    Following(Arc<LiveRun>, Receiver<Frame>),
    Over,
}

/// How far a page of stored events led.
#[derive(PartialEq, Eq)]
enum Replayed {
    /// Another page may follow.
    Page,
    All,
    /// The run's last event was among them, or nothing can be read any more.
    Over,
}

impl Reader {
    fn of(app: App, (tenant, run): (TenantId, RunId), after: i64, begun: Vec<Frame>) -> Reader {
        let mut reader = Reader { app, tenant, run, after, events: VecDeque::new(), place: Place::Looking };
        for frame in begun {
            if reader.pass(frame) {
                reader.place = Place::Over;
                break;
            }
        }
        reader
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            self.place = match std::mem::replace(&mut self.place, Place::Over) {
                Place::Looking => self.look().await,
                Place::CatchingUp(live, joined) => self.catch_up(live, joined).await,
                Place::Following(live, frames) => self.follow(live, frames).await,
                Place::Over => return None,
            };
        }
    }

    async fn look(&mut self) -> Place {
        if let Some(live) = self.app.live().get(self.run) {
            let joined = live.subscribe();
            return Place::CatchingUp(live, joined);
        }
        // Asked before the events are read, so that what comes last is among them.
        let goes_on = self.goes_on_elsewhere().await;
        match self.replay(i64::MAX).await {
            Replayed::Page => Place::Looking,
            Replayed::All if goes_on => tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => Place::Looking,
                () = self.app.stopping() => Place::Over,
            },
            Replayed::All | Replayed::Over => Place::Over,
        }
    }

    async fn catch_up(&mut self, live: Arc<LiveRun>, joined: Subscription) -> Place {
        if joined.stored_through > self.after {
            match self.replay(joined.stored_through).await {
                Replayed::Page => return Place::CatchingUp(live, joined),
                Replayed::All => {}
                Replayed::Over => return Place::Over,
            }
        }
        let Subscription { stored_through: _, text, frames } = joined;
        if !text.is_empty() {
            self.tell(None, "message.snapshot", &serde_json::json!({ "text": text }).to_string());
        }
        Place::Following(live, frames)
    }

    async fn follow(&mut self, live: Arc<LiveRun>, mut frames: Receiver<Frame>) -> Place {
        let frame = tokio::select! {
            biased;
            frame = frames.recv() => frame,
            () = live.done.cancelled() => return Place::Looking,
            () = self.app.stopping() => return Place::Over,
        };
        match frame {
            Ok(frame) => match self.pass(frame) {
                true => Place::Over,
                false => Place::Following(live, frames),
            },
            // Too slow for the live frames: what was stored is read again from where this reader is.
            Err(RecvError::Lagged(_) | RecvError::Closed) => Place::Looking,
        }
    }

    /// Whether more is to come although nobody here drives the run: another server does, or somebody is about to.
    async fn goes_on_elsewhere(&self) -> bool {
        match self.app.storage().run(self.tenant, self.run).await {
            Ok(run) => run.is_some_and(|it| matches!(it.status, RunStatus::Queued | RunStatus::Running)),
            Err(error) => {
                tracing::error!(run.id = %self.run, error = %error, "a run cannot be read");
                false
            }
        }
    }

    /// Reads a page of stored events up to and including `through`.
    async fn replay(&mut self, through: i64) -> Replayed {
        let page = match self.app.storage().run_events(self.tenant, self.run, self.after, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(run.id = %self.run, error = %error, "a run's events cannot be read");
                return Replayed::Over;
            }
        };
        if page.is_empty() {
            return Replayed::All;
        }
        for event in page {
            if event.seq > through {
                return Replayed::All;
            }
            self.after = event.seq;
            self.tell(Some(event.seq), &event.name, &event.data);
            if is_terminal(&event.name) {
                return Replayed::Over;
            }
        }
        Replayed::Page
    }

    /// True when this was the last frame.
    fn pass(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Stored { seq, .. } if seq <= self.after => false,
            Frame::Stored { seq, name, data } => {
                self.after = seq;
                self.tell(Some(seq), name, &data);
                // A run that waits may do so for days; whoever wants to see it go on connects again.
                is_terminal(name) || name == "run.waiting"
            }
            Frame::Delta { text } => {
                self.tell(None, "message.delta", &serde_json::json!({ "text": text }).to_string());
                false
            }
            Frame::Note { name, data } => {
                self.tell(None, name, &data);
                is_terminal(name)
            }
        }
    }

    fn tell(&mut self, id: Option<i64>, name: &str, data: &str) {
        let mut event = Event::default().event(name).data(data);
        if let Some(id) = id {
            event = event.id(id.to_string());
        }
        self.events.push_back(event);
    }
}
