//! A run's journal: what went into the engine at each step. The engine is a function of it, so the run can be had again:
//! after a crash from the last snapshot on, and for a replay from the beginning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage::{JournalStep, RunSnapshot};
use workflow_engine::{Delta, EffectId, Event, Outcome, PastNode, Program, Run, RunError, RunInput};

use super::frames::{Trace, TraceState};
use crate::app::{AppError, Result};
use crate::error_codes::ErrorCode;

/// What went into the engine at one step.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    Start(Box<RunInput>),
    /// Begun from a node of another run, with what that had finished.
    Again(Box<Again>),
    /// Begun, and given everything that another run was given.
    Replayed(Box<Replayed>),
    Outcomes(Vec<Settled>),
    Cancel(()),
    /// The server ended the run, for a reason that the engine does not know of.
    Ended(RunError),
    /// The run waits and its driver left. Nothing went into the engine.
    Parked(()),
    /// A step of a version that kept snapshots only; nobody can go behind it.
    BeforeJournal(()),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Again {
    pub input: RunInput,
    from: String,
    past: BTreeMap<String, PastNode>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Replayed {
    pub input: RunInput,
    outcomes: Vec<Settled>,
}

impl Cause {
    /// A run's beginning, and the outcomes that belong to it. A cause that is none comes back.
    pub(crate) fn begin(self, program: &Program) -> std::result::Result<(Run, Vec<Event>, Vec<Settled>), Cause> {
        match self {
            Cause::Start(input) => {
                let (run, events) = Run::start(program, *input);
                Ok((run, events, Vec::new()))
            }
            Cause::Again(again) => {
                let Again { input, from, past } = *again;
                match Run::start_from(program, input.clone(), (&from, &past)) {
                    Ok((run, events)) => Ok((run, events, Vec::new())),
                    Err(_) => Err(Cause::Again(Box::new(Again { input, from, past }))),
                }
            }
            Cause::Replayed(replayed) => {
                let Replayed { input, outcomes } = *replayed;
                let (run, events) = Run::start(program, input);
                Ok((run, events, outcomes))
            }
            other @ (Cause::Outcomes(_)
            | Cause::Cancel(())
            | Cause::Ended(_)
            | Cause::Parked(())
            | Cause::BeforeJournal(())) => Err(other),
        }
    }
}

/// How an effect ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settled {
    pub effect: EffectId,
    pub outcome: Outcome,
    /// What the effect had said by then, where the outcome does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl Settled {
    /// `streamed` is what the effect has said so far.
    pub(crate) fn new(effect: EffectId, outcome: Outcome, streamed: Option<String>) -> Settled {
        let streamed = streamed.filter(|it| !it.is_empty());
        let told = |streamed: &String| match &outcome {
            Outcome::Ok { value } => value
                .get("text")
                .and_then(serde_json::Value::as_str)
                .is_some_and(|it| it.starts_with(streamed.as_str())),
            Outcome::Failed { .. } => false,
        };
        let said = streamed.filter(|it| !told(it));
        Settled { effect, outcome, said }
    }
}

/// A cause as it is stored. Written from what it borrows, because the engine takes the same value afterwards.
pub(crate) fn cause(name: &str, what: &impl Serialize) -> String {
    // What went into the engine came from JSON, so it can be written as JSON.
    format!("{{\"{name}\":{}}}", serde_json::to_string(what).unwrap_or_else(|_| "null".to_owned()))
}

/// A run as it is kept: the engine's part and the trace's.
#[derive(Serialize, Deserialize)]
struct Kept<R, T> {
    run: R,
    #[serde(default)]
    trace: T,
}

/// Writes a snapshot. Text that effects in flight have said so far is not part of it: they will say it again.
pub(crate) fn snapshot(run: &Run, trace: &TraceState) -> Option<String> {
    let mut run = run.clone();
    run.pending();
    serde_json::to_string(&Kept { run, trace }).ok()
}

/// A run as its journal has it.
pub(crate) struct Rebuilt {
    pub run: Run,
    /// The number of the last step, and of the last event.
    pub step: i64,
    pub seq: i64,
}

/// Goes on from a snapshot, or from the start, with the steps after it. The trace learns again what it knew. `steps` may
/// begin with the snapshot's own, which tells the number of its last event.
///
/// # Errors
/// The journal does not begin with the start of the run, or a snapshot or step cannot be read.
pub(crate) fn rebuild(
    program: &Program,
    kept: Option<RunSnapshot>,
    steps: Vec<JournalStep>,
    trace: &mut Trace,
) -> Result<Rebuilt> {
    let mut step = 0;
    let mut run = match kept {
        None => None,
        Some(kept) => {
            let Kept { run, trace: state }: Kept<Run, TraceState> =
                serde_json::from_str(&kept.snapshot).map_err(unreadable)?;
            trace.state = state;
            step = kept.step;
            Some(run)
        }
    };
    let mut seq = 0;
    for entry in steps {
        seq = entry.last_seq;
        if entry.number <= step {
            continue;
        }
        step = entry.number;
        let what: Cause = serde_json::from_str(&entry.cause).map_err(unreadable)?;
        let what = match what.begin(program) {
            Ok((mut begun, mut events, outcomes)) => {
                for settled in outcomes {
                    events.extend(settle(program, &mut begun, settled));
                }
                for event in &events {
                    trace.frame(event, entry.at);
                }
                run = Some(begun);
                continue;
            }
            Err(what) => what,
        };
        let events = match (what, &mut run) {
            (Cause::Outcomes(settled), Some(run)) => {
                settled.into_iter().flat_map(|it| settle(program, run, it)).collect()
            }
            (Cause::Cancel(()), Some(run)) => run.cancel(),
            (Cause::Ended(error), Some(run)) => end(run, &error),
            (Cause::Parked(()), Some(_)) => Vec::new(),
            (Cause::Start(_) | Cause::Again(_) | Cause::Replayed(_) | Cause::BeforeJournal(()), _)
            | (Cause::Outcomes(_) | Cause::Cancel(()) | Cause::Ended(_) | Cause::Parked(()), None) => {
                return Err(AppError::new(ErrorCode::RunFailed, "the run's journal does not begin with its start")
                    .hint("runs of an older version cannot be taken up; start it again"));
            }
        };
        for event in &events {
            trace.frame(event, entry.at);
        }
    }
    let run = run.ok_or_else(|| AppError::new(ErrorCode::RunFailed, "the run has no journal"))?;
    Ok(Rebuilt { run, step, seq })
}

/// Ends a run for a reason of the server's: it is cancelled inside the engine, but its record says why.
pub(crate) fn end(run: &mut Run, error: &RunError) -> Vec<Event> {
    let mut events = run.cancel();
    for event in &mut events {
        if matches!(event, Event::RunCancelled) {
            *event = Event::RunFailed { error: error.clone(), answer: run.answer().to_owned() };
        }
    }
    events
}

/// Written by a version that knew other nodes or effects.
fn unreadable(error: serde_json::Error) -> AppError {
    let mut it = AppError::new(ErrorCode::RunFailed, "what was stored of the run cannot be read").hint("run it again");
    it.internal = Some(Box::new(error));
    it
}

/// Tells the engine how an effect ended, and before that what it had said.
pub(crate) fn settle(program: &Program, run: &mut Run, settled: Settled) -> Vec<Event> {
    let Settled { effect, outcome, said } = settled;
    let mut events = match said {
        Some(said) => run.progress(program, effect, Delta::Text(said)),
        None => Vec::new(),
    };
    events.extend(run.resume(program, effect, outcome));
    events
}
