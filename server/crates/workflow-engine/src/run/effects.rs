//! Effects of a run: asking for them, repeating what failed, handing outcomes to their nodes.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::NodeRun;
use super::schedule::Machine;
use crate::compile::Retry;
use crate::effect::{Effect, EffectError, EffectId, Outcome, RequestedEffect};
use crate::event::Event;
use crate::node::Step;

/// An effect on its way, and what its node wants to remember until it comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InFlight {
    pub(super) node: usize,
    pub(super) request: RequestedEffect,
    memory: Json,
    /// The request is the pause before another attempt of this effect.
    pub(super) again: Option<Effect>,
}

impl Machine<'_> {
    pub(super) fn ask(&mut self, number: usize, effect: Effect, memory: Json) {
        self.request((number, 1), effect, memory, None);
        let Some(node) = self.program.nodes.get(number) else { return };
        if !matches!(self.run.nodes.get(number), Some(NodeRun::Running { .. })) {
            self.set(number, NodeRun::Running { received: String::new(), kept: 0, generation: 0 });
        }
        if node.streams {
            self.begin_answers_of(node);
        }
    }

    fn request(&mut self, (number, attempt): (usize, u32), effect: Effect, memory: Json, again: Option<Effect>) {
        let Some(node) = self.program.nodes.get(number) else { return };
        let id = EffectId(self.run.next_effect);
        self.run.next_effect += 1;
        let timeout_ms = if again.is_some() { None } else { node.timeout_ms };
        let request = RequestedEffect { id, node: node.id.to_string(), attempt, effect, timeout_ms };
        self.events.push(Event::EffectRequested(request.clone()));
        self.run.in_flight.insert(id, InFlight { node: number, request, memory, again });
    }

    /// Takes the outcome of an effect that has just been taken out of `in_flight`.
    pub(super) fn settle_effect(&mut self, found: InFlight, outcome: Outcome) {
        let InFlight { node: number, request, memory, again } = found;
        if let Some(effect) = again {
            // However the pause ended, it is over. The text of the next attempt starts from its beginning.
            if let Some(state) = self.run.nodes.get_mut(number) {
                state.begin_text_anew();
            }
            self.request((number, request.attempt + 1), effect, memory, None);
            return;
        }
        let Some(node) = self.program.nodes.get(number) else { return };
        let outcome = node.behaviour.judge(outcome, node.retry.attempts > 1);
        if let Outcome::Failed { error } = &outcome
            && request.attempt < node.retry.attempts
            && node.retry.covers(&error.code)
        {
            let ms = delay(&node.retry, request.attempt, error, self.jitter(number, request.attempt));
            self.request((number, request.attempt), Effect::Wait { ms }, memory, Some(request.effect));
            return;
        }
        if let (Outcome::Failed { error }, false) = (&outcome, node.behaviour.absorbs_failures()) {
            self.fail(number, error.clone());
            return;
        }
        let (next, changed) = {
            let run = &mut *self.run;
            let mut step =
                Step { chat: run.chat.as_ref(), state: &mut run.state, state_changed: false, streamed: None };
            let next = node.behaviour.resume(&mut step, memory, outcome);
            let Step { chat: _, state: _, state_changed, streamed } = step;
            if let (Some(text), Some(state)) = (streamed, run.nodes.get_mut(number)) {
                state.say_so_far(text);
            }
            (next, state_changed)
        };
        self.after_step(number, next, changed);
    }

    /// A number from 0 to 1 that depends on nothing but the run's seed, the node and the attempt.
    fn jitter(&self, number: usize, attempt: u32) -> f64 {
        let salt = u64::try_from(number).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(attempt);
        // The mixing function of splitmix64 (Steele, Lea, Flood 2014).
        let mut bits = self.run.seed.wrapping_add(salt).wrapping_add(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let high = u32::try_from(bits >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }
}

/// Half of the backed-off delay is fixed and half is jitter, so that many runs do not return at the same moment; never
/// less than what the other side asked for.
fn delay(retry: &Retry, attempt: u32, error: &EffectError, jitter: f64) -> u64 {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    #[expect(clippy::cast_precision_loss, reason = "delays are at most a day")]
    let (base, most) = (retry.delay_ms as f64, retry.max_delay_ms as f64);
    let full = (base * retry.backoff.powi(exponent)).min(most);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a day")]
    let ms = (full * (0.5 + jitter / 2.0)).round() as u64;
    ms.max(error.retry_after_ms.unwrap_or(0))
}
