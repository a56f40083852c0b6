//! Runs another workflow of the tenant as a run of its own, and passes its text on as it grows.
//!
//! After a restart the effect is performed again: it finds the nested run that was already begun and goes on with that.

use domain::RunStatus;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use workflow_engine::{Delta, EffectError, EffectId, Outcome};

use super::{FromEffect, Performed, Surroundings, failed, refused};
use crate::app::runs::{Nested, NestedRun, outcome_of};
use crate::run::live::{Frame, LiveRun};

pub(super) async fn perform(
    around: &Surroundings,
    id: EffectId,
    node: String,
    (workflow, number): (String, Option<i64>),
    inputs: Value,
) -> Performed {
    let most = around.max_depth;
    if around.depth >= most {
        return Performed::Done(failed(
            "budget_exceeded",
            format!("`{workflow}` would stand inside of more than {most} workflows: the limit `max_depth`"),
            Some("a workflow that calls itself needs a way to end"),
        ));
    }
    let nested = Nested { parent: around.clone(), node: format!("{node}#{}", id.0), workflow, number, inputs };
    let usage = super::Usage::within(around.usage.clone());
    let ended = loop {
        match around.app.begin_nested(nested.clone(), usage.clone()).await {
            Err(error) => return Performed::Done(refused(error)),
            Ok(NestedRun::Parked(run)) => return Performed::Parked(run),
            Ok(NestedRun::Over(run)) => {
                let _ = around.deltas.send(FromEffect::ChildRun { node, run: run.id });
                break *run;
            }
            Ok(NestedRun::Live(run, live)) => {
                let _ = around.deltas.send(FromEffect::ChildRun { node: node.clone(), run });
                follow(around, id, &live).await;
                // Its driver has left: it is over, or it waits, or somebody else goes on with it.
                match around.app.run(around.tenant, run).await {
                    Ok(run) if run.status.is_terminal() => break run,
                    Ok(run) if run.status == RunStatus::Waiting => return Performed::Parked(run.id),
                    Ok(_) => {}
                    Err(error) => return Performed::Done(refused(error)),
                }
            }
        }
    };
    Performed::Done(match outcome_of(ended) {
        Ok((outputs, text)) => {
            Outcome::Ok { value: json!({ "outputs": outputs, "text": text, "usage": usage.to_json() }) }
        }
        Err(error) => Outcome::Failed {
            error: EffectError { code: error.code, message: error.message, hint: error.hint, retry_after_ms: None },
        },
    })
}

/// Passes the nested run's text on until nobody drives it any more.
async fn follow(around: &Surroundings, id: EffectId, live: &LiveRun) {
    // Whoever drops this effect (cancel, timeout, a failed sibling) stops the nested run with it.
    let guard = live.cancel.clone().drop_guard();
    let mut reader = live.subscribe();
    if !reader.text.is_empty() {
        around.delta(id, Delta::Text(std::mem::take(&mut reader.text)));
    }
    loop {
        tokio::select! {
            biased;
            frame = reader.frames.recv() => match frame {
                Ok(Frame::Delta { text }) => around.delta(id, Delta::Text(text.to_string())),
                Ok(Frame::Stored { .. } | Frame::Note { .. }) => {}
                // The whole text comes with the outcome.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            () = live.done.cancelled() => break,
        }
    }
    guard.disarm();
}
