//! Sizes and times that keep one caller from hurting the others, and `[limits]` of `parlour.toml`.

use std::time::Duration;

use serde::Deserialize;

/// `[limits]` in the file: what every run may use at most. Tenants and documents may ask for less.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsFile {
    /// Nodes that may start in one run (500).
    pub max_steps: Option<u32>,
    /// Nodes of one run that may wait for effects at the same time (16).
    pub max_parallel: Option<u32>,
    /// Bytes of all inputs and outputs of one run (64 MiB).
    pub max_value_bytes: Option<u64>,
    /// Tokens of all models in one run (no limit).
    pub max_tokens: Option<u64>,
    /// In the currency of the models' prices (no limit).
    pub max_cost: Option<f64>,
    /// How long one run may work (1200).
    pub run_seconds: Option<u64>,
    /// Workflows inside of workflows (8).
    pub max_depth: Option<u32>,
    /// Runs in progress at one time (200).
    pub concurrent_runs: Option<usize>,
    /// Bytes of one file of a knowledge base (1 GiB).
    pub document_bytes: Option<usize>,
    /// Documents that this server reads at the same time (2).
    pub concurrent_documents: Option<usize>,
}

impl LimitsFile {
    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        let LimitsFile {
            max_steps,
            max_parallel,
            max_value_bytes,
            max_tokens,
            max_cost,
            run_seconds,
            max_depth,
            concurrent_runs,
            document_bytes,
            concurrent_documents,
        } = self;
        limits.run.max_steps = max_steps.unwrap_or(limits.run.max_steps);
        limits.run.max_parallel = max_parallel.unwrap_or(limits.run.max_parallel);
        limits.run.max_value_bytes = max_value_bytes.unwrap_or(limits.run.max_value_bytes);
        limits.run.max_tokens = max_tokens.or(limits.run.max_tokens);
        limits.run.max_cost = max_cost.or(limits.run.max_cost);
        limits.run_time = run_seconds.map_or(limits.run_time, Duration::from_secs);
        limits.max_depth = max_depth.unwrap_or(limits.max_depth);
        limits.concurrent_runs = concurrent_runs.unwrap_or(limits.concurrent_runs);
        limits.document_bytes = document_bytes.unwrap_or(limits.document_bytes);
        limits.concurrent_documents = concurrent_documents.unwrap_or(limits.concurrent_documents).max(1);
        limits
    }
}

/// Sizes and times that keep one caller from hurting the others.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A JSON body; large enough for a workflow of 10,000 nodes, small enough to hold a thousand at once.
    pub json_bytes: usize,
    /// An uploaded file that is held in memory: a plugin, a table.
    pub upload_bytes: usize,
    /// A file of a knowledge base.
    pub document_bytes: usize,
    /// Documents that this server reads at the same time.
    pub concurrent_documents: usize,
    /// One chat message, in characters: about eight pages of Chinese.
    pub message_chars: usize,
    /// Runs in progress at one time; more are refused with 429. Runs that wait are not in progress.
    pub concurrent_runs: usize,
    /// How long a run may work; waiting for people and moments does not count.
    pub run_time: Duration,
    /// Workflows inside of workflows.
    pub max_depth: u32,
    /// What the engine holds every run to.
    pub run: workflow_engine::Limits,
    /// How long a webhook's sender is kept waiting for outputs; most of them give up after about as long.
    pub webhook_answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            json_bytes: 2 << 20,
            upload_bytes: 64 << 20,
            document_bytes: 1 << 30,
            concurrent_documents: 2,
            message_chars: 16_000,
            concurrent_runs: 200,
            run_time: Duration::from_secs(20 * 60),
            max_depth: 8,
            run: workflow_engine::Limits::default(),
            webhook_answer: Duration::from_secs(30),
        }
    }
}
