//! Where an answer comes from: the passages that were found while it was made, in its run and in those below it.

use domain::{RunEvent, RunId, TenantId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{App, Result};

/// Passages of one answer.
const MAX_CITATIONS: usize = 20;
/// Characters of a passage: enough to see what it is about.
const EXCERPT: usize = 400;
const EVENTS_AT_ONCE: i64 = 500;
/// Runs below a run that are looked at.
const MAX_RUNS: usize = 20;

/// A passage that was found while an answer was made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Citation {
    /// The record: `<document id>:<ordinal>`.
    pub id: String,
    pub knowledge_base: String,
    pub document: String,
    pub document_id: String,
    pub ordinal: u32,
    /// The beginning of the passage.
    pub text: String,
    /// `page`, `headings`, `part`, `row`, as far as the format has them.
    #[schema(value_type = Object)]
    pub position: Value,
    pub score: f64,
}

impl App {
    /// The passages in the order in which they were found, each once.
    pub async fn citations(&self, tenant: TenantId, run: RunId) -> Result<Vec<Citation>> {
        let (mut runs, mut at) = (vec![run], 0);
        let mut all: Vec<Citation> = Vec::new();
        while let Some(run) = runs.get(at).copied() {
            at += 1;
            let mut seen = 0;
            loop {
                let events = self.storage().run_events(tenant, run, seen, EVENTS_AT_ONCE).await?;
                let Some(last) = events.last() else { break };
                seen = last.seq;
                for citation in events.iter().flat_map(found_by) {
                    if all.len() < MAX_CITATIONS && !all.iter().any(|it| it.id == citation.id) {
                        all.push(citation);
                    }
                }
            }
            for child in self.storage().child_runs(tenant, run).await? {
                if runs.len() < MAX_RUNS {
                    runs.push(child.id);
                }
            }
        }
        Ok(all)
    }
}

/// A node that has searched gives its hits as `hits`, each with a `source`; see [`super::knowledge::flat_hit`].
fn found_by(event: &RunEvent) -> Vec<Citation> {
    // Most events are of nodes that have searched nothing, and not worth reading whole.
    if event.name != "node.finished" || !event.data.contains("\"hits\"") {
        return Vec::new();
    }
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return Vec::new() };
    let hits = data.pointer("/output/hits").and_then(Value::as_array);
    hits.into_iter().flatten().filter_map(citation).collect()
}

fn citation(hit: &Value) -> Option<Citation> {
    let text = |name: &str| hit.get(name)?.as_str().map(str::to_owned);
    let id = text("id")?;
    let (document_id, ordinal) = id.rsplit_once(':')?;
    let mut position = hit.get("source")?.clone();
    let members = position.as_object_mut()?;
    let knowledge_base = members.remove("knowledge_base")?.as_str()?.to_owned();
    members.remove("document_id");
    let headings = position.get("headings").and_then(Value::as_array);
    let headings: Vec<&str> = headings.into_iter().flatten().filter_map(Value::as_str).collect();
    let passage = text("passage").or_else(|| text("text"))?;
    // They are told apart from the text.
    let passage = passage.strip_prefix(&headings.join(" › ")).map_or(passage.as_str(), str::trim_start);
    Some(Citation {
        document_id: document_id.to_owned(),
        ordinal: ordinal.parse().ok()?,
        knowledge_base,
        document: text("document")?,
        text: passage.chars().take(EXCERPT).collect(),
        position,
        score: hit.get("score").and_then(Value::as_f64).unwrap_or(0.0),
        id,
    })
}
