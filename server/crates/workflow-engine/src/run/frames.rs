//! Frames: one execution each of a body. The outermost frame is the run itself; a container makes one for every item or
//! iteration, and drops it when its result is known.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::{NodeRun, Run};
use crate::expression::{Names, from_json};
use crate::program::{Body, Program, ProgramNode, Spot};

/// The frame of the outermost body.
pub(super) const ROOT: FrameId = FrameId(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct FrameId(pub(super) u64);

/// A node in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) frame: FrameId,
    pub(super) node: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Frame {
    pub(super) body: usize,
    /// The container that made it; none for the outermost frame.
    pub(super) owner: Option<Place>,
    /// Which item or iteration it is, from 0.
    pub(super) number: u32,
    /// Comes before the ids of its nodes in a trace: `orders[2].`
    pub(super) prefix: String,
    /// `item`, `index`, `loop`.
    pub(super) variables: BTreeMap<String, Value>,
    pub(super) nodes: Vec<NodeRun>,
    pub(super) unsettled: usize,
    /// Bytes of the values in it.
    pub(super) bytes: u64,
    /// Where what its nodes say stands among all that is said.
    pub(super) turn: Vec<u32>,
    /// How many of its nodes have begun to say something.
    pub(super) turns: u32,
}

impl Frame {
    pub(super) fn new(number: usize, body: &Body) -> Frame {
        Frame {
            body: number,
            owner: None,
            number: 0,
            prefix: String::new(),
            variables: BTreeMap::new(),
            nodes: body.nodes.iter().map(|it| NodeRun::Waiting { left: it.dependencies.len() }).collect(),
            unsettled: body.nodes.len(),
            bytes: 0,
            turn: Vec::new(),
            turns: 0,
        }
    }

    pub(super) fn next_turn(&mut self) -> Vec<u32> {
        let mut turn = self.turn.clone();
        turn.push(self.turns);
        self.turns = self.turns.saturating_add(1);
        turn
    }
}

impl Run {
    pub(super) fn node(&self, place: Place) -> Option<&NodeRun> {
        self.frames.get(&place.frame)?.nodes.get(place.node)
    }

    pub(super) fn node_mut(&mut self, place: Place) -> Option<&mut NodeRun> {
        self.frames.get_mut(&place.frame)?.nodes.get_mut(place.node)
    }

    /// Where a node of an outer body stands, seen from a frame inside of it.
    pub(super) fn outer(&self, from: FrameId, spot: Spot) -> Option<&NodeRun> {
        let mut frame = self.frames.get(&from)?;
        while frame.body != spot.body {
            frame = self.frames.get(&frame.owner?.frame)?;
        }
        frame.nodes.get(spot.node)
    }

    /// The program's node at a place.
    pub(super) fn of<'p>(&self, program: &'p Program, place: Place) -> Option<&'p ProgramNode> {
        let body = self.frames.get(&place.frame)?.body;
        program.node(Spot { body, node: place.node })
    }

    /// The node's id as a trace shows it.
    pub(super) fn path(&self, program: &Program, place: Place) -> String {
        let prefix = self.frames.get(&place.frame).map_or("", |it| it.prefix.as_str());
        let id = self.of(program, place).map_or("", |it| &*it.id);
        format!("{prefix}{id}")
    }

    /// The frames inside of one, itself included.
    pub(super) fn inside(&self, frame: FrameId) -> Vec<FrameId> {
        let mut found = vec![frame];
        // Inner frames are made after the ones around them, so one pass in their order sees all.
        for (id, it) in self.frames.range(FrameId(frame.0.saturating_add(1))..) {
            if it.owner.is_some_and(|it| found.contains(&it.frame)) {
                found.push(*id);
            }
        }
        found
    }
}

/// What expressions of a frame can see.
pub(super) struct RunNames<'r> {
    pub(super) run: &'r Run,
    pub(super) program: &'r Program,
    pub(super) frame: FrameId,
}

impl Names for RunNames<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let run = self.run;
        match name {
            "inputs" => return Some(run.inputs.clone()),
            "state" => return Some(run.state_value.get_or_init(|| from_json(&run.state)).clone()),
            "chat" => {
                let chat = run.chat.as_ref()?;
                return Some(run.chat_value.get_or_init(|| from_json(chat)).clone());
            }
            "user" => return Some(run.user.clone()),
            "env" => return Some(run.env.clone()),
            "run" => return Some(run.about.clone()),
            _ => {}
        }
        let mut frame = run.frames.get(&self.frame)?;
        loop {
            if let Some(value) = frame.variables.get(name) {
                return Some(value.clone());
            }
            if let Some(number) = self.program.bodies.get(frame.body).and_then(|it| it.index.get(name)) {
                return match frame.nodes.get(*number)? {
                    NodeRun::Done { output, .. } => Some(output.clone()),
                    NodeRun::Waiting { .. }
                    | NodeRun::Ready
                    | NodeRun::Running { .. }
                    | NodeRun::Saying { .. }
                    | NodeRun::Containing(_)
                    | NodeRun::Skipped => None,
                };
            }
            frame = run.frames.get(&frame.owner?.frame)?;
        }
    }
}
