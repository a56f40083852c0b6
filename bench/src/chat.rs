//! A visitor who chats: says something, and notes when each piece of the answer comes.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::clock::now_us;
use crate::events::Events;
use crate::http::{Connection, Request, Target};
use crate::mock_model::{Pace, Stamp};

/// What a visitor heard; all times in microseconds.
#[derive(Default)]
pub(crate) struct Heard {
    /// From sending the message to the first words, less the time that the model itself took: the whole way to the model
    /// and back.
    pub(crate) added: Vec<u64>,
    /// From the model's sending its first words to their arrival: the way back alone.
    pub(crate) first_late: Vec<u64>,
    /// The same for all later pieces.
    pub(crate) late: Vec<u64>,
}

impl Heard {
    pub(crate) fn join(&mut self, other: Heard) {
        let Heard { added, first_late, late } = other;
        self.added.extend(added);
        self.first_late.extend(first_late);
        self.late.extend(late);
    }
}

pub(crate) struct Visitor {
    connection: Connection,
    messages: String,
}

impl Visitor {
    /// Connects and begins a conversation.
    ///
    /// # Errors
    /// The server refuses it, or no socket is left.
    pub(crate) async fn arrive(target: &Target) -> anyhow::Result<Visitor> {
        let mut connection = Connection::open(target).await?;
        let begin = Request::post("/api/v1/conversations", &json!({ "assistant": "desk" }));
        let made: Value = serde_json::from_slice(connection.call(&begin).await?)?;
        let id = made.get("id").and_then(Value::as_str).context("a conversation has an id")?;
        let messages = format!("/api/v1/conversations/{id}/messages");
        Ok(Visitor { connection, messages })
    }

    /// Says what makes the model answer at this pace, and listens to the end of the answer.
    ///
    /// # Errors
    /// The answer fails, or ends without a word.
    pub(crate) async fn ask(&mut self, pace: Pace) -> anyhow::Result<Heard> {
        let mut heard = Heard::default();
        self.listen(pace, &mut heard).await?;
        if heard.first_late.is_empty() {
            bail!("an answer came without a word");
        }
        Ok(heard)
    }

    /// The same, but goes away after so long, in the middle of the answer.
    ///
    /// # Errors
    /// The answer fails before, or has not begun by then.
    pub(crate) async fn ask_for(&mut self, pace: Pace, time: Duration) -> anyhow::Result<Heard> {
        let mut heard = Heard::default();
        match tokio::time::timeout(time, self.listen(pace, &mut heard)).await {
            Ok(ended) => {
                ended?;
                bail!("a stream ended that was to be held")
            }
            Err(_) if heard.first_late.is_empty() => bail!("no word came within {} s", time.as_secs()),
            Err(_) => Ok(heard),
        }
    }

    async fn listen(&mut self, pace: Pace, heard: &mut Heard) -> anyhow::Result<()> {
        let request = Request::post(self.messages.as_str(), &json!({ "content": pace.words() })).events();
        let asked = now_us();
        let status = self.connection.send(&request).await?;
        let (mut events, mut failure) = (Events::default(), None);
        while let Some(piece) = self.connection.piece().await? {
            if status != 200 {
                bail!("a message was answered with {status}: {}", String::from_utf8_lossy(piece));
            }
            let now = now_us();
            events.feed(piece, |name, data| match (name, Stamp::in_text(data)) {
                // A reader who joins late gets the text so far in one piece.
                ("message.delta" | "message.snapshot", Some(stamp)) => {
                    let late = now.saturating_sub(stamp.sent);
                    if heard.first_late.is_empty() {
                        heard.added.push((now - asked).saturating_sub(stamp.held));
                        heard.first_late.push(late);
                    } else {
                        heard.late.push(late);
                    }
                }
                ("run.failed" | "run.cancelled", _) => failure = Some(format!("{name}: {data}")),
                _ => {}
            });
        }
        match failure {
            Some(failure) => bail!(failure),
            None => Ok(()),
        }
    }
}
