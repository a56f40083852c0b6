//! The tenant's language models. Needs the permission `model(roles("…"), max_tokens = …)` in `#[plugin]` and the tenant's
//! grant.
//!
//! ```ignore
//! let summary = model::ask("fast").system("Summarise in one sentence.").user(&text).max_tokens(200).complete()?.text;
//! let topic: Topic = model::ask("fast").user(&text).complete_as()?;
//! ```

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::{host, schema};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    System,
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub author: Author,
    pub content: String,
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a request is answered by `complete`"]
pub struct Request {
    /// What the model is for: `default`, `fast`, …, as the tenant names its models.
    pub role: String,
    /// At most 100, together at most 1 MiB.
    pub messages: Vec<Message>,
    /// Never more than the grant's tokens per call leave.
    pub max_tokens: Option<u32>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// JSON Schema of the answer; [`Request::complete_as`] makes it from the type.
    pub schema: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// With a schema: JSON that fits it.
    pub text: String,
    /// The model's own name.
    pub model: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// A request to the model of a role, with nothing said yet.
pub fn ask(role: impl Into<String>) -> Request {
    Request { role: role.into(), messages: Vec::new(), max_tokens: None, temperature: None, schema: None }
}

impl Request {
    pub fn system(self, content: impl Into<String>) -> Self {
        self.message(Author::System, content)
    }

    pub fn user(self, content: impl Into<String>) -> Self {
        self.message(Author::User, content)
    }

    pub fn assistant(self, content: impl Into<String>) -> Self {
        self.message(Author::Assistant, content)
    }

    fn message(mut self, author: Author, content: impl Into<String>) -> Self {
        self.messages.push(Message { author, content: content.into() });
        self
    }

    pub fn max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }

    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// The answer as text.
    ///
    /// # Errors
    /// `Denied` when the role is not granted, `Failed` when the call's tokens are used up, and whatever the model's provider
    /// says.
    pub fn complete(self) -> Result<Completion> {
        host::current(|host| host.complete(&self))
    }

    /// The answer as a type of yours, whose schema the model is given: doc comments of its fields are read by the model.
    ///
    /// # Errors
    /// As [`Request::complete`]; `Failed` when the model's JSON does not fit after all.
    pub fn complete_as<T: DeserializeOwned + JsonSchema>(mut self) -> Result<T> {
        self.schema = Some(schema::of_answer::<T>());
        let Completion { text, model, .. } = self.complete()?;
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| Error::Failed(format!("the answer of the model `{model}` does not fit: {error}")))
    }
}

/// What a text is: some models tell what is asked from what is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Query,
    Passage,
}

/// Texts as vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One a text, in their order, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// The model's own name; vectors of different models cannot be compared.
    pub model: String,
    /// 0 for the model in the server's own process.
    pub input_tokens: u64,
}

/// Texts as vectors, by the model with the role `embedding`: 1 to 100 texts of at most 8 KiB each.
///
/// # Errors
/// `Denied` when the role `embedding` is not granted, `Unavailable` when the server has no such model.
pub fn embed<T: AsRef<str>>(texts: &[T], purpose: Purpose) -> Result<Embeddings> {
    let texts: Vec<String> = texts.iter().map(|it| it.as_ref().to_owned()).collect();
    host::current(|host| host.embed(&texts, purpose))
}

/// How alike two vectors are: 1 for the same direction, 0 for nothing in common. Of different lengths, or without a
/// direction, it is 0.
pub fn similarity(one: &[f32], other: &[f32]) -> f32 {
    if one.len() != other.len() {
        return 0.0;
    }
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = product(one, one).sqrt() * product(other, other).sqrt();
    if lengths > 0.0 { product(one, other) / lengths } else { 0.0 }
}
