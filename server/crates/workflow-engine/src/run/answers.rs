//! Saying answers: piece by piece in template order, token by token where a piece is the text of a node that streams, and
//! one answer after the other in the order in which they became active.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::NodeRun;
use super::schedule::Machine;
use crate::effect::EffectError;
use crate::event::Event;
use crate::expression::to_text;
use crate::node::DONE;
use crate::program::AnswerPiece;
use crate::template::check_length;

/// Between what was said of an attempt that failed and the beginning of another that says something else.
const NEW_START: &str = "\n\n";

/// An answer that is being said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ActiveAnswer {
    node: usize,
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

impl Machine<'_> {
    pub(super) fn begin_answer(&mut self, number: usize) {
        let Some(node) = self.program.nodes.get(number) else { return };
        let left = match self.run.nodes.get(number) {
            Some(NodeRun::Waiting { left }) => *left,
            Some(
                NodeRun::Ready
                | NodeRun::Running { .. }
                | NodeRun::Saying { .. }
                | NodeRun::Done { .. }
                | NodeRun::Skipped,
            )
            | None => 0,
        };
        if !self.count_step() {
            return;
        }
        self.set(number, NodeRun::Saying { left });
        self.announce(node, json!({}));
        self.run.answers.push(ActiveAnswer {
            node: number,
            piece: 0,
            piece_start: 0,
            in_step_with: None,
            text: String::new(),
            said: 0,
            done: false,
        });
    }

    /// Writes what can be written of every active answer, and says what is next in order.
    pub(super) fn say_more(&mut self) {
        for place in self.run.completed_answers..self.run.answers.len() {
            if self.run.answers.get(place).is_some_and(|it| !it.done) {
                self.write(place);
                if self.run.status.is_terminal() {
                    return;
                }
            }
        }
        self.say();
    }

    fn write(&mut self, place: usize) {
        let program = self.program;
        let Some(mut active) = self.run.answers.get_mut(place).map(std::mem::take) else { return };
        let pieces = program.nodes.get(active.node).and_then(|it| it.answer.as_deref()).unwrap_or_default();
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
        let number = active.node;
        let written = active.piece >= pieces.len();
        let settled = matches!(self.run.nodes.get(number), Some(NodeRun::Saying { left: 0 }));
        active.done = failed.is_some() || (written && settled);
        let finished = active.done.then(|| active.text.clone());
        if let Some(slot) = self.run.answers.get_mut(place) {
            *slot = active;
        }
        match (failed, finished) {
            (Some(error), _) => {
                // What could be written is said before the failure decides about the rest.
                self.say();
                self.fail(number, error);
            }
            (None, Some(text)) => {
                self.say();
                self.done(number, vec![DONE.to_owned()], json!({ "text": text }));
            }
            (None, None) => {}
        }
    }

    /// Writes one piece. False when it has to wait, possibly after a part of it.
    fn write_piece(&self, active: &mut ActiveAnswer, piece: &AnswerPiece) -> Result<bool, EffectError> {
        if let Some(source) = piece.streams_from {
            let complete = match self.run.nodes.get(source) {
                Some(NodeRun::Running { received, generation }) => {
                    active.follow(received, Some(*generation));
                    false
                }
                Some(NodeRun::Done { output, .. }) => {
                    let text = output.get_attr("text").map_or_else(|_| Ok(String::new()), |it| to_text(&it))?;
                    active.follow(&text, None);
                    true
                }
                Some(NodeRun::Skipped) => true,
                Some(NodeRun::Waiting { .. } | NodeRun::Ready | NodeRun::Saying { .. }) | None => false,
            };
            check_length(active.text.len())?;
            return Ok(complete);
        }
        let settled = piece.needs.iter().all(|it| self.run.nodes.get(*it).is_some_and(NodeRun::is_settled));
        if !settled {
            return Ok(false);
        }
        active.text.push_str(&piece.piece.render(&self.names())?);
        check_length(active.text.len())?;
        Ok(true)
    }

    /// Says what has been written of the answer whose turn it is, and of the next ones when it is complete.
    fn say(&mut self) {
        while let Some(active) = self.run.answers.get_mut(self.run.completed_answers) {
            let Some(node) = self.program.nodes.get(active.node) else { return };
            let id = node.id.to_string();
            if let Some(text) = active.text.get(active.said..).filter(|it| !it.is_empty()) {
                self.run.answer.push_str(text);
                self.events.push(Event::AnswerDelta { node: id.clone(), text: text.to_owned() });
                active.said = active.text.len();
            }
            if !active.done {
                return;
            }
            self.events.push(Event::AnswerCompleted { node: id, text: std::mem::take(&mut active.text) });
            self.run.completed_answers += 1;
        }
    }
}

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
