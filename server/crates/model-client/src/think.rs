//! Splits `<think>…</think>` off the front of an answer. DeepSeek-R1 and Qwen think so when the server before them
//! does not separate it; a visitor shall not read it as the answer.
//!
//! Only the very beginning counts: a tag further on is text that the model writes about.

use crate::ModelDelta;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

#[derive(Debug)]
pub(crate) struct ThinkSplitter {
    state: State,
    /// What cannot be told yet: blanks and a part of a tag.
    held: String,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    Thinking,
    /// After the tag: blank lines between it and the answer are dropped.
    Between,
    Text,
}

impl ThinkSplitter {
    pub(crate) fn new() -> ThinkSplitter {
        ThinkSplitter { state: State::Start, held: String::new() }
    }

    /// Takes the next piece of content and gives what is certain by now.
    pub(crate) fn push(&mut self, piece: &str) -> Vec<ModelDelta> {
        self.held.push_str(piece);
        let mut out = Vec::new();
        loop {
            match self.state {
                State::Start => {
                    let front = self.held.trim_start();
                    if let Some(rest) = front.strip_prefix(OPEN) {
                        self.held = rest.trim_start().to_owned();
                        self.state = State::Thinking;
                    } else if OPEN.starts_with(front) {
                        return out;
                    } else {
                        self.state = State::Text;
                    }
                }
                State::Thinking => match self.held.split_once(CLOSE) {
                    Some((thought, rest)) => {
                        let (thought, rest) = (thought.trim_end().to_owned(), rest.to_owned());
                        push_reasoning(&mut out, thought);
                        self.held = rest;
                        self.state = State::Between;
                    }
                    None => {
                        let certain = self.held.len() - uncertain_end(&self.held);
                        let rest = self.held.split_off(certain);
                        push_reasoning(&mut out, std::mem::replace(&mut self.held, rest));
                        return out;
                    }
                },
                State::Between => {
                    self.held = self.held.trim_start().to_owned();
                    if self.held.is_empty() {
                        return out;
                    }
                    self.state = State::Text;
                }
                State::Text => {
                    if !self.held.is_empty() {
                        out.push(ModelDelta::Text(std::mem::take(&mut self.held)));
                    }
                    return out;
                }
            }
        }
    }

    /// What was held back when the answer ends.
    pub(crate) fn finish(&mut self) -> Option<ModelDelta> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return None;
        }
        match self.state {
            State::Thinking => Some(ModelDelta::Reasoning(held)),
            State::Start | State::Between | State::Text => Some(ModelDelta::Text(held)),
        }
    }
}

fn push_reasoning(out: &mut Vec<ModelDelta>, thought: String) {
    if !thought.is_empty() {
        out.push(ModelDelta::Reasoning(thought));
    }
}

/// The bytes at the end that may be the beginning of `</think>`, with the blanks before them, which a tag would drop.
fn uncertain_end(text: &str) -> usize {
    let tag = (1..CLOSE.len()).rev().find(|&length| CLOSE.get(..length).is_some_and(|start| text.ends_with(start)));
    let before = text.get(..text.len() - tag.unwrap_or(0)).unwrap_or_default();
    text.len() - before.trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::ThinkSplitter;
    use crate::ModelDelta;

    /// Every way to cut the answer in three gives the same thought and the same text.
    fn split(answer: &str) -> (String, String) {
        let ends: Vec<usize> = (0..=answer.len()).filter(|&at| answer.is_char_boundary(at)).collect();
        let mut results = Vec::new();
        for &first in &ends {
            for &second in ends.iter().filter(|&&second| second >= first) {
                let mut splitter = ThinkSplitter::new();
                let mut deltas = Vec::new();
                for piece in [&answer[..first], &answer[first..second], &answer[second..]] {
                    deltas.extend(splitter.push(piece));
                }
                deltas.extend(splitter.finish());
                let mut result = (String::new(), String::new());
                for delta in deltas {
                    match delta {
                        ModelDelta::Reasoning(text) => result.0.push_str(&text),
                        ModelDelta::Text(text) => result.1.push_str(&text),
                    }
                }
                results.push(result);
            }
        }
        results.dedup();
        assert_eq!(results.len(), 1, "{results:?}");
        results.remove(0)
    }

    #[test]
    fn a_thought_is_split_off_however_the_chunks_fall() {
        let both = |thought: &str, text: &str| (thought.to_owned(), text.to_owned());
        assert_eq!(split("<think>想一想 a<b\n</think>\n\n十点 关门"), both("想一想 a<b", "十点 关门"));
        assert_eq!(split("\n<think>\n</think>\n\nYes"), both("", "Yes"));
        assert_eq!(split("No <think>x</think>"), both("", "No <think>x</think>"));
        assert_eq!(split("<thinly> "), both("", "<thinly> "));
        assert_eq!(split("<think>endless </thi"), both("endless </thi", ""));
        assert_eq!(split("<thi"), both("", "<thi"));
        assert_eq!(split(""), both("", ""));
    }
}
