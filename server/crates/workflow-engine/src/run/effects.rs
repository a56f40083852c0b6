//! Effects of a run: asking for them, repeating what failed, handing outcomes to their nodes.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::NodeRun;
use super::frames::Place;
use super::schedule::Machine;
use crate::compile::{Cache, Retry};
use crate::effect::{CacheKey, Effect, EffectError, EffectId, Outcome, QuestionKind, RequestedEffect};
use crate::event::Event;
use crate::node::Step;
use crate::nodes::history;
use crate::program::ProgramNode;

/// An effect on its way, and what its node wants to remember until it comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct InFlight {
    pub(super) place: Place,
    pub(super) request: RequestedEffect,
    pub(super) purpose: Purpose,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// The node asked for it, and remembers this.
    Work(Json),
    /// The pause before another attempt of an effect.
    Pause { effect: Effect, memory: Json },
    /// Whether an output was kept for this input.
    Lookup { input: Json },
    /// The time that a container may take.
    Deadline,
}

impl InFlight {
    /// Whether it does work, and so takes one of the places of `max_parallel`; waiting takes none.
    pub(super) fn is_busy(&self) -> bool {
        match self.request.effect {
            Effect::Wait { .. } | Effect::WaitUntil { .. } | Effect::AskHuman(_) => false,
            Effect::Complete { .. }
            | Effect::Embed { .. }
            | Effect::Search { .. }
            | Effect::Query { .. }
            | Effect::CallTool { .. }
            | Effect::RunWorkflow { .. }
            | Effect::Fetch(_)
            | Effect::ParseDocument { .. }
            | Effect::Recall(_) => true,
        }
    }
}

impl Machine<'_> {
    pub(super) fn ask(&mut self, place: Place, effect: Effect, memory: Json) {
        if let Effect::AskHuman(question) = &effect
            && question.kind == QuestionKind::Ask
        {
            let text = question.text.clone();
            self.say_question(place, &text);
        }
        self.request((place, 1), effect, Purpose::Work(memory));
        self.is_running(place);
    }

    /// The node has something on its way; from now on answers may pass on what it streams.
    fn is_running(&mut self, place: Place) {
        let Some(node) = self.run.of(self.program, place) else { return };
        if !matches!(self.run.node(place), Some(NodeRun::Running { .. })) {
            self.set(place, NodeRun::Running { received: String::new(), kept: 0, generation: 0, cache: None });
        }
        if node.streams {
            self.begin_answers_of(place.frame, node);
        }
    }

    fn request(&mut self, (place, attempt): (Place, u32), effect: Effect, purpose: Purpose) {
        let Some(node) = self.run.of(self.program, place) else { return };
        let id = EffectId(self.run.next_effect);
        self.run.next_effect += 1;
        let timeout_ms = match purpose {
            Purpose::Work(_) => [node.timeout_ms, node.behaviour.most_ms(&effect)].into_iter().flatten().min(),
            Purpose::Pause { .. } | Purpose::Lookup { .. } | Purpose::Deadline => None,
        };
        let node = self.run.path(self.program, place);
        let request = RequestedEffect { id, node, attempt, effect, timeout_ms };
        self.events.push(Event::EffectRequested(request.clone()));
        let found = InFlight { place, request, purpose };
        self.run.busy += usize::from(found.is_busy());
        self.run.in_flight.insert(id, found);
    }

    /// Asks for a container's deadline.
    pub(super) fn request_deadline(&mut self, place: Place, ms: u64) {
        self.request((place, 1), Effect::Wait { ms }, Purpose::Deadline);
    }

    /// Asks whether an output was kept for this input.
    pub(super) fn look_up(&mut self, place: Place, cache: &Cache, input: Json) -> Result<(), EffectError> {
        let Some(node) = self.run.of(self.program, place) else { return Ok(()) };
        let (part, heard) = match &cache.key {
            Some(key) => (key.evaluate(&self.names(place.frame))?, Vec::new()),
            // What a model is shown of the conversation is input as well, though it stands in no field.
            None if cache.hears => (input.clone(), history(self.run.chat.as_ref(), input.get("history"))?),
            None => (input.clone(), Vec::new()),
        };
        let mut material = json!({ "use": node.kind, "with": cache.written, "for": part });
        if let (Some(material), false) = (material.as_object_mut(), heard.is_empty()) {
            material.insert("heard".to_owned(), json!(heard));
        }
        let key = CacheKey {
            material,
            models: ["model", "rewrite"].iter().flat_map(|it| texts(&input, it)).chain(cache.model.clone()).collect(),
            knowledge_bases: ["knowledge_bases", "knowledge_base", "knowledge"]
                .iter()
                .flat_map(|it| texts(&input, it))
                .chain(input.get("from").into_iter().flat_map(|it| texts(it, "knowledge_base")))
                .collect(),
            ttl_ms: cache.ttl_ms,
            scope: cache.scope,
        };
        self.request((place, 1), Effect::Recall(Box::new(key.clone())), Purpose::Lookup { input });
        self.is_running(place);
        if let Some(NodeRun::Running { cache, .. }) = self.run.node_mut(place) {
            *cache = Some(Box::new(key));
        }
        Ok(())
    }

    /// Takes the outcome of an effect that has just been taken out of `in_flight`.
    pub(super) fn settle_effect(&mut self, found: InFlight, outcome: Outcome) {
        let InFlight { place, request, purpose } = found;
        let memory = match purpose {
            Purpose::Work(memory) => memory,
            Purpose::Pause { effect, memory } => {
                // However the pause ended, it is over. The text of the next attempt starts from its beginning.
                if let Some(state) = self.run.node_mut(place) {
                    state.begin_text_anew();
                }
                self.request((place, request.attempt + 1), effect, Purpose::Work(memory));
                return;
            }
            Purpose::Lookup { input } => return self.recalled(place, input, outcome),
            Purpose::Deadline => return self.container_is_late(place),
        };
        let Some(node) = self.run.of(self.program, place) else { return };
        if !self.count_usage(&outcome) {
            return;
        }
        let outcome = node.behaviour.judge(outcome, node.retry.attempts > 1);
        if let Outcome::Failed { error } = &outcome
            && request.attempt < node.retry.attempts
            && node.retry.covers(&error.code)
        {
            let ms = delay(&node.retry, request.attempt, error, self.jitter(&request));
            let purpose = Purpose::Pause { effect: request.effect, memory };
            self.request((place, request.attempt), Effect::Wait { ms }, purpose);
            return;
        }
        if let (Outcome::Failed { error }, false) = (&outcome, node.behaviour.absorbs_failure_of(&request.effect)) {
            self.fail(place, error.clone());
            return;
        }
        let (next, changed) = {
            let run = &mut *self.run;
            let mut step = Step::new(run.chat.as_ref(), &mut run.state);
            let next = node.behaviour.resume(&mut step, memory, outcome);
            let Step { chat: _, state: _, state_changed, streamed } = step;
            if let (Some(text), Some(state)) = (streamed, run.node_mut(place)) {
                state.say_so_far(text);
            }
            (next, state_changed)
        };
        self.after_step(place, next, changed);
    }

    /// What was kept is the output; without it the node starts as it would have.
    fn recalled(&mut self, place: Place, input: Json, outcome: Outcome) {
        let Some(node) = self.run.of(self.program, place) else { return };
        if let Outcome::Ok { value } = outcome
            && value.get("hit").and_then(Json::as_bool) == Some(true)
        {
            let ports: Vec<String> = match value.get("ports").map(|it| serde_json::from_value(it.clone())) {
                Some(Ok(ports)) => ports,
                Some(Err(_)) | None => vec![crate::node::DONE.to_owned()],
            };
            let output = value.get("output").cloned().unwrap_or(Json::Null);
            let saved = output.get("usage").cloned().unwrap_or_else(|| json!({}));
            if let Some(NodeRun::Running { cache, .. }) = self.run.node_mut(place) {
                *cache = None;
            }
            self.done_from((place, node), ports, output, Some(saved));
            return;
        }
        self.work(place, node, &input);
    }

    /// A number from 0 to 1 that depends on nothing but the run's seed, the node and the attempt.
    fn jitter(&self, request: &RequestedEffect) -> f64 {
        // FNV-1a (Fowler, Noll, Vo) of the node's id.
        let of_node = request
            .node
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, it| (hash ^ u64::from(it)).wrapping_mul(0x0100_0000_01b3));
        let salt = of_node ^ u64::from(request.attempt);
        // The mixing function of splitmix64 (Steele, Lea, Flood 2014).
        let mut bits = self.run.seed.wrapping_add(salt).wrapping_add(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let high = u32::try_from(bits >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }

    /// The container does not need its deadline any more, or a frame is given up with what its nodes asked for.
    pub(super) fn cancel_where(&mut self, given_up: impl Fn(&InFlight) -> bool) {
        let gone: Vec<EffectId> = self.run.in_flight.iter().filter(|(_, it)| given_up(it)).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(found) = self.run.take_in_flight(id) {
                self.events.push(Event::EffectCancelled { id, node: found.request.node });
            }
        }
    }

    /// Keeps what a node gave, if it asked for that.
    pub(super) fn keep(&mut self, place: Place, (node, ports, output): (&ProgramNode, &[String], &Json)) {
        if node.cache.is_none() {
            return;
        }
        if let Some(NodeRun::Running { cache, .. }) = self.run.node_mut(place)
            && let Some(key) = cache.take()
        {
            let (ports, output) = (ports.to_vec(), output.clone());
            self.events.push(Event::OutputKept { key, ports, output });
        }
    }
}

/// A text or a list of texts of an input.
fn texts(input: &Json, key: &str) -> Vec<String> {
    match input.get(key) {
        Some(Json::String(one)) => vec![one.clone()],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) | None => Vec::new(),
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
