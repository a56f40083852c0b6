//! What the engine says at one step, made into what is stored, what watchers are told, and what is to be done.

use std::sync::Arc;

use domain::{Message, MessageId, MessageStatus, RunStatus};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use storage::{MessageUpdate, NewEvent, RunStep};
use workflow_engine::{CacheKey, EffectId, Event, RequestedEffect, Run};

use super::frames::{Trace, error_json};
use super::journal::{Rebuilt, cause, rebuild, snapshot};
use super::live::Frame;
use crate::app::Result;
use crate::app::catalog::Runnable;

/// Steps from one snapshot to the next: after a crash at most so many are run through the engine again, which takes
/// about a millisecond.
const SNAPSHOT_EVERY: i64 = 200;

/// Counts a run's steps and events.
pub(crate) struct Recorder {
    pub trace: Trace,
    step: i64,
    seq: i64,
    /// The step that was kept as a snapshot last.
    kept: i64,
    /// Where the run's answer goes, from which byte on.
    pub message: Option<MessageId>,
    pub message_from: usize,
    /// A message that the answer goes on in, and that is not stored yet.
    pub next_message: Option<Message>,
    /// The answer went on in a message of its own, which may turn out to have nothing in it.
    went_on: bool,
}

/// Where a recorder stands, to go back there when a step was not stored after all.
pub(crate) struct Mark(i64, i64, i64);

/// One step of a run.
pub(crate) struct Recorded {
    pub step: RunStep,
    pub frames: Vec<Frame>,
    pub requested: Vec<RequestedEffect>,
    /// Effects that nobody waits for any more.
    pub cancelled: Vec<EffectId>,
    /// Outputs to be given again for equal input.
    pub kept: Vec<KeptOutput>,
}

/// An output that a node wants kept.
pub(crate) struct KeptOutput {
    pub key: Box<CacheKey>,
    pub ports: Vec<String>,
    pub output: Value,
}

impl Recorded {
    pub(crate) fn is_over(&self) -> bool {
        self.step.status.is_some_and(RunStatus::is_terminal)
    }
}

impl Recorder {
    pub(crate) fn new(program: &Arc<Runnable>, run: &domain::Run) -> Recorder {
        Recorder {
            trace: Trace::new(program, run),
            step: 0,
            seq: 0,
            kept: 0,
            message: run.message,
            message_from: 0,
            next_message: None,
            went_on: false,
        }
    }

    /// A run that is taken up again, and its recorder.
    pub(crate) fn again(
        program: &Arc<Runnable>,
        record: &domain::Run,
        kept: Option<storage::RunSnapshot>,
        steps: Vec<storage::JournalStep>,
    ) -> Result<(Run, Recorder)> {
        let mut it = Recorder::new(program, record);
        it.kept = kept.as_ref().map_or(0, |it| it.step);
        let Rebuilt { run, step, seq } = rebuild(program, kept, steps, &mut it.trace)?;
        (it.step, it.seq) = (step, seq);
        Ok((run, it))
    }

    /// The number of the last event.
    pub(crate) fn seq(&self) -> i64 {
        self.seq
    }

    /// Makes a step of what the engine said when `cause` went in; `run` is the run after it.
    pub(crate) fn record(&mut self, run: &Run, cause: String, events: Vec<Event>, at: i64) -> Recorded {
        self.step += 1;
        let step = RunStep { number: self.step, cause, first_seq: self.seq + 1, at, ..RunStep::default() };
        let mut recorded =
            Recorded { step, frames: Vec::new(), requested: Vec::new(), cancelled: Vec::new(), kept: Vec::new() };
        if let Some(next) = self.next_message.take() {
            self.message = Some(next.id);
            self.went_on = true;
            recorded.step.next_message = Some(next);
        }
        for event in events {
            self.take(&mut recorded, event, at);
        }
        if recorded.is_over() {
            self.finish(&mut recorded.step, run);
        } else if self.step - self.kept >= SNAPSHOT_EVERY {
            self.keep(&mut recorded.step, run);
        }
        recorded
    }

    /// Makes a step of the run's beginning to wait: the run is kept as it is, and the message has what was said so far.
    pub(crate) fn park(&mut self, run: &Run, waiting_for: &Value, at: i64) -> Recorded {
        // A run that waits on says nothing new: it begins no message for that.
        let next = self.next_message.take();
        let mut recorded = self.record(run, cause("parked", &()), Vec::new(), at);
        self.next_message = next;
        self.add(&mut recorded, "run.waiting", &json!({ "waiting_for": waiting_for, "at": at }));
        self.keep(&mut recorded.step, run);
        self.end_message(&mut recorded.step, run.answer(), MessageStatus::Complete);
        if self.message.is_some() {
            recorded.step.message_from = i64::try_from(run.answer().len()).ok();
        }
        recorded.step.answer = Some(run.answer().to_owned());
        recorded
    }

    /// Adds an event of the server's own.
    pub(crate) fn add(&mut self, recorded: &mut Recorded, name: &'static str, data: &Value) {
        let Ok(data) = to_raw_value(data) else { return };
        self.seq += 1;
        recorded.frames.push(Frame::Stored { seq: self.seq, name, data: data.get().into() });
        recorded.step.events.push(NewEvent { name, data });
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.step, self.seq, self.kept)
    }

    pub(crate) fn go_back(&mut self, Mark(step, seq, kept): Mark) {
        (self.step, self.seq, self.kept) = (step, seq, kept);
    }

    /// What stands in the message, of an answer that may have begun in an earlier one.
    pub(crate) fn part<'a>(&self, answer: &'a str) -> &'a str {
        let part = answer.get(self.message_from..).unwrap_or_default();
        if self.message_from > 0 { part.trim_start_matches('\n') } else { part }
    }

    /// The message gets its part of the answer; one that was begun for nothing is taken away.
    fn end_message(&self, step: &mut RunStep, answer: &str, status: MessageStatus) {
        let content = self.part(answer).to_owned();
        if self.went_on && content.is_empty() && status == MessageStatus::Complete {
            if step.next_message.take().is_none() {
                step.unsaid_message = self.message;
            }
            return;
        }
        let error = step.error.clone();
        step.messages.extend(self.message.map(|id| MessageUpdate { id, content, status, error }));
    }

    fn keep(&mut self, step: &mut RunStep, run: &Run) {
        step.snapshot = snapshot(run, &self.trace.state);
        self.kept = self.step;
    }

    fn take(&mut self, recorded: &mut Recorded, event: Event, at: i64) {
        if let Some((name, data)) = self.trace.frame(&event, at) {
            self.seq += 1;
            recorded.frames.push(Frame::Stored { seq: self.seq, name, data: data.get().into() });
            recorded.step.events.push(NewEvent { name, data });
        }
        let step = &mut recorded.step;
        match event {
            Event::AnswerDelta { text, .. } => recorded.frames.push(Frame::Delta { text: text.into() }),
            Event::EffectRequested(request) => recorded.requested.push(request),
            Event::EffectCancelled { id, .. } => recorded.cancelled.push(id),
            Event::OutputKept { key, ports, output } => recorded.kept.push(KeptOutput { key, ports, output }),
            Event::StateChanged { state } => step.conversation_state = Some(state.to_string()),
            Event::RunFinished { outputs, .. } => {
                step.status = Some(RunStatus::Finished);
                step.outputs = Some(outputs.to_string());
            }
            Event::RunFailed { error, .. } => {
                step.status = Some(RunStatus::Failed);
                step.error = Some(error_json(&error).to_string());
            }
            Event::RunCancelled => step.status = Some(RunStatus::Cancelled),
            Event::RunStarted { .. }
            | Event::NodeStarted { .. }
            | Event::NodeFinished { .. }
            | Event::NodeSkipped { .. }
            | Event::NodeFailed { .. }
            | Event::NodeKept { .. }
            | Event::AnswerCompleted { .. } => {}
        }
    }

    fn finish(&self, step: &mut RunStep, run: &Run) {
        let answer = run.answer().to_owned();
        step.finished_at = Some(step.at);
        let status = match step.status {
            Some(RunStatus::Finished) => MessageStatus::Complete,
            Some(RunStatus::Cancelled) => MessageStatus::Cancelled,
            Some(RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Failed) | None => {
                MessageStatus::Failed
            }
        };
        self.end_message(step, &answer, status);
        step.answer = Some(answer);
    }
}

/// A JSON text of a step, read back.
pub(crate) fn read_back(text: Option<&String>) -> Option<Value> {
    text.and_then(|it| serde_json::from_str(it).ok())
}
