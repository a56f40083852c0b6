//! `limits:` of a document: what it wants to be held to, below what the server allows.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::settings::duration;
use crate::yaml::Node;

const KEYS: [&str; 5] = ["max_steps", "max_parallel", "max_tokens", "max_cost", "max_time"];

/// What a document limits itself to. None leaves a limit to the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsAsked {
    /// Nodes that may start.
    pub max_steps: Option<u32>,
    /// Nodes that may wait for effects at the same time.
    pub max_parallel: Option<u32>,
    /// Tokens of all models together, in and out.
    pub max_tokens: Option<u64>,
    /// In the currency of the models' prices.
    pub max_cost: Option<f64>,
    /// How long the run may work, in milliseconds; waiting for people and moments does not count.
    pub max_time_ms: Option<u64>,
}

pub(super) fn read(context: &mut Context<'_>, node: Option<&Node>) -> LimitsAsked {
    let mut limits = LimitsAsked::default();
    let Some(node) = node else { return limits };
    if !node.is_map() {
        context.wrong_type(node, "limits", "a map");
        context.diagnostics.hint("for example `limits: { max_steps: 200, max_tokens: 20000 }`");
        return limits;
    }
    context.check_keys(node, &KEYS, "`limits`");
    for entry in node.entries() {
        let value = &entry.value;
        match entry.key.as_str() {
            "max_steps" => limits.max_steps = count(context, value, "max_steps").and_then(|it| u32::try_from(it).ok()),
            "max_parallel" => {
                limits.max_parallel = count(context, value, "max_parallel").and_then(|it| u32::try_from(it).ok());
            }
            "max_tokens" => limits.max_tokens = count(context, value, "max_tokens"),
            "max_cost" => match value.to_json().as_f64() {
                Some(cost) if cost > 0.0 => limits.max_cost = Some(cost),
                Some(_) | None => context.wrong_type(value, "max_cost", "a number above 0"),
            },
            "max_time" => limits.max_time_ms = duration(context, value, "max_time"),
            _ => {}
        }
    }
    limits
}

fn count(context: &mut Context<'_>, node: &Node, key: &str) -> Option<u64> {
    let count = node.to_json().as_u64().filter(|it| *it > 0);
    if count.is_none() {
        context.wrong_type(node, key, "a whole number above 0");
    }
    count
}
