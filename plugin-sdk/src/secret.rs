//! A secret of the plugin's settings. The plugin holds only its place: the server puts the value in when a request goes out,
//! and takes it out of whatever comes back, so that no plugin can lose what it never had.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

pub(crate) const START: &str = "{{secret:";
pub(crate) const END: &str = "}}";

/// The place of a secret setting, for the value of a header or of an address's query.
///
/// As a field of the settings' type it says by itself that the setting is secret: `api_key: Secret`, or `Option<Secret>` for
/// one that may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    placeholder: String,
}

impl Secret {
    /// The secret with a text before it, such as `Bearer `.
    pub fn after(&self, text: impl Into<String>) -> Part {
        Part { text: text.into(), placeholder: Some(self.placeholder.clone()) }
    }

    /// What stands for the secret in what the plugin sees.
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let placeholder = String::deserialize(deserializer)?;
        match placeholder.strip_prefix(START).and_then(|rest| rest.strip_suffix(END)) {
            Some(_) => Ok(Self { placeholder }),
            // The text itself stays out of the message: it may be the secret.
            None => Err(D::Error::custom("this is no placeholder of a secret; the setting is not marked as one")),
        }
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "secret": true })
    }
}

/// A value of a header or of an address's query: text, or a secret with text before it.
///
/// The two are told apart here so that a text which only looks like a placeholder, because a visitor wrote it, is never
/// filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub(crate) text: String,
    pub(crate) placeholder: Option<String>,
}

impl From<Secret> for Part {
    fn from(secret: Secret) -> Self {
        Self { text: String::new(), placeholder: Some(secret.placeholder) }
    }
}

impl From<&Secret> for Part {
    fn from(secret: &Secret) -> Self {
        secret.clone().into()
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self { text, placeholder: None }
    }
}

macro_rules! texts {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Part {
            fn from(value: $kind) -> Self {
                value.to_string().into()
            }
        }
    )*};
}

texts!(&str, &String, bool, i32, i64, u16, u32, u64, usize, f64);
