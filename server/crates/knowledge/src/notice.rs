//! Sentences about a file or a search that a page can say in its reader's language: besides the English words they have a code
//! and the values that stand in them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Never changes its meaning.
    pub code: &'static str,
    /// The sentence in English.
    pub message: String,
    /// What stands in the sentence, by name: text, a number, or another notice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<&'static str, Value>,
}

impl Notice {
    /// Words of another library, which nobody can translate.
    pub(crate) fn words(message: impl Into<String>) -> Notice {
        Notice { code: "words", message: message.into(), values: BTreeMap::new() }
    }
}

/// One after the other; none where nothing is to be told.
pub(crate) fn joined(notices: &[Notice]) -> Option<String> {
    let messages: Vec<&str> = notices.iter().map(|it| it.message.as_str()).collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Notice> for Value {
    fn from(it: Notice) -> Value {
        json!(it)
    }
}

/// A notice from its code, its English words, and the values that are named in them: `notice!("column_twice", "…")`,
/// `notice!("not_a_number", "“{cell}” is not a number", cell)`, `notice!("…", "{count} …", count = list.len())`.
macro_rules! notice {
    ($code:literal, $text:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        $($(let $name = $value;)?)*
        $crate::notice::Notice {
            code: $code,
            message: format!($text),
            values: std::collections::BTreeMap::from([$((stringify!($name), serde_json::Value::from($name))),*]),
        }
    }};
}
pub(crate) use notice;
