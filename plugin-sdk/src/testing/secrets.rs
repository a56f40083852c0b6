//! Secrets as the server treats them: a placeholder for the plugin, the value in what goes out, a mask in what comes back.

use super::State;
use crate::error::{Error, Result};
use crate::http::percent_encode;
use crate::manifest::Manifest;
use crate::secret::{END, START};

const MASKED: &str = "[secret]";
/// Shorter ones would be found by chance.
const MIN_MASKED_BYTES: usize = 4;

/// The values that took the places of placeholders in one request.
#[derive(Default)]
pub(super) struct Used(Vec<String>);

impl Used {
    pub(super) fn masked(&self, text: &str) -> String {
        self.forms().iter().fold(text.to_owned(), |text, form| text.replace(form, MASKED))
    }

    pub(super) fn masked_bytes(&self, body: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(body) {
            Ok(text) => self.masked(&text).into_bytes(),
            Err(error) => {
                let body = error.into_bytes();
                let found = |form: &String| body.windows(form.len()).any(|part| part == form.as_bytes());
                // Its places cannot be told from the bytes around them.
                if self.forms().iter().any(found) { MASKED.into() } else { body }
            }
        }
    }

    fn forms(&self) -> Vec<String> {
        let long = self.0.iter().filter(|value| value.len() >= MIN_MASKED_BYTES);
        let mut forms: Vec<String> = long.flat_map(|value| forms(value)).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms
    }
}

/// As the other side may repeat it: plain, in an address, in small letters.
fn forms(value: &str) -> [String; 3] {
    let mut encoded = String::new();
    percent_encode(value, &mut encoded);
    [value.to_owned(), encoded, value.to_lowercase()]
}

impl State {
    /// Whether the manifest's settings have the key; the server answers no other.
    pub(super) fn is_declared(&self, key: &str) -> bool {
        let has = |manifest: &Manifest| manifest.config.as_ref().is_some_and(|it| it["properties"].get(key).is_some());
        self.asked.borrow().as_ref().is_none_or(has)
    }

    /// Whether the setting is secret: the test says so, or the manifest.
    pub(super) fn is_secret(&self, key: &str) -> bool {
        let declared = |manifest: &Manifest| {
            let property = manifest.config.as_ref()?.get("properties")?.get(key)?;
            property.get("secret")?.as_bool()
        };
        self.secrets.borrow().contains(key) || self.asked.borrow().as_ref().and_then(declared).unwrap_or_default()
    }

    /// The text with its placeholders replaced; `escaped` writes a value as its place wants it.
    pub(super) fn filled(&self, text: &str, used: &mut Used, escaped: impl Fn(&str) -> String) -> Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(START) {
            let Some((key, after)) = after.split_once(END) else { break };
            let config = self.config.borrow();
            let value = config.get(key).and_then(|value| value.as_str()).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| Error::Failed(format!("the setting `{key}` is not filled in")))?;
            filled.push_str(before);
            filled.push_str(&escaped(value));
            used.0.push(value.to_owned());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Remembers what the plugin was given or gave away.
    pub(super) fn crosses(&self, text: impl Into<String>) {
        self.crossed.borrow_mut().push(text.into());
    }

    /// The secrets whose values the plugin has seen, with the text that had them.
    pub(super) fn leaks(&self) -> Vec<String> {
        let config = self.config.borrow();
        let secret = config.iter().filter(|(key, _)| self.is_secret(key));
        let values: Vec<_> = secret.filter_map(|(key, value)| Some((key, forms(value.as_str()?)))).collect();
        let crossed = self.crossed.borrow();
        let found = crossed.iter().flat_map(|text| {
            let leaked = values.iter().filter(|(_, forms)| forms.iter().any(|form| text.contains(form.as_str())));
            leaked.map(move |(key, _)| format!("`{key}` in: {text}"))
        });
        found.collect()
    }
}
