//! A text in the two languages that everything in Parlour speaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The same text in English and in Chinese.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Text {
    /// English
    pub en: String,
    /// 中文
    pub zh: String,
}

impl Text {
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }
}
