//! Plays a run twice at once: one run stays in memory, the other is stored and loaded before every step. Both must do the
//! same, and both must keep the rules that whoever drives runs relies on.

use std::collections::{BTreeMap, BTreeSet};

use workflow_engine::{Delta, Effect, EffectId, Event, Outcome, Program, RequestedEffect, Run, RunStatus};

use crate::cases::Case;

/// More effects than any program here needs in `MAX_STEPS` steps, however its effects end.
pub const MAX_EFFECTS: u64 = 20_000;

pub struct Player<'c> {
    program: &'c Program,
    case: &'c str,
    max_steps: u32,
    pub run: Run,
    /// Another process takes this one up before every step.
    twin: Run,
    pub pending: BTreeMap<EffectId, RequestedEffect>,
    newest: u64,
    said: String,
    /// By node, since it last completed an answer.
    saying: BTreeMap<String, String>,
    started: BTreeSet<String>,
    settled: BTreeSet<String>,
    pub over: bool,
}

impl<'c> Player<'c> {
    pub fn new(case: &'c Case, max_steps: u32, start: impl Fn() -> (Run, Vec<Event>)) -> Player<'c> {
        let (run, events) = start();
        let (twin, same) = start();
        assert_eq!(events, same, "{}: a start with the same input is another start", case.name);
        let mut player = Player {
            program: &case.program,
            case: &case.name,
            max_steps,
            run,
            twin,
            pending: BTreeMap::new(),
            newest: 0,
            said: String::new(),
            saying: BTreeMap::new(),
            started: BTreeSet::new(),
            settled: BTreeSet::new(),
            over: false,
        };
        player.absorb(events);
        player
    }

    pub fn resume(&mut self, id: EffectId, outcome: &Outcome) {
        self.pending.remove(&id);
        self.step(|run, program| run.resume(program, id, outcome.clone()));
        let again = self.run.resume(self.program, id, outcome.clone());
        assert!(again.is_empty(), "{}: an outcome counted twice: {again:?}", self.case);
    }

    pub fn progress(&mut self, id: EffectId, delta: &Delta) {
        let events = self.step(|run, program| run.progress(program, id, delta.clone()));
        let only_says = events.iter().all(|it| matches!(it, Event::AnswerDelta { .. }));
        assert!(only_says, "{}: more than words came of progress: {events:?}", self.case);
    }

    pub fn cancel(&mut self) {
        let was_over = self.over;
        let events = self.step(|run, _| run.cancel());
        assert_eq!(events.is_empty(), was_over, "{}", self.case);
        assert_eq!(self.run.status().is_terminal(), true);
    }

    /// A restart: what is on its way is asked for again, and streams its text from the beginning.
    pub fn restart(&mut self) {
        let pending = self.run.pending();
        assert_eq!(pending, self.twin.pending(), "{}", self.case);
        assert!(pending.iter().eq(self.pending.values()), "{}: pending is what was asked for", self.case);
        self.absorb(Vec::new());
    }

    fn step(&mut self, act: impl Fn(&mut Run, &Program) -> Vec<Event>) -> Vec<Event> {
        let stored = serde_json::to_string(&self.twin).expect("a run can be stored");
        self.twin = serde_json::from_str(&stored).unwrap_or_else(|error| panic!("{}: not loaded: {error}", self.case));
        let events = act(&mut self.run, self.program);
        let twins = act(&mut self.twin, self.program);
        assert_eq!(events, twins, "{}: storing and loading changed what follows", self.case);
        self.absorb(events.clone());
        events
    }

    fn absorb(&mut self, events: Vec<Event>) {
        let case = self.case;
        for event in events {
            assert!(!self.over, "{case}: after the end: {event:?}");
            match event {
                Event::EffectRequested(it) => {
                    assert!(it.id.0 > self.newest, "{case}: {:?} is not new", it.id);
                    assert!(self.started.contains(&it.node), "{case}: `{}` asks before it started", it.node);
                    self.newest = it.id.0;
                    self.pending.insert(it.id, it);
                }
                Event::EffectCancelled { id, .. } => {
                    assert!(self.pending.remove(&id).is_some(), "{case}: {id:?} is not on its way");
                }
                Event::NodeStarted { node, .. } => {
                    assert!(!self.settled.contains(&node), "{case}: `{node}` starts after it settled");
                    assert!(self.started.insert(node.clone()), "{case}: `{node}` starts twice");
                    let steps = u32::try_from(self.started.len()).unwrap_or(u32::MAX);
                    assert!(steps <= self.max_steps, "{case}: {steps} steps");
                }
                Event::NodeFinished { node, .. } => {
                    assert!(self.started.contains(&node), "{case}: `{node}` finishes before it started");
                    assert!(self.settled.insert(node.clone()), "{case}: `{node}` settles twice");
                }
                Event::NodeFailed { node, .. } | Event::NodeSkipped { node } | Event::NodeKept { node, .. } => {
                    assert!(self.settled.insert(node.clone()), "{case}: `{node}` settles twice");
                }
                Event::AnswerDelta { node, text } => {
                    assert!(!text.is_empty(), "{case}: nothing is said");
                    self.said.push_str(&text);
                    self.saying.entry(node).or_default().push_str(&text);
                }
                Event::AnswerCompleted { node, text } => {
                    let said = self.saying.remove(&node).unwrap_or_default();
                    // Questions stand alone: a blank line may come before them and after the reply.
                    let fits = said == text || said.strip_prefix("\n\n") == Some(&text);
                    assert!(fits, "{case}: `{node}` said {said:?}, and then {text:?}");
                }
                Event::RunFinished { answer, .. } | Event::RunFailed { answer, .. } => {
                    assert_eq!(answer, self.said, "{case}: the answer is what was said");
                    self.over = true;
                }
                Event::RunCancelled => self.over = true,
                Event::RunStarted { .. } | Event::OutputKept { .. } | Event::StateChanged { .. } => {}
            }
        }
        self.check();
    }

    fn check(&self) {
        let case = self.case;
        assert_eq!(self.run.answer(), self.said, "{case}: the answer is what was said");
        assert_eq!(self.run.status().is_terminal(), self.over, "{case}: {:?}", self.run.status());
        assert!(self.newest <= MAX_EFFECTS, "{case}: asks without end");
        assert!(self.run.usage().1.is_finite(), "{case}: a cost that cannot be stored");
        let (a, b) = (serde_json::to_string(&self.run), serde_json::to_string(&self.twin));
        assert_eq!(a.expect("a run can be stored"), b.expect("a run can be stored"), "{case}: the twins differ");
        let waits = |it: &RequestedEffect| {
            matches!(it.effect, Effect::AskHuman(_) | Effect::Wait { .. } | Effect::WaitUntil { .. })
        };
        match self.run.status() {
            RunStatus::Waiting => {
                assert!(!self.pending.is_empty() && self.pending.values().all(waits), "{case}: waits for work");
            }
            RunStatus::Running => {
                assert!(!self.pending.values().all(waits), "{case}: runs, and asks for nothing");
            }
            RunStatus::Finished | RunStatus::Failed | RunStatus::Cancelled => {
                assert!(self.pending.is_empty(), "{case}: is over, and still asks for {:?}", self.pending);
            }
        }
    }
}
