//! The tenant's settings for a plugin. Only keys that the manifest's `config` schema names can be read.

use serde_json::Value;

use crate::bindings::parlour::plugin::config;
use crate::call::Guest;
use crate::manifest::Manifest;

impl config::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.count_cheap_call()?;
        Ok(match self.manifest.as_deref().and_then(|manifest| declared(manifest, &key)) {
            // A secret never enters the sandbox: the guest gets a placeholder that only the host can turn into the value.
            Some(Declared::Secret) => self.config.contains_key(&key).then(|| format!("\"{{{{secret:{key}}}}}\"")),
            Some(Declared::Plain) => self.config.get(&key).map(Value::to_string),
            None => None,
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Declared {
    Plain,
    Secret,
}

fn declared(manifest: &Manifest, key: &str) -> Option<Declared> {
    let property = manifest.config.as_ref()?.get("properties")?.get(key)?;
    let secret = property.get("secret").and_then(Value::as_bool).unwrap_or(false);
    Some(if secret { Declared::Secret } else { Declared::Plain })
}
