//! A run as server-sent events: what was stored after the reader's last id, then what happens, until the run is over or
//! waits.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::{RunId, RunStatus, TenantId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::App;
use crate::app::runs::Started;
use crate::run::frames::is_terminal;
use crate::run::live::{Frame, Subscription};

/// Events that may wait for a slow reader before its own task waits for it.
const BUFFERED: usize = 64;
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
    stream(Reader::of(app, tenant, run, after), Vec::new())
}

/// What happened in the first step, then what happens.
pub(super) fn respond_begun(app: App, tenant: TenantId, started: Started) -> Response {
    stream(Reader::of(app, tenant, started.run.id, started.after), started.frames)
}

fn stream((mut reader, receiver): (Reader, mpsc::Receiver<Told>), begun: Vec<Frame>) -> Response {
    tokio::spawn(async move {
        for frame in begun {
            match reader.pass(frame).await {
                Ok(false) => {}
                Ok(true) | Err(Gone) => return,
            }
        }
        // The reader is gone: nothing is left to tell.
        let _ = reader.follow().await;
    });
    let events = ReceiverStream::new(receiver);
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"));
    // A proxy that buffers would turn a stream into a wait.
    ([("x-accel-buffering", "no"), ("cache-control", "no-store")], stream).into_response()
}

pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(axum::http::header::ACCEPT);
    accepted.iter().any(|it| it.to_str().is_ok_and(|it| it.contains("text/event-stream")))
}

struct Gone;

type Told = Result<Event, Infallible>;

struct Reader {
    app: App,
    tenant: TenantId,
    run: RunId,
    after: i64,
    sender: mpsc::Sender<Told>,
}

impl Reader {
    fn of(app: App, tenant: TenantId, run: RunId, after: i64) -> (Reader, mpsc::Receiver<Told>) {
        let (sender, receiver) = mpsc::channel(BUFFERED);
        (Reader { app, tenant, run, after, sender }, receiver)
    }

    async fn follow(&mut self) -> Result<(), Gone> {
        loop {
            let Some(live) = self.app.live().get(self.run) else {
                // Asked before the events are read, so that what comes last is among them.
                let goes_on = self.goes_on_elsewhere().await;
                if self.replay(i64::MAX).await? || !goes_on {
                    return Ok(());
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                    () = self.sender.closed() => return Err(Gone),
                    () = self.app.stopping() => return Ok(()),
                }
                continue;
            };
            let Subscription { stored_through, text, mut frames } = live.subscribe();
            if stored_through > self.after && self.replay(stored_through).await? {
                return Ok(());
            }
            if !text.is_empty() {
                self.send(None, "message.snapshot", &serde_json::json!({ "text": text }).to_string()).await?;
            }
            loop {
                let frame = tokio::select! {
                    biased;
                    frame = frames.recv() => frame,
                    () = live.done.cancelled() => break,
                    () = self.app.stopping() => return Ok(()),
                };
                match frame {
                    Ok(frame) => {
                        if self.pass(frame).await? {
                            return Ok(());
                        }
                    }
                    // Too slow for the live frames: what was stored is read again from where this reader is.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => break,
                }
            }
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

    /// Sends stored events up to and including `through`; true when the run's last one was among them.
    async fn replay(&mut self, through: i64) -> Result<bool, Gone> {
        loop {
            let page = self.app.storage().run_events(self.tenant, self.run, self.after, PAGE).await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(run.id = %self.run, error = %error, "a run's events cannot be read");
                    return Err(Gone);
                }
            };
            if page.is_empty() {
                return Ok(false);
            }
            for event in page {
                if event.seq > through {
                    return Ok(false);
                }
                self.after = event.seq;
                self.send(Some(event.seq), &event.name, &event.data).await?;
                if is_terminal(&event.name) {
                    return Ok(true);
                }
            }
        }
    }

    /// True when this was the last frame.
    async fn pass(&mut self, frame: Frame) -> Result<bool, Gone> {
        match frame {
            Frame::Stored { seq, .. } if seq <= self.after => Ok(false),
            Frame::Stored { seq, name, data } => {
                self.after = seq;
                self.send(Some(seq), name, &data).await?;
                // A run that waits may do so for days; whoever wants to see it go on connects again.
                Ok(is_terminal(name) || name == "run.waiting")
            }
            Frame::Delta { text } => {
                self.send(None, "message.delta", &serde_json::json!({ "text": text }).to_string()).await?;
                Ok(false)
            }
            Frame::Note { name, data } => {
                self.send(None, name, &data).await?;
                Ok(is_terminal(name))
            }
        }
    }

    async fn send(&self, id: Option<i64>, name: &str, data: &str) -> Result<(), Gone> {
        let mut event = Event::default().event(name).data(data);
        if let Some(id) = id {
            event = event.id(id.to_string());
        }
        self.sender.send(Ok(event)).await.map_err(|_| Gone)
    }
}
