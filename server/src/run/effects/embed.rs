//! Turns texts into vectors with the server's embedding model.

use serde_json::json;
use workflow_engine::{EmbedPurpose, Outcome};

use super::{Surroundings, failed};

pub(super) async fn perform(around: &Surroundings, texts: Vec<String>, purpose: EmbedPurpose) -> Outcome {
    let Some(embedder) = around.app.embedder() else {
        return failed(
            "embedding_unavailable",
            "the server runs without an embedding model",
            Some("start it without `--embedding off`"),
        );
    };
    let purpose = match purpose {
        EmbedPurpose::Query => knowledge::Purpose::Query,
        EmbedPurpose::Passage => knowledge::Purpose::Passage,
    };
    match embedder.embed(&texts, purpose).await {
        Ok(vectors) => Outcome::Ok { value: json!({ "vectors": vectors, "model": embedder.model() }) },
        Err(error) => failed("embedding_unavailable", error.to_string(), error.hint().as_deref()),
    }
}
