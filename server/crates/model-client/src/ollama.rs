//! Looks whether an Ollama runs nearby, so that it can be offered to whoever has not set up a model.

use std::time::Duration;

use serde_json::Value;

/// On this machine it answers within a millisecond or it is not there; nobody should notice that it was looked for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The models of the Ollama at `base` (such as `http://127.0.0.1:11434`), in its own order, newest first. `None` when
/// nothing answers there as an Ollama does; an Ollama without any model gives an empty list.
pub async fn find_ollama(http: &reqwest::Client, base: &str) -> Option<Vec<String>> {
    let base = base.trim().trim_end_matches('/').trim_end_matches("/v1").trim_end_matches('/');
    let look = async {
        let response = http.get(format!("{base}/api/tags")).send().await.ok()?.error_for_status().ok()?;
        response.json::<Value>().await.ok()
    };
    let answer = tokio::time::timeout(PATIENCE, look).await.ok()??;
    let models = answer.get("models")?.as_array()?;
    Some(models.iter().filter_map(|model| model.get("name")?.as_str().map(str::to_owned)).collect())
}
