//! Models that say what a test has written for them.

use std::collections::{BTreeMap, VecDeque};

use super::{State, terms};
use crate::error::{Error, Result};
use crate::model::{Completion, Embeddings, Request};

const MAX_MESSAGES: usize = 100;
const MAX_MESSAGE_BYTES: usize = 1 << 20;
const MAX_TEXTS: usize = 100;
const MAX_TEXT_BYTES: usize = 8 << 10;
/// Enough that two words of a test seldom meet.
const DIMENSIONS: usize = 256;
/// About what tokenizers make of European languages; a test needs no more.
const BYTES_PER_TOKEN: usize = 4;

#[derive(Default)]
pub(super) struct Models {
    answers: BTreeMap<String, VecDeque<Result<String>>>,
    pub(super) requests: Vec<Request>,
    /// Of the running call.
    pub(super) tokens: u64,
}

fn tokens(text: &str) -> u64 {
    u64::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

impl Models {
    pub(super) fn add(&mut self, role: &str, answer: Result<String>) {
        self.answers.entry(role.to_owned()).or_default().push_back(answer);
    }

    /// Of several answers each is given once, the last for ever.
    fn answer(&mut self, role: &str) -> Result<String> {
        let Some(answers) = self.answers.get_mut(role) else {
            return Err(Error::Unavailable(format!("this test has no model `{role}`")));
        };
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.unwrap_or_else(|| Err(Error::Unavailable("there is no answer left".to_owned())))
    }
}

impl State {
    pub(super) fn completed(&self, request: &Request) -> Result<Completion> {
        let allowed = self.tokens_of(&request.role)?;
        let mut models = self.models.borrow_mut();
        if models.tokens >= allowed {
            return Err(Error::Failed(format!(
                "the call has used the {allowed} tokens that are granted to the plugin for one call"
            )));
        }
        let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
        if !(1..=MAX_MESSAGES).contains(&request.messages.len()) || bytes > MAX_MESSAGE_BYTES {
            return Err(Error::InvalidInput(format!(
                "a model is given 1 to {MAX_MESSAGES} messages of at most {MAX_MESSAGE_BYTES} bytes together"
            )));
        }
        if request.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err(Error::invalid_input("`temperature` goes from 0 to 2"));
        }
        models.requests.push(request.clone());
        let text = models.answer(&request.role)?;
        let input_tokens: u64 = request.messages.iter().map(|message| tokens(&message.content)).sum();
        let output_tokens = tokens(&text);
        models.tokens += input_tokens + output_tokens;
        Ok(Completion { text, model: format!("fake-{}", request.role), input_tokens, output_tokens })
    }

    /// Vectors of the words that a text has: texts that share words are alike, and equal texts are equal.
    pub(super) fn embedded(&self, texts: &[String]) -> Result<Embeddings> {
        self.tokens_of("embedding")?;
        if !(1..=MAX_TEXTS).contains(&texts.len()) || texts.iter().any(|it| it.len() > MAX_TEXT_BYTES) {
            return Err(Error::InvalidInput(format!(
                "an embedding model is given 1 to {MAX_TEXTS} texts of at most {MAX_TEXT_BYTES} bytes each"
            )));
        }
        let vector = |text: &String| {
            let mut vector = vec![0.0_f32; DIMENSIONS];
            for term in terms(text) {
                let hash = term.bytes().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
                if let Some(place) = vector.get_mut(hash % DIMENSIONS) {
                    *place += 1.0;
                }
            }
            vector
        };
        let vectors = texts.iter().map(vector).collect();
        Ok(Embeddings { vectors, model: "fake-embedding".to_owned(), input_tokens: 0 })
    }

    fn tokens_of(&self, role: &str) -> Result<u64> {
        if self.refused.borrow().contains(&format!("model: {role}")) {
            return Err(Error::Denied(format!("the model `{role}` is not granted to this plugin")));
        }
        let asked = self.asked.borrow();
        let Some(manifest) = asked.as_ref() else { return Ok(u64::MAX) };
        let model = manifest.permissions.model.as_ref().filter(|model| model.roles.iter().any(|it| it == role));
        model
            .map(|model| model.max_tokens_per_call)
            .ok_or_else(|| Error::Denied(format!("the manifest does not ask for the model `{role}`")))
    }
}
