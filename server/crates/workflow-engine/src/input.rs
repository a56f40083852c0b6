//! What a run starts with.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::compile::LimitsAsked;

/// Everything that a run can see. Time, ids and randomness come from outside, so that equal input means an equal run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInput {
    /// An object; checked against the workflow's `inputs`.
    pub inputs: Value,
    pub chat: Option<ChatContext>,
    /// `{id, name, attributes}` of whoever asks.
    pub user: Value,
    /// Plain settings. Never secrets.
    pub env: Value,
    /// The conversation's variables, an object.
    pub state: Value,
    pub run_id: String,
    /// RFC 3339 with the server's offset.
    pub started_at: String,
    /// Decides the jitter of retries.
    pub seed: u64,
    pub limits: Limits,
}

impl Default for RunInput {
    fn default() -> Self {
        RunInput {
            inputs: Value::Object(Map::new()),
            chat: None,
            user: Value::Object(Map::new()),
            env: Value::Object(Map::new()),
            state: Value::Object(Map::new()),
            run_id: String::new(),
            started_at: String::new(),
            seed: 0,
            limits: Limits::default(),
        }
    }
}

impl RunInput {
    /// Takes values out that are nested so deeply that nobody could store them, and says of one of them what is wrong.
    pub(crate) fn take_too_deep(&mut self) -> Option<InputProblem> {
        let RunInput { inputs, chat, user, env, state, run_id: _, started_at: _, seed: _, limits: _ } = self;
        let files = chat.iter_mut().flat_map(|it| it.files.iter_mut()).map(|it| ("chat.files", it));
        let named = [("inputs", inputs), ("user", user), ("env", env), ("state", state)];
        let mut problem = None;
        for (name, value) in named.into_iter().chain(files) {
            match crate::expression::bounded(std::mem::take(value)) {
                Ok(fine) => *value = fine,
                Err(error) => {
                    let message = format!("`{name}`: {}", error.message);
                    problem = Some(InputProblem { path: String::new(), message });
                }
            }
        }
        problem
    }
}

/// The conversation around a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatContext {
    pub message: String,
    /// What was said before, oldest first, without `message`.
    pub history: Vec<ChatTurn>,
    pub files: Vec<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTurn {
    /// `user` or `assistant`.
    pub role: String,
    pub content: String,
}

/// What one run may use up. Exceeding a limit ends the run with `budget_exceeded`, which names the limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Nodes that may start.
    pub max_steps: u32,
    /// Nodes that may wait for effects at the same time.
    pub max_parallel: u32,
    /// Bytes of all inputs and node outputs together.
    pub max_value_bytes: u64,
    /// Tokens of all models together, in and out.
    pub max_tokens: Option<u64>,
    /// In the currency of the models' prices.
    pub max_cost: Option<f64>,
}

impl Limits {
    /// A document may ask for less than the server allows, never for more.
    #[must_use]
    pub fn lowered_to(self, asked: &LimitsAsked) -> Limits {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Limits {
            max_steps: asked.max_steps.map_or(self.max_steps, |it| it.min(self.max_steps)),
            max_parallel: asked.max_parallel.map_or(self.max_parallel, |it| it.min(self.max_parallel)),
            max_value_bytes: self.max_value_bytes,
            max_tokens: least(self.max_tokens, asked.max_tokens),
            max_cost: match (self.max_cost, asked.max_cost) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_steps: 500, max_parallel: 16, max_value_bytes: 64 << 20, max_tokens: None, max_cost: None }
    }
}

/// One input that a run was refused for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputProblem {
    /// JSON pointer into the inputs, for example `/top_k`; empty for the whole.
    pub path: String,
    pub message: String,
}
