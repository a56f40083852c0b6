//! What is told of a file or a search, so that a page can say it in its reader's language.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(Deserialize, Serialize, ToSchema)]
pub(crate) struct NoticeView {
    /// Which sentence it is.
    code: String,
    /// The sentence in English.
    message: String,
    /// What stands in it, by name: text, a number, or again `{code, message, values}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    values: Map<String, Value>,
}

impl From<Value> for NoticeView {
    fn from(told: Value) -> NoticeView {
        let words = |message: String| NoticeView { code: "words".to_owned(), message, values: Map::new() };
        if let Some(message) = told.as_str() {
            // As documents were stored that were read before there were codes.
            return words(message.to_owned());
        }
        NoticeView::deserialize(&told).unwrap_or_else(|_| words(told.to_string()))
    }
}
