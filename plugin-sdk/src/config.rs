//! The tenant's settings for this plugin, as declared by `config = Type` in `#[plugin]`.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::{host, schema};

/// One setting by its key; none when the tenant has not set it.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    match host::current(|host| host.config(key)) {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Error::Failed(format!("the setting `{key}` does not fit: {error}"))),
    }
}

/// A secret setting, to be used in a request. `Failed` names it when the tenant has not filled it in. Declare it as a field of
/// the type [`Secret`].
pub fn secret(key: &str) -> Result<Secret> {
    get(key)?.ok_or_else(|| Error::Failed(format!("the setting `{key}` is not filled in")))
}

/// All settings as the type that the manifest's `config` schema was made from. A missing required one is an error that
/// names it.
pub fn read<T: DeserializeOwned + JsonSchema>() -> Result<T> {
    let schema = schema::of_input::<T>();
    let mut settings = Map::new();
    for key in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        if let Some(value) = get::<Value>(key)? {
            settings.insert(key.clone(), value);
        }
    }
    serde_path_to_error::deserialize(Value::Object(settings))
        .map_err(|error| Error::Failed(format!("the plugin's settings do not fit: {error}")))
}
