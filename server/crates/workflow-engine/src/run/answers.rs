//! Saying things: answers piece by piece in template order, token by token where a piece is the text of a node that
//! streams, and one after the other in the order in which they became active. What is said inside a container comes item
//! by item, at the place of the container.
//!
//! Everything that may say something has a *turn*: a list of numbers that sorts like the order in which it is read. A
//! container and each of its frames hold a turn for what is inside of them, so nothing later is said before they are over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::NodeRun;
use super::frames::{FrameId, Place};
use super::schedule::Machine;
use crate::effect::EffectError;
use crate::event::Event;
use crate::expression::to_text;
use crate::node::DONE;
use crate::program::AnswerPiece;
use crate::template::check_length;

/// Between what was said of an attempt that failed and the beginning of another that says something else; and before a
/// question.
const NEW_START: &str = "\n\n";

/// What is to be said, in order.
pub(super) type Turns = BTreeMap<Vec<u32>, Turn>;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Turn {
    Answer(ActiveAnswer),
    /// A container or a frame of it, in which something may still be said.
    Held(FrameId),
}

/// An answer that is being said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ActiveAnswer {
    place: Place,
    /// The node's id in the trace; the frame may be gone before the answer's turn comes.
    node: String,
    /// Everything up to and without this piece has been written.
    piece: usize,
    /// Where the text of the current piece starts.
    piece_start: usize,
    /// The attempt whose text is known to start with what has been written of the current piece.
    in_step_with: Option<u32>,
    text: String,
    /// Bytes of `text` that the visitor has read.
    said: usize,
    done: bool,
}

impl ActiveAnswer {
    fn new(place: Place, node: String) -> ActiveAnswer {
        ActiveAnswer {
            place,
            node,
            piece: 0,
            piece_start: 0,
            in_step_with: None,
            text: String::new(),
            said: 0,
            done: false,
        }
    }
}

impl Machine<'_> {
    pub(super) fn begin_answer(&mut self, place: Place) {
        let Some(node) = self.run.of(self.program, place) else { return };
        let left = match self.run.node(place) {
            Some(NodeRun::Waiting { left }) => *left,
            Some(
                NodeRun::Ready
                | NodeRun::Running { .. }
                | NodeRun::Saying { .. }
                | NodeRun::Containing(_)
                | NodeRun::Done { .. }
                | NodeRun::Skipped,
            )
            | None => 0,
        };
        if !self.count_step() {
            return;
        }
        self.set(place, NodeRun::Saying { left });
        self.announce(place, node, json!({}));
        let Some(turn) = self.run.frames.get_mut(&place.frame).map(super::frames::Frame::next_turn) else { return };
        let answer = ActiveAnswer::new(place, self.run.path(self.program, place));
        self.run.turns.insert(turn, Turn::Answer(answer));
    }

    /// Says a question to the visitor: whole, after what was begun before it.
    pub(super) fn say_question(&mut self, place: Place, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(turn) = self.run.frames.get_mut(&place.frame).map(super::frames::Frame::next_turn) else { return };
        let mut question = ActiveAnswer::new(place, self.run.path(self.program, place));
        question.text = text.to_owned();
        question.done = true;
        // Whatever was said before it ends; how that ends is only known when the question's turn comes.
        question.piece = QUESTION;
        self.run.turns.insert(turn, Turn::Answer(question));
    }

    /// Writes what can be written of every active answer, and says what is next in order.
    pub(super) fn say_more(&mut self) {
        let waiting: Vec<Vec<u32>> = self
            .run
            .turns
            .iter()
            .filter(|(_, it)| matches!(it, Turn::Answer(it) if !it.done))
            .map(|(turn, _)| turn.clone())
            .collect();
        for turn in waiting {
            self.write(&turn);
            if self.run.status.is_terminal() {
                return;
            }
        }
        self.say();
    }

    fn write(&mut self, turn: &[u32]) {
        let program = self.program;
        // Taken out while it is written, so that pieces can look at the run.
        let Some(Turn::Answer(mut active)) = self.run.turns.remove(turn) else { return };
        let place = active.place;
        let pieces = self.run.of(program, place).and_then(|it| it.answer.as_deref()).unwrap_or_default();
        let mut failed = None;
        while let Some(piece) = pieces.get(active.piece) {
            match self.write_piece(&mut active, piece) {
                Ok(true) => {
                    active.piece += 1;
                    active.piece_start = active.text.len();
                    active.in_step_with = None;
                }
                Ok(false) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let written = active.piece >= pieces.len();
        let settled = matches!(self.run.node(place), Some(NodeRun::Saying { left: 0 }));
        active.done = failed.is_some() || (written && settled);
        let finished = active.done.then(|| active.text.clone());
        self.run.turns.insert(turn.to_owned(), Turn::Answer(active));
        match (failed, finished) {
            (Some(error), _) => {
                // What could be written is said before the failure decides about the rest.
                self.say();
                self.fail(place, error);
            }
            (None, Some(text)) => {
                self.say();
                self.done(place, vec![DONE.to_owned()], json!({ "text": text }));
            }
            (None, None) => {}
        }
    }

    /// Writes one piece. False when it has to wait, possibly after a part of it.
    fn write_piece(&self, active: &mut ActiveAnswer, piece: &AnswerPiece) -> Result<bool, EffectError> {
        let frame = active.place.frame;
        let state = |node: usize| self.run.node(Place { frame, node });
        if let Some(source) = piece.streams_from {
            let complete = match state(source) {
                Some(NodeRun::Running { received, generation, .. }) => {
                    active.follow(received, Some(*generation));
                    false
                }
                Some(NodeRun::Done { output, .. }) => {
                    let text = output.get_attr("text").map_or_else(|_| Ok(String::new()), |it| to_text(&it))?;
                    active.follow(&text, None);
                    true
                }
                Some(NodeRun::Skipped) => true,
                Some(NodeRun::Waiting { .. } | NodeRun::Ready | NodeRun::Saying { .. } | NodeRun::Containing(_))
                | None => false,
            };
            check_length(active.text.len())?;
            return Ok(complete);
        }
        let settled = piece.needs.iter().all(|it| state(*it).is_some_and(NodeRun::is_settled));
        if !settled {
            return Ok(false);
        }
        active.text.push_str(&piece.piece.render(&self.names(frame))?);
        check_length(active.text.len())?;
        Ok(true)
    }

    /// Says what has been written of the answer whose turn it is, and of the next ones when it is complete.
    pub(super) fn say(&mut self) {
        while let Some(turn) = self.turn() {
            let Some(Turn::Answer(active)) = self.run.turns.get_mut(&turn) else { return };
            let mut text = active.text.get(active.said..).unwrap_or_default().to_owned();
            let is_question = active.piece == QUESTION;
            active.said = active.text.len();
            let whole = active.done.then(|| std::mem::take(&mut active.text));
            let node = active.node.clone();
            if !text.is_empty() {
                // A question stands alone: between what was said before it and what is said after the reply.
                if (is_question || self.run.asked) && !self.run.answer.is_empty() && !self.run.answer.ends_with('\n') {
                    text.insert_str(0, NEW_START);
                }
                self.run.asked = is_question;
                self.run.answer.push_str(&text);
                self.events.push(Event::AnswerDelta { node: node.clone(), text });
            }
            let Some(text) = whole else { return };
            self.events.push(Event::AnswerCompleted { node, text });
            self.run.turns.remove(&turn);
        }
    }

    /// The answer whose turn it is: the first one, unless something that is still going on could say something before.
    fn turn(&self) -> Option<Vec<u32>> {
        let mut turns = self.run.turns.iter();
        let (mut turn, mut what) = turns.next()?;
        while matches!(what, Turn::Held(_)) {
            let (next, it) = turns.next()?;
            if !next.starts_with(turn) {
                return None;
            }
            (turn, what) = (next, it);
        }
        Some(turn.clone())
    }

    /// Forgets what a frame that was given up wanted to say. What the visitor has read of it is closed.
    pub(super) fn silence(&mut self, frames: &[FrameId]) {
        let of = |it: &Turn| match it {
            Turn::Answer(it) => frames.contains(&it.place.frame),
            Turn::Held(it) => frames.contains(it),
        };
        let gone: Vec<Vec<u32>> = self.run.turns.iter().filter(|(_, it)| of(it)).map(|(it, _)| it.clone()).collect();
        for turn in gone {
            let Some(Turn::Answer(active)) = self.run.turns.remove(&turn) else { continue };
            if let Some(text) = active.text.get(..active.said).filter(|it| !it.is_empty()) {
                self.events.push(Event::AnswerCompleted { node: active.node, text: text.to_owned() });
            }
        }
    }
}

/// Stands in `piece` of what is no answer but a question.
const QUESTION: usize = usize::MAX;

impl ActiveAnswer {
    /// Brings the current piece up to a text that may still be growing. A text that does not start with what was
    /// written already comes from another attempt; it is written whole, after a paragraph's end.
    fn follow(&mut self, text: &str, generation: Option<u32>) {
        let written = self.text.get(self.piece_start..).unwrap_or_default();
        let in_step = generation.is_some() && generation == self.in_step_with;
        if in_step || text.starts_with(written) {
            let more = text.get(written.len()..).unwrap_or_default();
            self.text.push_str(more);
            self.in_step_with = generation;
        } else if !written.starts_with(text) {
            self.text.push_str(NEW_START);
            self.piece_start = self.text.len();
            self.text.push_str(text);
            self.in_step_with = generation;
        }
    }
}

/// JSON has no lists as keys: the turns are stored as pairs.
pub(super) mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Turn, Turns};

    pub(crate) fn serialize<S: Serializer>(turns: &Turns, serializer: S) -> Result<S::Ok, S::Error> {
        turns.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Turns, D::Error> {
        Vec::<(Vec<u32>, Turn)>::deserialize(deserializer).map(|it| it.into_iter().collect())
    }
}
